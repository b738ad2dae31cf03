//! The next server of a route, as an operator writes it: `smtp://mail.example.net:587?tls=verify&auth=ada`, or `mx`.

pub(super) mod options;

use core::fmt;
use core::net::{IpAddr, Ipv6Addr, SocketAddr};
use core::str::FromStr;
use std::path::PathBuf;

use options::{HopOptions, encoded};

use crate::smtp::path::Mailbox;

/// The hop that stands for the servers of each domain.
const MX: &str = "mx";
/// The port of SMTP between servers (RFC 5321 §4.5.4.2).
const SMTP_PORT: u16 = 25;
/// The port of submission under TLS from the first octet (RFC 8314 §3.3).
const SMTPS_PORT: u16 = 465;

/// The next server of a route.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Hop {
    /// The protocol that it speaks.
    pub protocol: RouteProtocol,
    /// Its address.
    pub address: HopAddress,
    /// The TLS that a connection to it needs.
    pub tls: TlsLevel,
    /// The user to log in as, whose password stands in a file of its own.
    pub login: Option<Box<str>>,
    /// The file of those who may vouch for it, in place of those whom the system trusts.
    pub authorities: Option<PathBuf>,
}

/// The protocol of a hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RouteProtocol {
    /// SMTP, with STARTTLS where it is offered and wanted.
    Smtp,
    /// SMTP under TLS from the first octet.
    Smtps,
    /// LMTP (RFC 2033), which answers for each recipient.
    Lmtp,
}

/// The address of a hop.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HopAddress {
    /// A name that is looked up (A and AAAA), in lower case and as A-labels, and a port.
    Host(Box<str>, u16),
    /// An IP address and a port.
    Ip(SocketAddr),
    /// A socket file.
    Unix(PathBuf),
    /// The hosts that the domain of a recipient names itself, by MX records or its address (RFC 5321 §5.1).
    Exchangers,
}

/// The TLS that a connection to a hop needs, from the least to the most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TlsLevel {
    /// TLS is not begun.
    None,
    /// TLS with any certificate where it is to be had, from the second attempt on in the clear otherwise.
    May,
    /// TLS with any certificate, or no mail is sent.
    Encrypt,
    /// TLS with a certificate for this host that an authority vouches for, or no mail is sent.
    Verify,
}

/// Why a text is no hop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HopError {
    /// The text does not begin as any hop does.
    Scheme,
    /// Whoever a domain names has no login from us.
    LoginAtMx,
    /// The host is missing, or is no name and no address.
    Host,
    /// There is an IPv6 address without brackets, or more than one port.
    NoBrackets,
    /// A user or a password stands in front of the host.
    UserInHost,
    /// The port is no number from 1 to 65535, or LMTP has none.
    Port,
    /// LMTP is not for the port of SMTP (RFC 2033 §5).
    LmtpOnSmtpPort,
    /// The path after `unix:` is missing.
    Path,
    /// There is no option of this name.
    UnknownOption(String),
    /// The option stands there twice.
    OptionTwice(&'static str),
    /// The option has no value, or one that is no percent-encoded text.
    OptionValue(&'static str),
    /// The level of TLS is none.
    Level,
    /// There is no TLS to leave out of a protocol that begins with it.
    SmtpsInTheClear,
    /// A socket file has no name that a certificate could be for.
    NoNameToVerify,
}

impl TlsLevel {
    /// Its name, as an option says it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::May => "may",
            Self::Encrypt => "encrypt",
            Self::Verify => "verify",
        }
    }

    /// The level of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let all = [Self::None, Self::May, Self::Encrypt, Self::Verify];
        all.into_iter().find(|level| level.name() == name)
    }
}

impl Hop {
    /// Whether the connection begins with TLS.
    #[must_use]
    pub fn begins_with_tls(&self) -> bool {
        self.protocol == RouteProtocol::Smtps
    }

