//! The settings of the resolver: those of the system (resolv.conf(5)), or the name servers that `--dns` names.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use resolv_conf::{Config, ScopedIp};

use super::host_name::HostName;

/// The port of name servers.
const PORT: u16 = 53;
/// The most name servers that are asked.
pub const SERVERS_MAX: usize = 8;
/// The most domains in which a name without a dot is looked for, as in the C library.
const SEARCH_MAX: usize = 6;

/// Name servers, and how they are asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolverConfig {
    /// The name servers, in the order in which they are asked. There is at least one.
    servers: Vec<SocketAddr>,
    /// Domains in which a name without a dot is looked for.
    pub search: Vec<HostName>,
    /// Whether questions go by TCP only (`use-vc`).
    pub by_stream: bool,
    /// Whether nobody is asked for IPv6 addresses (`no-aaaa`).
    pub ipv4_only: bool,
    /// Whether each server is trusted to have verified what it says it has, and so is the way to it (`trust-ad`).
    pub trusts_all: bool,
}

impl ResolverConfig {
    /// These name servers; without one, one on this machine, as in the C library.
    #[must_use]
    pub fn new(mut servers: Vec<SocketAddr>) -> Self {
        servers.truncate(SERVERS_MAX);
        if servers.is_empty() {
            let loopback = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
            servers.extend(loopback.map(|ip: IpAddr| SocketAddr::new(ip, PORT)));
        }
        Self {
            servers,
            search: Vec::new(),
            by_stream: false,
            ipv4_only: false,
            trusts_all: false,
        }
    }

    /// Reads resolv.conf. `interface` tells the number of a network interface, which a link-local address needs. Returns
    /// warnings as well: a line that makes no sense is passed over, as the C library does.
    #[must_use]
    pub fn parse(text: &[u8], interface: impl Fn(&str) -> Option<u32>) -> (Self, Vec<String>) {
        let (mut read, errors) = Config::parse_with_errors(text);
        read.glibc_normalize();
        let servers = read.nameservers.iter();
        let servers = servers.filter_map(|server| match server {
            ScopedIp::V4(ip) => Some(SocketAddr::new((*ip).into(), PORT)),
            ScopedIp::V6(ip, None) => Some(SocketAddr::new((*ip).into(), PORT)),
            ScopedIp::V6(ip, Some(scope)) => {
                let scope = scope.parse().ok().or_else(|| interface(scope))?;
                Some(SocketAddrV6::new(*ip, PORT, 0, scope).into())
            }
        });
        let search = read.get_last_search_or_domain();
        let search = search.filter_map(|domain| HostName::parse(domain));
        let config = Self {
            search: search.take(SEARCH_MAX).collect(),
            by_stream: read.use_vc,
            ipv4_only: read.no_aaaa,
            trusts_all: read.trust_ad,
            ..Self::new(servers.collect())
        };
        (config, errors.iter().map(ToString::to_string).collect())
    }

    /// Whether a server is trusted to have verified what it says it has (the AD bit, RFC 6840 §5.8): the way to another machine is
    /// anybody's, unless the operator says otherwise.
    #[must_use]
    pub fn is_trusted(&self, server: SocketAddr) -> bool {
        self.trusts_all || server.ip().to_canonical().is_loopback()
    }

    /// The name servers, at least one.
    #[must_use]
    pub fn servers(&self) -> &[SocketAddr] {
        &self.servers
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn parse(text: &str) -> ResolverConfig {
        let interface = |name: &str| (name == "eth0").then_some(7);
        ResolverConfig::parse(text.as_bytes(), interface).0
    }

    fn servers(text: &str) -> Vec<String> {
        let config = parse(text);
        config.servers.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn servers_of_the_file_are_asked_in_its_order() {
        assert_eq!(
            servers("; c\nnameserver 192.0.2.1 \nnameserver 2001:db8::1\n# nameserver 192.0.2.3\n"),
            ["192.0.2.1:53", "[2001:db8::1]:53"]
        );
        assert_eq!(servers("nameserver fe80::1%eth0"), ["[fe80::1%7]:53"]);
        assert_eq!(servers("nameserver fe80::1%3"), ["[fe80::1%3]:53"]);
        let four = "nameserver 192.0.2.1\n".repeat(4);
        assert_eq!(servers(&four).len(), 3, "as in the C library");
    }

    #[test]
    fn without_a_server_this_machine_is_asked() {
        for text in [
            "",
            "search example.org",
            "nameserver fe80::1%eth9",
            "nameserver x",
        ] {
            assert_eq!(servers(text), ["127.0.0.1:53", "[::1]:53"], "{text}");
        }
    }

    #[test]
    fn lines_that_make_no_sense_are_told_and_passed_over() {
        let text = b"nameserver x\nnonsense\nnameserver 192.0.2.1\n\xff\xfe\noptions unheard-of\n";
        let (config, warnings) = ResolverConfig::parse(text, |_| None);
        assert_eq!(config.servers().len(), 1);
        assert_eq!(warnings.len(), 4, "{warnings:?}");
    }

    #[test]
    fn search_lists_and_options_are_read() {
        let config =
            parse("domain a.example\nsearch B.example c.example. /\noptions use-vc no-aaaa");
        let search: Vec<_> = config.search.iter().map(ToString::to_string).collect();
        assert_eq!(search, ["b.example", "c.example"]);
        assert!(config.by_stream && config.ipv4_only && !config.trusts_all);
        let config = parse("search a b c d e f g h");
        assert_eq!(config.search.len(), SEARCH_MAX);
        assert!(!config.by_stream && !config.ipv4_only);
    }

    #[test]
    fn servers_of_this_machine_are_trusted_and_those_that_the_operator_trusts() {
        for (server, by_itself) in [
            ("127.0.0.1:53", true),
            ("127.0.0.53:5353", true),
            ("[::1]:53", true),
            ("[::ffff:127.0.0.1]:53", true),
            ("192.0.2.1:53", false),
            ("[fe80::1%2]:53", false),
            ("0.0.0.0:53", false),
        ] {
            let server = server.parse().unwrap();
            let plain = ResolverConfig::new(vec![server]);
            assert_eq!(plain.is_trusted(server), by_itself, "{server}");
            assert!(parse("options trust-ad").is_trusted(server));
        }
    }
}
