//! Addresses of servers and listeners: `HOST:PORT`, `[IPV6]:PORT` or `unix:PATH`.

use core::fmt;
use core::str::FromStr;
use std::borrow::Cow;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};

/// The prefix of a path, as in `unix:/run/mailoop.sock`.
const UNIX_PREFIX: &str = "unix:";
/// The name that the certificate of a server on this machine is checked for.
const LOCALHOST: &str = "localhost";

/// The address of a server, as a person writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// An address that needs no look-up.
    Address(SocketAddress),
    /// A host name and a port.
    Host(String, u16),
}

/// An address that a socket can be bound or connected to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SocketAddress {
    /// An IP address and a port; a listener on port 0 lets the kernel pick one.
    Tcp(SocketAddr),
    /// A socket file.
    Unix(PathBuf),
}

/// Text that is no [`Endpoint`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointError {
    /// The host, the port or the colon between them is missing, or the port is no number up to 65535.
    NoHostAndPort,
    /// The path after `unix:` is missing.
    NoPath,
}

impl Endpoint {
    /// Looks up the addresses of the host, which blocks if that is a name.
    ///
    /// # Errors
    /// The name service knows no address of this name, or gives no answer.
    pub fn resolve(&self) -> io::Result<Vec<SocketAddress>> {
        match self {
            Self::Address(address) => Ok(vec![address.clone()]),
            Self::Host(name, port) => {
                let addresses = (name.as_str(), *port).to_socket_addrs()?;
                Ok(addresses.map(SocketAddress::Tcp).collect())
            }
        }
    }

    /// The name or IP address that the certificate of the server has to be for. A unix socket leads to this machine.
    #[must_use]
    pub fn host(&self) -> Cow<'_, str> {
        match self {
            Self::Address(SocketAddress::Tcp(address)) => address.ip().to_string().into(),
            Self::Address(SocketAddress::Unix(_)) => LOCALHOST.into(),
            Self::Host(name, _) => name.into(),
        }
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        match text.strip_prefix(UNIX_PREFIX) {
            Some("") => return Err(EndpointError::NoPath),
            Some(path) => return Ok(Self::Address(SocketAddress::Unix(path.into()))),
            None => {}
        }
        if let Ok(address) = text.parse() {
            return Ok(Self::Address(SocketAddress::Tcp(address)));
        }
        let host_and_port = text.rsplit_once(':');
        let (host, port) = host_and_port.ok_or(EndpointError::NoHostAndPort)?;
        match port.parse() {
            Ok(port) if !host.is_empty() => Ok(Self::Host(host.to_owned(), port)),
            _ => Err(EndpointError::NoHostAndPort),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Host(name, port) => write!(f, "{name}:{port}"),
        }
    }
}

impl SocketAddress {
    /// Whether only this machine can reach it.
    #[must_use]
    pub fn is_private(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().to_canonical().is_loopback(),
            Self::Unix(_) => true,
        }
    }

    /// The path of a socket file.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Tcp(_) => None,
            Self::Unix(path) => Some(path),
        }
    }
}

impl fmt::Display for SocketAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "{UNIX_PREFIX}{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(text: &str) -> Result<Endpoint, EndpointError> {
        text.parse()
    }

    #[test]
    fn endpoints_are_read_and_shown_alike() {
        for (text, host) in [
            ("127.0.0.1:0", "127.0.0.1"),
            ("[::1]:2525", "::1"),
            ("[fe80::1%2]:25", "fe80::1"),
            ("mail.example.org:25", "mail.example.org"),
            ("unix:/run/mail:25", "localhost"),
            ("unix:m.sock", "localhost"),
        ] {
            let read = endpoint(text);
            assert_eq!(read.as_ref().map(ToString::to_string), Ok(text.to_owned()));
            assert_eq!(read.as_ref().map(Endpoint::host), Ok(host.into()), "{text}");
        }
    }

    #[test]
    fn the_part_that_is_missing_is_told() {
        for text in [
            "",
            ":25",
            "2525",
            "127.0.0.1",
            "host:",
            "host:x",
            "1.2.3.4:65536",
        ] {
            assert_eq!(endpoint(text), Err(EndpointError::NoHostAndPort), "{text}");
        }
        assert_eq!(endpoint("unix:"), Err(EndpointError::NoPath));
    }

    #[test]
    fn only_a_host_name_is_looked_up() -> io::Result<()> {
        for text in ["127.0.0.1:25", "unix:/run/mail"] {
            let read = endpoint(text).map_err(|_| io::ErrorKind::InvalidInput)?;
            let resolved = read.resolve()?;
            let resolved: Vec<_> = resolved.iter().map(ToString::to_string).collect();
            assert_eq!(resolved, [text]);
        }
        // An IPv6 address without brackets is ambiguous: as a host name it is still itself.
        let read = endpoint("::1:25").map_err(|_| io::ErrorKind::InvalidInput)?;
        assert_eq!(read, Endpoint::Host("::1".to_owned(), 25));
        let resolved = read.resolve()?;
        assert_eq!(
            resolved.first().map(ToString::to_string).as_deref(),
            Some("[::1]:25")
        );
        Ok(())
    }
}