    /// The name or address that its certificate has to be for; `None` for a socket file, and for the hosts of a domain.
    #[must_use]
    pub fn host(&self) -> Option<String> {
        match &self.address {
            HopAddress::Host(name, _) => Some(name.to_string()),
            HopAddress::Ip(address) => Some(address.ip().to_string()),
            HopAddress::Unix(_) | HopAddress::Exchangers => None,
        }
    }

    /// Whether the hop is whatever hosts the domain of a recipient names.
    #[must_use]
    pub fn is_mx(&self) -> bool {
        self.address == HopAddress::Exchangers
    }

    /// Whether `text` begins as a hop does. A list that was cut at its commas is put together again by this.
    #[must_use]
    pub fn is_begun_by(text: &str) -> bool {
        split_scheme(text).is_some() || text == MX || text.starts_with("mx?")
    }
}

/// Splits off what stands before the address of a hop.
fn split_scheme(text: &str) -> Option<(RouteProtocol, &str)> {
    let schemes = [
        ("smtp://", RouteProtocol::Smtp),
        ("smtps://", RouteProtocol::Smtps),
        ("lmtp://", RouteProtocol::Lmtp),
        ("lmtp:unix:", RouteProtocol::Lmtp),
    ];
    let mut schemes = schemes.into_iter();
    schemes.find_map(|(scheme, protocol)| Some((protocol, text.strip_prefix(scheme)?)))
}

impl FromStr for Hop {
    type Err = HopError;

    fn from_str(text: &str) -> Result<Self, HopError> {
        let (place, options) = text.split_once('?').unwrap_or((text, ""));
        if place == MX {
            return Self::mx(HopOptions::read(options)?);
        }
        let (protocol, place) = split_scheme(place).ok_or(HopError::Scheme)?;
        let is_unix = text.starts_with("lmtp:unix:");
        let address = if is_unix {
            unix(place)?
        } else {
            host_and_port(protocol, place)?
        };
        let options = HopOptions::read(options)?;
        let tls = options.tls.unwrap_or(match options.login {
            Some(_) => TlsLevel::Verify,
            // Nobody listens between two processes of one machine.
            None if is_unix => TlsLevel::None,
            None => TlsLevel::May,
        });
        if protocol == RouteProtocol::Smtps && tls == TlsLevel::None {
            return Err(HopError::SmtpsInTheClear);
        }
        if is_unix && tls == TlsLevel::Verify {
            return Err(HopError::NoNameToVerify);
        }
        Ok(Self {
            protocol,
            address,
            tls,
            login: options.login,
            authorities: options.authorities,
        })
    }
}

impl Hop {
    /// The hosts that domains name themselves.
    fn mx(options: HopOptions) -> Result<Self, HopError> {
        if options.login.is_some() {
            return Err(HopError::LoginAtMx);
        }
        Ok(Self {
            protocol: RouteProtocol::Smtp,
            address: HopAddress::Exchangers,
            tls: options.tls.unwrap_or(TlsLevel::May),
            login: None,
            authorities: options.authorities,
        })
    }
}

fn unix(path: &str) -> Result<HopAddress, HopError> {
    if path.is_empty() || path.contains('\0') {
        return Err(HopError::Path);
    }
    Ok(HopAddress::Unix(path.into()))
}

