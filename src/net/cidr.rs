//! Networks, as an operator names them: `10.0.0.0/8`, `fd00::/8`, or one host by its address.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::str::FromStr;

/// The bits of the addresses that stand for IPv4 ones in IPv6, `::ffff:0:0/96` (RFC 4291 §2.5.5.2).
const MAPPED_PREFIX_BITS: u32 = 96;

/// The addresses that have their first so many bits in common (RFC 4632 §3.1, RFC 4291 §2.3).
///
/// An IPv4-mapped IPv6 address is the IPv4 address, here and in what is compared with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cidr {
    network: IpAddr,
    prefix_bits: u32,
}

/// Why a text is no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CidrError {
    /// The text is no address, with or without a length.
    Syntax,
    /// The length is none that its address can have.
    Length {
        /// The longest it can have.
        bits_max: u32,
    },
    /// Its address is not the first one of the network.
    HostBits {
        /// The network it is in.
        network: Cidr,
    },
}

impl Cidr {
    /// Whether `address` is in one of these networks.
    #[must_use]
    pub fn any_contains(networks: &[Self], address: IpAddr) -> bool {
        networks.iter().any(|network| network.contains(address))
    }

    /// Whether it is all addresses there are.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.prefix_bits == 0
    }

    /// Whether `address` is one of them.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.network.is_ipv4()
            && first(address, self.prefix_bits) == self.network
    }
}

impl FromStr for Cidr {
    type Err = CidrError;

    fn from_str(text: &str) -> Result<Self, CidrError> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let written: IpAddr = address.parse().map_err(|_| CidrError::Syntax)?;
        let bits_max = if written.is_ipv4() {
            Ipv4Addr::BITS
        } else {
            Ipv6Addr::BITS
        };
        let bits = match length {
            Some(length) => decimal(length).filter(|bits| *bits <= bits_max),
            None => Some(bits_max),
        };
        let bits = bits.ok_or(CidrError::Length { bits_max })?;
        let network = Self {
            network: first(written, bits),
            prefix_bits: bits,
        };
        if network.network != written {
            return Err(CidrError::HostBits { network });
        }
        Ok(network.canonical())
    }
}

impl Cidr {
    /// The IPv4 network that an IPv4-mapped one stands for.
    fn canonical(self) -> Self {
        let network = self.network.to_canonical();
        let mapped = network != self.network;
        Self {
            network,
            prefix_bits: self.prefix_bits - if mapped { MAPPED_PREFIX_BITS } else { 0 },
        }
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.prefix_bits)
    }
}

impl fmt::Display for CidrError {
    /// The correction, for an error message.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax => f.write_str(
                "write an address as 192.0.2.1 or ::1, or a network as 10.0.0.0/8 or fd00::/8",
            ),
            Self::Length { bits_max } => {
                write!(
                    f,
                    "behind the slash write how many bits the addresses have in common, 0 to {bits_max}"
                )
            }
            Self::HostBits { network } => {
                write!(
                    f,
                    "the network that this address is in is written {network}; for the one host leave out the slash"
                )
            }
        }
    }
}

impl core::error::Error for CidrError {}

/// The first address of those that have their first `prefix_bits` in common with `address`.
fn first(address: IpAddr, prefix_bits: u32) -> IpAddr {
    // A shift by all bits, for which there is no operator, leaves none.
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX
                .checked_shl(Ipv4Addr::BITS - prefix_bits)
                .unwrap_or(0);
            Ipv4Addr::from_bits(address.to_bits() & mask).into()
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX
                .checked_shl(Ipv6Addr::BITS - prefix_bits)
                .unwrap_or(0);
            Ipv6Addr::from_bits(address.to_bits() & mask).into()
        }
    }
}

/// Reads a decimal number without a sign or zeros in front.
pub fn decimal<N: FromStr>(digits: &str) -> Option<N> {
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit())
        && (digits == "0" || !digits.starts_with('0'));
    digits.parse().ok().filter(|_| plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(network: &str, address: &str) -> bool {
        let network: Result<Cidr, _> = network.parse();
        let address: Result<IpAddr, _> = address.parse();
        matches!((network, address), (Ok(network), Ok(address)) if network.contains(address))
    }

    #[test]
    fn a_network_holds_its_addresses_and_no_others() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.255.255", "11.0.0.0"),
            ("192.0.2.128/25", "192.0.2.128", "192.0.2.127"),
            ("192.0.2.1", "192.0.2.1", "192.0.2.2"),
            ("192.0.2.1/32", "192.0.2.1", "192.0.2.0"),
            ("0.0.0.0/0", "255.255.255.255", "::1"),
            ("::/0", "ffff::", "127.0.0.1"),
            ("::1", "::1", "::"),
            ("fd00::/8", "fdff::1", "fe00::"),
            ("2001:db8::/127", "2001:db8::1", "2001:db8::2"),
        ] {
            assert!(contains(network, inside), "{inside} is in {network}");
            assert!(!contains(network, outside), "{outside} is not in {network}");
        }
    }

    #[test]
    fn a_mapped_address_is_the_ipv4_address() {
        assert!(contains("10.0.0.0/8", "::ffff:10.1.2.3"));
        assert!(contains("::ffff:10.0.0.0/104", "10.1.2.3"));
        assert!(contains("::ffff:10.1.2.3", "10.1.2.3"));
        assert!(!contains("::/0", "::ffff:10.1.2.3"));
        let shown = "::ffff:10.0.0.0/104"
            .parse::<Cidr>()
            .map(|network| network.to_string());
        assert_eq!(shown.as_deref(), Ok("10.0.0.0/8"));
    }

    #[test]
    fn what_is_wrong_is_told_with_what_is_right() {
        for (text, right) in [
            ("", "192.0.2.1"),
            ("10", "192.0.2.1"),
            ("localhost", "192.0.2.1"),
            (" 10.0.0.0/8", "192.0.2.1"),
            ("10.0.0/8", "192.0.2.1"),
            ("010.0.0.0/8", "192.0.2.1"),
            ("[::1]", "192.0.2.1"),
            ("10.0.0.0/", "0 to 32"),
            ("10.0.0.0/33", "0 to 32"),
            ("10.0.0.0/08", "0 to 32"),
            ("10.0.0.0/+8", "0 to 32"),
            ("10.0.0.0/8/8", "0 to 32"),
            ("10.0.0.0/255.0.0.0", "0 to 32"),
            ("::/129", "0 to 128"),
            ("::/99999999999", "0 to 128"),
            ("10.0.0.1/8", "10.0.0.0/8"),
            ("10.0.0.1/0", "0.0.0.0/0"),
            ("fd00::1/8", "fd00::/8"),
            ("::ffff:10.0.0.0/90", "::ffc0:0:0/90"),
        ] {
            let said = text.parse::<Cidr>().map_err(|error| error.to_string());
            assert!(
                said.as_ref().is_err_and(|said| said.contains(right)),
                "{text}: {said:?}"
            );
        }
    }
}
