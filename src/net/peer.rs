//! Peers of connections.

use core::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// The peer of a connection, or the client that it speaks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerAddress {
    /// A client on the network; made by `from`, for which an IPv4-mapped IPv6 address is the IPv4 address.
    Tcp(SocketAddr),
    /// A client on a unix socket, which has no name.
    Unix,
    /// A client whose address the XCLIENT peer does not know.
    Unknown,
}

/// A group of addresses, among which the CPU is shared out: an IPv4 address, or the first 64 bits of an IPv6 address,
/// since whoever has one of these has them all. Clients without an address are one source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct AddressGroup(Option<IpAddr>);

impl PeerAddress {
    /// Its group of addresses.
    pub(super) fn group(&self) -> AddressGroup {
        AddressGroup(self.ip().map(|ip| match ip {
            IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & u128::MAX << 64).into(),
            ip @ IpAddr::V4(_) => ip,
        }))
    }

    /// Whether it is on this machine, so that nobody listens in between. The unspecified address leads here as well.
    #[must_use]
    pub fn is_on_this_machine(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().is_loopback() || address.ip().is_unspecified(),
            Self::Unix => true,
            Self::Unknown => false,
        }
    }

    /// Its IP address.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Tcp(address) => Some(address.ip()),
            Self::Unix | Self::Unknown => None,
        }
    }
}

impl From<SocketAddr> for PeerAddress {
    /// The one way by which an address comes in: from a socket for both families, from a proxy, by XCLIENT. So logs, limits and
    /// trace fields know a client by one address, whichever way it came.
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(match address.ip().to_canonical() {
            ip @ IpAddr::V4(_) => SocketAddr::new(ip, address.port()),
            IpAddr::V6(_) => address,
        })
    }
}

impl From<Option<SocketAddr>> for PeerAddress {
    /// A peer without an address is on a unix socket.
    fn from(address: Option<SocketAddr>) -> Self {
        address.map_or(Self::Unix, Self::from)
    }
}

impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Unix => f.write_str("unix"),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}