/// Reads `HOST`, `HOST:PORT`, `[IPV6]` or `[IPV6]:PORT`.
fn host_and_port(protocol: RouteProtocol, text: &str) -> Result<HopAddress, HopError> {
    if text.contains('@') {
        return Err(HopError::UserInHost);
    }
    let (host, port) = match text.strip_prefix('[').map(|rest| rest.split_once(']')) {
        Some(Some((host, ""))) => (host, None),
        Some(Some((host, rest))) => (host, Some(rest.strip_prefix(':').ok_or(HopError::Port)?)),
        Some(None) => return Err(HopError::Host),
        None if text.matches(':').count() > 1 => return Err(HopError::NoBrackets),
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let port = match (port, protocol) {
        (Some(port), _) => number(port).ok_or(HopError::Port)?,
        (None, RouteProtocol::Smtp) => SMTP_PORT,
        (None, RouteProtocol::Smtps) => SMTPS_PORT,
        (None, RouteProtocol::Lmtp) => return Err(HopError::Port),
    };
    if protocol == RouteProtocol::Lmtp && port == SMTP_PORT {
        return Err(HopError::LmtpOnSmtpPort);
    }
    if text.starts_with('[') {
        let address: Ipv6Addr = host.parse().map_err(|_| HopError::Host)?;
        return Ok(HopAddress::Ip(SocketAddr::new(address.into(), port)));
    }
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(HopAddress::Ip(SocketAddr::new(address, port)));
    }
    let mailbox: Mailbox = format!("any@{host}").parse().map_err(|_| HopError::Host)?;
    let name = mailbox.ascii_domain().to_ascii_lowercase();
    Ok(HopAddress::Host(name.into(), port))
}

fn number(port: &str) -> Option<u16> {
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    port.parse().ok().filter(|port| digits && *port > 0)
}

impl fmt::Display for Hop {
    /// The hop as it may be written, with the level of TLS always said.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.protocol {
            RouteProtocol::Smtp => "smtp",
            RouteProtocol::Smtps => "smtps",
            RouteProtocol::Lmtp => "lmtp",
        };
        match &self.address {
            HopAddress::Host(name, port) => write!(f, "{scheme}://{name}:{port}")?,
            HopAddress::Ip(address) => write!(f, "{scheme}://{address}")?,
            HopAddress::Unix(path) => write!(f, "{scheme}:unix:{}", path.display())?,
            HopAddress::Exchangers => f.write_str(MX)?,
        }
        write!(f, "?tls={}", self.tls.name())?;
        if let Some(user) = &self.login {
            write!(f, "&auth={}", encoded(user))?;
        }
        if let Some(file) = &self.authorities {
            write!(f, "&ca={}", encoded(&file.to_string_lossy()))?;
        }
        Ok(())
    }
}

impl fmt::Display for HopError {
    /// The correction, for an error message.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LoginAtMx => f.write_str(
                "mx is whatever servers a domain names, which know no user of yours: leave auth= out",
            ),
            Self::Scheme => f.write_str(
                "write the next server as smtp://HOST:PORT, smtps://HOST:PORT, lmtp://HOST:PORT or lmtp:unix:PATH, or mx for those that each domain names",
            ),
            Self::Host => f.write_str(
                "after :// write a host, as mail.example.net, 192.0.2.1 or [2001:db8::1]",
            ),
            Self::NoBrackets => {
                f.write_str("write an IPv6 address in brackets, as [2001:db8::1] or [::1]:2525")
            }
            Self::UserInHost => f.write_str(
                "write the user after the host, as smtps://HOST?auth=USER, and the password in the file of --route-passwords",
            ),
            Self::Port => f.write_str("after the host write :PORT, a number from 1 to 65535"),
            Self::LmtpOnSmtpPort => f.write_str("port 25 is for SMTP; LMTP has another, as 24"),
            Self::Path => f.write_str("a path is missing after unix:"),
            Self::UnknownOption(name) => write!(
                f,
                "there is no option {name:?}; a hop has tls=, auth= and ca=, joined by &"
            ),
            Self::OptionTwice(name) => write!(f, "{name}= stands there twice: leave one out"),
            Self::OptionValue(name) => write!(
                f,
                "after {name}= write its value, with %25 for a percent sign and %2C for a comma"
            ),
            Self::Level => f.write_str("after tls= write none, may, encrypt or verify"),
            Self::SmtpsInTheClear => {
                f.write_str("smtps begins with TLS: leave tls=none out, or write smtp://")
            }
            Self::NoNameToVerify => f.write_str(
                "a socket file has no name that a certificate could be for: leave tls=verify and auth= out",
            ),
        }
    }
}
