//! The hosts file (hosts(5)): addresses that this machine knows by itself, before any name server is asked.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::answer::HostAddresses;
use super::host_name::HostName;
use super::order::in_order;

/// The most names that are kept of a file.
const NAMES_MAX: usize = 100_000;
/// The most addresses that are kept of one name.
const ADDRESSES_MAX: usize = 30;

/// Names and addresses of a hosts file.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct HostsFile {
    names: HashMap<HostName, Vec<IpAddr>>,
}

impl HostsFile {
    /// Reads the file: an address and its names in each line. What is no address or no name is passed over, as the C library does.
    #[must_use]
    pub fn parse(text: &[u8]) -> Self {
        let mut hosts = Self::default();
        for line in text.split(|octet| *octet == b'\n') {
            let line = line.split(|octet| *octet == b'#').next();
            let Some(Ok(line)) = line.map(std::str::from_utf8) else {
                continue;
            };
            let mut words = line.split_ascii_whitespace();
            let Some(Ok(address)) = words.next().map(str::parse) else {
                continue;
            };
            for name in words.filter_map(HostName::parse) {
                hosts.add(name, address);
            }
        }
        hosts
    }

    fn add(&mut self, name: HostName, address: IpAddr) {
        if self.names.len() >= NAMES_MAX && !self.names.contains_key(&name) {
            return;
        }
        let addresses = self.names.entry(name).or_default();
        if addresses.len() < ADDRESSES_MAX && !addresses.contains(&address) {
            addresses.push(address);
        }
    }

    /// The addresses of a name. `localhost` and names below it always have some.
    #[must_use]
    pub fn get(&self, name: &HostName) -> Option<HostAddresses> {
        if let Some(addresses) = self.names.get(name) {
            return Some(in_order(addresses));
        }
        let loopback = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        name.is_localhost().then(|| loopback.into())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn get(hosts: &str, name: &str) -> Option<Vec<String>> {
        let addresses = HostsFile::parse(hosts.as_bytes()).get(&HostName::parse(name).unwrap());
        addresses.map(|found| found.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_line_has_an_address_and_its_names() {
        let hosts = "# hosts\n192.0.2.1\tMail.Example.org mail  # ours\r\n\n 2001:db8::1 mail\n192.0.2.2 mail\n";
        let both = ["192.0.2.1", "2001:db8::1", "192.0.2.2"].map(String::from);
        assert_eq!(get(hosts, "mail"), Some(both.into()));
        assert_eq!(
            get(hosts, "mail.example.ORG"),
            Some(vec!["192.0.2.1".into()])
        );
        for name in ["example.org", "ours", "hosts"] {
            assert_eq!(get(hosts, name), None, "{name}");
        }
    }

    #[test]
    fn lines_that_make_no_sense_are_passed_over() {
        let hosts = "nonsense a\n192.0.2 a\n192.0.2.1\n#192.0.2.1 a\nfe80::1%eth0 a\n192.0.2.9 a b/c \u{e4} d";
        assert_eq!(get(hosts, "a"), Some(vec!["192.0.2.9".into()]));
        assert_eq!(get(hosts, "d"), Some(vec!["192.0.2.9".into()]));
        let binary = [&[0, 255, 254, b'\n'][..], b"192.0.2.1 a"].concat();
        let name = HostName::parse("a").unwrap();
        assert!(HostsFile::parse(&binary).get(&name).is_some());
    }

    #[test]
    fn localhost_needs_no_file() {
        let loopback = Some(vec!["127.0.0.1".to_owned(), "::1".to_owned()]);
        assert_eq!(get("", "localhost"), loopback);
        assert_eq!(get("", "mail.localhost"), loopback);
        let ours = "127.0.0.2 localhost";
        assert_eq!(get(ours, "localhost"), Some(vec!["127.0.0.2".into()]));
    }

    #[test]
    fn names_and_addresses_are_bounded() {
        let mut text = String::new();
        for number in 0..NAMES_MAX + 10 {
            text += &format!("192.0.2.1 n{number}\n");
        }
        for number in 0..200 {
            text += &format!("192.0.2.{number} n0\n");
        }
        let hosts = HostsFile::parse(text.as_bytes());
        assert_eq!(hosts.names.len(), NAMES_MAX);
        let first = hosts.get(&HostName::parse("n0").unwrap()).unwrap();
        assert_eq!(first.len(), ADDRESSES_MAX);
    }
}
