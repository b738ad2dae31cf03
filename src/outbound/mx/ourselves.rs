//! The rules of mail to hosts that a domain names: which of them are ourselves, and which addresses are refused.

use std::net::{IpAddr, SocketAddr};

use super::special::is_special;
use crate::net::cidr::Cidr;

/// The rules of mail to hosts that name servers have named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MxRules {
    /// The port of these hosts: 25 but in tests.
    pub port: u16,
    /// Special ranges that such hosts may be in all the same.
    pub allowed: Vec<Cidr>,
    /// Our names, in lower case and as A-labels.
    pub our_names: Vec<Box<str>>,
    /// The addresses of our interfaces.
    pub our_addresses: Vec<IpAddr>,
    /// Addresses that lead to us as well, as behind a translation (NAT), by the word of the operator.
    pub named_addresses: Vec<IpAddr>,
    /// The sockets that we listen at for mail.
    pub our_sockets: Vec<SocketAddr>,
}

/// What is thought of an address that name servers have named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressVerdict {
    /// Mail may go there.
    Fine,
    /// The address is ours: mail would come back.
    Ours,
    /// The address is not one of the public Internet.
    Special,
}

impl MxRules {
    /// Whether a host is ourselves by its name.
    #[must_use]
    pub fn is_our_name(&self, host: &str) -> bool {
        let mut names = self.our_names.iter();
        names.any(|name| name.eq_ignore_ascii_case(host))
    }

    /// What is thought of an address. In a range that the operator has opened there may be other servers of this machine, as in tests: only
    /// the sockets that we listen at are ours there.
    #[must_use]
    pub fn verdict(&self, address: IpAddr) -> AddressVerdict {
        let address = address.to_canonical();
        let is_among = |ours: &[IpAddr]| ours.iter().any(|ours| ours.to_canonical() == address);
        if is_among(&self.named_addresses) {
            return AddressVerdict::Ours;
        }
        let is_ours = is_among(&self.our_addresses);
        if Cidr::any_contains(&self.allowed, address) {
            let is_socket = self.our_sockets.iter().any(|socket| {
                let ip = socket.ip().to_canonical();
                socket.port() == self.port && (ip == address || ip.is_unspecified() && is_ours)
            });
            return match is_socket {
                true => AddressVerdict::Ours,
                false => AddressVerdict::Fine,
            };
        }
        match (is_special(address), is_ours) {
            (true, _) => AddressVerdict::Special,
            (false, true) => AddressVerdict::Ours,
            (false, false) => AddressVerdict::Fine,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn our_addresses_and_special_ones_are_told_apart() {
        let mut rules = MxRules {
            port: 25,
            our_addresses: vec!["8.8.4.4".parse().unwrap(), "127.0.0.1".parse().unwrap()],
            named_addresses: vec!["9.9.9.9".parse().unwrap(), "10.9.9.9".parse().unwrap()],
            our_sockets: vec!["0.0.0.0:25".parse().unwrap()],
            ..MxRules::default()
        };
        let verdict = |rules: &MxRules, text: &str| rules.verdict(text.parse().unwrap());
        for (address, expected) in [
            ("8.8.4.4", AddressVerdict::Ours),
            ("::ffff:8.8.4.4", AddressVerdict::Ours),
            ("9.9.9.9", AddressVerdict::Ours),
            ("10.9.9.9", AddressVerdict::Ours),
            ("8.8.8.8", AddressVerdict::Fine),
            ("127.0.0.1", AddressVerdict::Special),
            ("10.0.0.1", AddressVerdict::Special),
        ] {
            assert_eq!(verdict(&rules, address), expected, "{address}");
        }
        rules.allowed = vec!["127.0.0.0/8".parse().unwrap(), "10.0.0.1".parse().unwrap()];
        for (port, address, expected) in [
            (25, "127.0.0.1", AddressVerdict::Ours),
            (2525, "127.0.0.1", AddressVerdict::Fine),
            (25, "127.0.0.2", AddressVerdict::Fine),
            (25, "10.0.0.1", AddressVerdict::Fine),
            (25, "10.0.0.2", AddressVerdict::Special),
            (25, "8.8.4.4", AddressVerdict::Ours),
        ] {
            rules.port = port;
            assert_eq!(verdict(&rules, address), expected, "{address} {port}");
        }
    }
}
