//! The address of a stream, as an operator writes it: `nats://HOST:PORT[,HOST:PORT…]/STREAM[?OPTION&…]`.

use core::fmt;
use std::error::Error;
use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::str::FromStr;

use crate::smtp::route::{TlsLevel, decoded, encoded};

/// The port of a server whose address names none.
pub const PORT: u16 = 4222;
/// The distance from the port of a server to that of its monitor, as operators have them: 4222 and 8222.
pub const MONITOR_DISTANCE: u16 = 4000;
/// The most servers, and monitors, that an address names.
pub const NODES_MAX: usize = 64;
/// The most octets of the name of a host (RFC 1035 §2.3.4).
const HOST_BYTES_MAX: usize = 255;
/// The most octets of the name of a stream, as its servers have it.
const STREAM_BYTES_MAX: usize = 255;
const SCHEME: &str = "nats://";

/// A server of a stream: the name of a host, or its address, and a port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Node {
    /// The name of the host, or its address; an IPv6 address without brackets.
    pub host: Box<str>,
    /// The port.
    pub port: u16,
}

/// What a stream has to do before its word counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Three replicas at least, each of which syncs always.
    #[default]
    Synced,
    /// Three replicas at least.
    Replicated,
}

/// The address of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamTarget {
    /// Its servers, at least one.
    pub nodes: Vec<Node>,
    /// Its name.
    pub stream: Box<str>,
    /// The user who logs in, if anybody does.
    pub user: Option<Box<str>>,
    /// The TLS that is asked of each connection; `None` for none.
    pub tls: Option<TlsLevel>,
    /// A file with the authorities that have to vouch for servers, in place of those of the machine.
    pub authorities: Option<PathBuf>,
    /// The monitors of all servers; none for the port of each server and 4000.
    pub monitors: Vec<Node>,
    /// What its servers have to promise.
    pub durability: Durability,
    /// Whether a server starts that reaches nobody.
    pub waits: bool,
}

/// A mistake in the address of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetError {
    /// It does not begin with `nats://`.
    Scheme,
    /// It names no stream.
    NoStream,
    /// The name of the stream is none.
    Stream,
    /// A server is none.
    Node(String),
    /// It names too many servers.
    TooManyNodes,
    /// A password stands in it, for everybody to read who sees processes.
    Password,
    /// An option that there is not.
    UnknownOption(String),
    /// An option that is there twice.
    OptionTwice(&'static str),
    /// A value that an option cannot have, and those that it can.
    Value(&'static str, &'static str),
}

impl fmt::Display for TargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scheme => write!(f, "write it as nats://HOST:PORT/STREAM"),
            Self::NoStream => write!(f, "it names no stream: write it as nats://HOST:PORT/STREAM"),
            Self::Stream => write!(
                f,
                "the name of a stream has no blank and none of . * > / \\ and at most 255 octets"
            ),
            Self::Node(node) => write!(
                f,
                "{node:?} is no server: write HOST:PORT, an IPv6 address in brackets"
            ),
            Self::TooManyNodes => write!(f, "it names more than {NODES_MAX} servers"),
            Self::Password => write!(
                f,
                "a user stands in ?user=NAME, and a password in the file of --stream-password"
            ),
            Self::UnknownOption(name) => write!(
                f,
                "there is no option {name:?}: there are user, tls, ca, monitor, durability and wait"
            ),
            Self::OptionTwice(name) => write!(f, "the option {name} is there twice"),
            Self::Value(name, values) => write!(f, "{name} is {values}"),
        }
    }
}

impl Error for TargetError {}

impl Node {
    /// The monitor of a server that has it at the usual distance.
    #[must_use]
    pub fn monitor(&self) -> Self {
        Self {
            host: self.host.clone(),
            port: self.port.wrapping_add(MONITOR_DISTANCE),
        }
    }
}

impl FromStr for Node {
    type Err = TargetError;

    /// Reads `HOST[:PORT]`.
    fn from_str(text: &str) -> Result<Self, TargetError> {
        let wrong = || TargetError::Node(text.to_owned());
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, port) = rest.split_once(']').ok_or_else(wrong)?;
                host.parse::<Ipv6Addr>().map_err(|_| wrong())?;
                (
                    host,
                    port.strip_prefix(':')
                        .or_else(|| port.is_empty().then_some("")),
                )
            }
            None => match text.split_once(':') {
                Some((host, port)) => (host, Some(port).filter(|port| !port.is_empty())),
                None => (text, Some("")),
            },
        };
        let is_name = |octet: u8| octet.is_ascii_alphanumeric() || b"-._:".contains(&octet);
        let is_host = (1..=HOST_BYTES_MAX).contains(&host.len()) && host.bytes().all(is_name);
        let port = match port.ok_or_else(wrong)? {
            "" => PORT,
            digits if digits.bytes().all(|digit| digit.is_ascii_digit()) => digits
                .parse()
                .ok()
                .filter(|port| *port > 0)
                .ok_or_else(wrong)?,
            _ => return Err(wrong()),
        };
        let host = host.into();
        is_host.then_some(Self { host, port }).ok_or_else(wrong)
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl FromStr for StreamTarget {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let rest = text.strip_prefix(SCHEME).ok_or(TargetError::Scheme)?;
        let (rest, options) = rest.split_once('?').unwrap_or((rest, ""));
        if rest.contains('@') {
            return Err(TargetError::Password);
        }
        let (nodes, stream) = rest.split_once('/').ok_or(TargetError::NoStream)?;
        let mut target = Self {
            nodes: parse_nodes(nodes)?,
            stream: parse_stream(stream)?,
            user: None,
            tls: None,
            authorities: None,
            monitors: Vec::new(),
            durability: Durability::default(),
            waits: false,
        };
        let mut seen = Vec::new();
        for option in options.split('&').filter(|option| !option.is_empty()) {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            let name = target.set(name, value)?;
            if seen.contains(&name) {
                return Err(TargetError::OptionTwice(name));
            }
            seen.push(name);
        }
        // Who gives authorities believes that they are asked.
        if target.authorities.is_some() && target.tls != Some(TlsLevel::Verify) {
            return Err(TargetError::Value("ca", "for tls=verify only"));
        }
        Ok(target)
    }
}

