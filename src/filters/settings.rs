//! All that the operator has decided about filters.

use core::fmt;
use core::str::FromStr;
use std::rc::Rc;
use std::time::Duration;

use crate::net::endpoint::{Endpoint, EndpointError, SocketAddress};
use crate::smtp::reply::GivenReply;
use crate::smtp::service::Service;

/// The prefix of a host and a port, as in `inet:localhost:8891`.
const INET_PREFIX: &str = "inet:";

/// The address of a filter, as the operator writes it: `inet:HOST:PORT` or `unix:PATH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterAddress(pub Endpoint);

impl FromStr for FilterAddress {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        // As Postfix, not as Sendmail, which has `inet:PORT@HOST`.
        match text.strip_prefix(INET_PREFIX) {
            Some(address) if !address.starts_with("unix:") => address.parse().map(Self),
            None if text.starts_with("unix:") => text.parse().map(Self),
            _ => Err(EndpointError::NoHostAndPort),
        }
    }
}

impl fmt::Display for FilterAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Endpoint::Address(SocketAddress::Unix(_)) => self.0.fmt(f),
            address => write!(f, "{INET_PREFIX}{address}"),
        }
    }
}

/// A filter, as sessions know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterTarget {
    /// The address as the operator has written it, which is its name in the log.
    pub name: Box<str>,
    /// The addresses that are tried in turn.
    pub addresses: Vec<SocketAddress>,
}

/// What holds where a filter cannot be asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FilterDefault {
    /// What was asked about is refused for now.
    #[default]
    Tempfail,
    /// The step goes on as if the filter had accepted.
    Accept,
    /// The step is refused for good.
    Reject,
}

impl fmt::Display for FilterDefault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tempfail => "tempfail",
            Self::Accept => "accept",
            Self::Reject => "reject",
        })
    }
}

impl FilterDefault {
    /// The reply for what is refused; `None` where it is not.
    #[must_use]
    pub fn reply(self) -> Option<Rc<GivenReply>> {
        match self {
            Self::Tempfail => Some(tempfail()),
            Self::Accept => None,
            Self::Reject => Some(unavailable()),
        }
    }
}

/// All that the operator has decided about filters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterSettings {
    /// The filters in the order in which they are asked.
    pub filters: Vec<Rc<FilterTarget>>,
    /// The filters of listeners for submission, where they have others.
    pub of_submission: Option<Vec<Rc<FilterTarget>>>,
    /// What holds where one cannot be asked.
    pub default: FilterDefault,
    /// The time for a connection and its negotiation.
    pub connect_timeout: Duration,
    /// The time for the reply to a command.
    pub command_timeout: Duration,
    /// The time for the reply to the end of a message.
    pub content_timeout: Duration,
}

impl FilterSettings {
    /// The filters of a listener.
    #[must_use]
    pub fn of(&self, service: Service) -> &[Rc<FilterTarget>] {
        match &self.of_submission {
            Some(filters) if service.is_submission() => filters,
            _ => &self.filters,
        }
    }
}

/// The reply to what a filter refuses for now, or which cannot be asked, as Postfix has it.
#[must_use]
pub fn tempfail() -> Rc<GivenReply> {
    given(451, "451 4.7.1 Service unavailable - try again later\r\n")
}

/// The reply to what a filter refuses for good, as Postfix has it.
#[must_use]
pub fn reject() -> Rc<GivenReply> {
    given(550, "550 5.7.1 Command rejected\r\n")
}

/// The reply where a filter cannot be asked and mail is refused for that, as Postfix has it.
fn unavailable() -> Rc<GivenReply> {
    given(550, "550 5.5.0 Service unavailable\r\n")
}

/// The reply to a message that cannot be shown to a filter.
#[must_use]
pub fn header_too_long() -> Rc<GivenReply> {
    given(
        552,
        "552 5.3.4 Error: the header is too long to be filtered\r\n",
    )
}

/// The reply to a client whose connection a filter ends, as Postfix has it.
#[must_use]
pub fn shutdown() -> Rc<GivenReply> {
    given(421, "421 4.7.0 Server closing connection\r\n")
}

fn given(code: u16, lines: &str) -> Rc<GivenReply> {
    Rc::new(GivenReply {
        code,
        lines: lines.as_bytes().into(),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_shown_alike() {
        for text in [
            "inet:127.0.0.1:8891",
            "inet:[::1]:8891",
            "inet:localhost:11332",
            "unix:/run/opendkim/opendkim.sock",
        ] {
            let address: FilterAddress = text.parse().unwrap();
            assert_eq!(address.to_string(), text);
        }
        for text in [
            "",
            "inet:",
            "inet:8891@localhost",
            "inet:unix:/x",
            "unix:",
            "localhost:8891",
            "local:/x",
            "inet:localhost",
        ] {
            assert!(text.parse::<FilterAddress>().is_err(), "{text}");
        }
    }
}
