//! Routes: by which servers mail for a domain is sent on.
//!
//! A route is written `PATTERN=HOP`, as `*=smtps://mail.example.net?auth=ada`, `example.org=lmtp:unix:/run/lmtp` or `*=mx`. Of several
//! patterns that fit a domain the closest wins: its own name, then `*.` with the longest domain above it, then `*`.

mod hop;
mod table;

use core::fmt;
use core::str::FromStr;

pub use hop::options::{decoded, encoded};
pub use hop::{Hop, HopAddress, HopError, RouteProtocol, TlsLevel};
pub use table::Routes;

use super::path::Mailbox;

/// The most hops of one route, which are tried in order.
pub const HOPS_OF_A_ROUTE_MAX: usize = 16;

/// The domains that a route is for, in lower case and as A-labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// `example.org`, and no domain below it. Only such a pattern is for an address literal.
    Domain(Box<str>),
    /// `*.example.org`: every domain below it, without itself.
    Below(Box<str>),
    /// `*`: every domain.
    Any,
}

/// One route: a pattern, and the hops that mail for its domains goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The domains it is for.
    pub pattern: Pattern,
    /// The next servers, at least one, in the order in which they are tried.
    pub hops: Box<[Hop]>,
    /// The hops as text.
    site: Box<str>,
}

impl Route {
    /// A route by these hops.
    #[must_use]
    pub fn new(pattern: Pattern, hops: Vec<Hop>) -> Self {
        let texts: Vec<String> = hops.iter().map(ToString::to_string).collect();
        Self {
            pattern,
            hops: hops.into(),
            site: texts.join(",").into(),
        }
    }

    /// The hop, if it is the hosts that each domain names.
    #[must_use]
    pub fn mx(&self) -> Option<&Hop> {
        self.hops.first().filter(|hop| hop.is_mx())
    }

    /// The list of hops as text, with their options. Routes with the same list are one site: they share its connections.
    #[must_use]
    pub fn site(&self) -> &str {
        &self.site
    }
}

/// Why a text is no route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteError {
    /// There is no `=` between pattern and hop.
    NoHop,
    /// The pattern is neither `*` nor a domain, with `*.` in front of it or without.
    BadPattern,
    /// There are more than [`HOPS_OF_A_ROUTE_MAX`] hops.
    TooManyHops,
    /// Beside the hosts that a domain names there is another hop.
    MxBesideOthers,
    /// One of the hops is none.
    BadHop(HopError),
}

impl fmt::Display for RouteError {
    /// The correction, for an error message.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoHop => f.write_str(
                "write a pattern, =, and the next server, as *=smtp://mail.example.net or example.org=lmtp:unix:/run/lmtp",
            ),
            Self::BadPattern => f.write_str(
                "before the = write a domain, as example.org, all those below it, as *.example.org, or * for any",
            ),
            Self::TooManyHops => write!(f, "name at most {HOPS_OF_A_ROUTE_MAX} hops"),
            Self::MxBesideOthers => f.write_str("mx stands alone: leave the other hops out"),
            Self::BadHop(error) => error.fmt(f),
        }
    }
}

impl FromStr for Pattern {
    type Err = RouteError;

    fn from_str(text: &str) -> Result<Self, RouteError> {
        if text == "*" {
            return Ok(Self::Any);
        }
        let (name, below) = match text.strip_prefix("*.") {
            Some(name) => (name, true),
            None => (text, false),
        };
        let mailbox: Mailbox = format!("any@{name}")
            .parse()
            .map_err(|_| RouteError::BadPattern)?;
        let domain = mailbox.ascii_domain().to_ascii_lowercase().into_boxed_str();
        match below {
            // There is no domain below an address.
            true if domain.starts_with('[') => Err(RouteError::BadPattern),
            true => Ok(Self::Below(domain)),
            false => Ok(Self::Domain(domain)),
        }
    }
}

impl FromStr for Route {
    type Err = RouteError;

    fn from_str(text: &str) -> Result<Self, RouteError> {
        let (pattern, hops) = text.split_once('=').ok_or(RouteError::NoHop)?;
        let pattern = pattern.trim().parse()?;
        let hops = hops
            .split(',')
            .map(|hop| hop.trim().parse().map_err(RouteError::BadHop))
            .collect::<Result<Vec<Hop>, _>>()?;
        if hops.len() > HOPS_OF_A_ROUTE_MAX {
            return Err(RouteError::TooManyHops);
        }
        if hops.len() > 1 && hops.iter().any(Hop::is_mx) {
            return Err(RouteError::MxBesideOthers);
        }
        Ok(Self::new(pattern, hops))
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Domain(domain) => f.write_str(domain),
            Self::Below(domain) => write!(f, "*.{domain}"),
            Self::Any => f.write_str("*"),
        }
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.pattern, self.site)
    }
}

#[cfg(test)]
mod tests;