impl StreamTarget {
    /// Sets an option, and returns its name.
    fn set(&mut self, name: &str, value: &str) -> Result<&'static str, TargetError> {
        const LEVELS: &str = "none, encrypt or verify";
        let text = |name| decoded(value).ok_or(TargetError::Value(name, "not empty"));
        Ok(match name {
            "user" => {
                self.user = Some(text("user")?.into());
                "user"
            }
            "ca" => {
                self.authorities = Some(text("ca")?.into());
                "ca"
            }
            "tls" => {
                // Whether there is TLS is not for somebody between to say.
                let level = TlsLevel::named(value).filter(|level| *level != TlsLevel::May);
                let level = level.ok_or(TargetError::Value("tls", LEVELS))?;
                self.tls = Some(level).filter(|level| *level != TlsLevel::None);
                "tls"
            }
            "monitor" => {
                self.monitors = parse_nodes(value)?;
                "monitor"
            }
            "durability" => {
                self.durability = match value {
                    "synced" => Durability::Synced,
                    "replicated" => Durability::Replicated,
                    _ => return Err(TargetError::Value("durability", "synced or replicated")),
                };
                "durability"
            }
            "wait" => {
                self.waits = match value {
                    "yes" => true,
                    "no" => false,
                    _ => return Err(TargetError::Value("wait", "yes or no")),
                };
                "wait"
            }
            _ => return Err(TargetError::UnknownOption(name.to_owned())),
        })
    }
}

/// Reads servers that are separated by commas.
fn parse_nodes(text: &str) -> Result<Vec<Node>, TargetError> {
    let nodes: Result<Vec<Node>, _> = text
        .split(',')
        .take(NODES_MAX + 1)
        .map(str::parse)
        .collect();
    let nodes = nodes?;
    match nodes.len() > NODES_MAX {
        true => Err(TargetError::TooManyNodes),
        false => Ok(nodes),
    }
}

fn parse_stream(text: &str) -> Result<Box<str>, TargetError> {
    let is_plain = |octet: u8| octet.is_ascii_graphic() && !b".*>/\\".contains(&octet);
    match text {
        "" => Err(TargetError::NoStream),
        _ if text.len() <= STREAM_BYTES_MAX && text.bytes().all(is_plain) => Ok(text.into()),
        _ => Err(TargetError::Stream),
    }
}

impl fmt::Display for StreamTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let joined = |nodes: &[Node]| {
            let nodes: Vec<String> = nodes.iter().map(Node::to_string).collect();
            nodes.join(",")
        };
        write!(f, "{SCHEME}{}/{}", joined(&self.nodes), self.stream)?;
        let path = self.authorities.as_ref().map(|path| path.to_string_lossy());
        let options = [
            self.user
                .as_ref()
                .map(|user| format!("user={}", encoded(user))),
            self.tls.map(|level| format!("tls={}", level.name())),
            path.map(|path| format!("ca={}", encoded(&path))),
            (!self.monitors.is_empty()).then(|| format!("monitor={}", joined(&self.monitors))),
            (self.durability == Durability::Replicated).then(|| "durability=replicated".to_owned()),
            self.waits.then(|| "wait=yes".to_owned()),
        ];
        for (position, option) in options.iter().flatten().enumerate() {
            write!(f, "{}{option}", if position == 0 { '?' } else { '&' })?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_and_written() {
        for text in [
            "nats://n1:4222/MAIL",
            "nats://n1:4222,[::1]:4223,10.0.0.1:4224/MAIL?user=ada&tls=verify&monitor=n1:8222,n2:8222&durability=replicated&wait=yes",
        ] {
            assert_eq!(text.parse::<StreamTarget>().unwrap().to_string(), text);
        }
        let short: StreamTarget = "nats://n1/MAIL".parse().unwrap();
        assert_eq!(short.nodes[0].port, PORT);
        assert_eq!(short.nodes[0].monitor().to_string(), "n1:8222");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for (text, error) in [
            ("amqp://n1/MAIL", TargetError::Scheme),
            ("nats://n1", TargetError::NoStream),
            ("nats://n1/", TargetError::NoStream),
            ("nats://n1/A.B", TargetError::Stream),
            ("nats:///MAIL", TargetError::Node(String::new())),
            ("nats://n1:0/MAIL", TargetError::Node("n1:0".to_owned())),
            ("nats://n1:x/MAIL", TargetError::Node("n1:x".to_owned())),
            ("nats://::1/MAIL", TargetError::Node("::1".to_owned())),
            ("nats://ada:secret@n1/MAIL", TargetError::Password),
            (
                "nats://n1/MAIL?tls=may",
                TargetError::Value("tls", "none, encrypt or verify"),
            ),
            (
                "nats://n1/MAIL?ca=/etc/ca.pem",
                TargetError::Value("ca", "for tls=verify only"),
            ),
            (
                "nats://n1/MAIL?wait=no&wait=yes",
                TargetError::OptionTwice("wait"),
            ),
            (
                "nats://n1/MAIL?pass=x",
                TargetError::UnknownOption("pass".to_owned()),
            ),
        ] {
            assert_eq!(text.parse::<StreamTarget>(), Err(error), "{text}");
        }
    }
}
