//! The settings by which a connection to a hop is made, and what is known of it once it is there.

use std::rc::Rc;

use super::connectors::HopConnectors;
use super::tls_results::TlsPolicy;
use crate::net::link::StartTls;
use crate::net::peer::PeerAddress;
use crate::net::trust::{Trust, TrustError};
use crate::smtp::client::ClientCredentials;
use crate::smtp::route::{Hop, RouteProtocol, TlsLevel};

/// The most recipients of one transaction: as many as every server has to take (RFC 5321 §4.5.3.1.8).
pub const RECIPIENTS_MAX: usize = 100;

/// The name of the policy of a host that has published its certificates, in listings.
pub const DANE: &str = "dane";

/// The protocol that a hop speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HopProtocol {
    /// SMTP, or submission.
    Smtp,
    /// LMTP (RFC 2033).
    Lmtp,
}

/// The moment at which TLS begins on a connection to a hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsMoment {
    /// With the first octet, as in `smtps://` (RFC 8314 §3).
    FirstOctet,
    /// By STARTTLS (RFC 3207).
    StartTls,
}

/// TLS with a hop: its moment, and whom it trusts.
#[derive(Clone, Debug)]
pub struct HopTls {
    /// The moment.
    pub moment: TlsMoment,
    /// The maker of TLS sessions, by which the level is kept: it takes any certificate, or only one that is for the hop.
    pub connector: Rc<dyn StartTls>,
}

/// The level of TLS. Only a hop whose certificate is verified hears a password.
#[derive(Clone, Debug)]
pub enum HopSecurity {
    /// `tls=none`, and a second attempt of `tls=may`: in the clear.
    Clear,
    /// `tls=may`: by STARTTLS where it is offered, whatever the certificate.
    May(HopTls),
    /// `tls=encrypt`: in TLS or not at all, whatever the certificate.
    Encrypt(HopTls),
    /// `tls=verify`: in TLS with a certificate that is for the hop, and after a login where there are credentials.
    Verify(HopTls, Option<Rc<dyn ClientCredentials>>),
}

impl HopSecurity {
    /// Its TLS, unless it is none.
    #[must_use]
    pub fn tls(&self) -> Option<&HopTls> {
        match self {
            Self::Clear => None,
            Self::May(tls) | Self::Encrypt(tls) | Self::Verify(tls, _) => Some(tls),
        }
    }
}

/// The settings of connections to one hop, which all of them share.
#[derive(Clone, Debug)]
pub struct HopSettings {
    /// The protocol.
    pub protocol: HopProtocol,
    /// The name that we say in EHLO or LHLO.
    pub name: Rc<str>,
    /// The level of TLS.
    pub security: HopSecurity,
    /// Whether a server of our own name is refused as a mail loop. One on this machine, as for LMTP, may well have it.
    pub refuses_own_name: bool,
    /// Whether MAIL of the next message may follow the final dot of the one before, where the server offers PIPELINING.
    pub pipelines_next: bool,
    /// The most recipients of one transaction, [`RECIPIENTS_MAX`] if nothing is known.
    pub recipients_max: usize,
    /// The policy that wants its TLS.
    pub policy: TlsPolicy,
}

/// Facts about a connection to a hop, for the lines of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HopFacts {
    /// The address of the server.
    pub peer: PeerAddress,
    /// The version of TLS, as in `TLSv1.3`; `None` in the clear.
    pub tls: Option<&'static str>,
    /// Whether it makes reports by itself (RFC 3461), so that a sender is not told by us that it has the message.
    pub offers_dsn: bool,
}

impl HopSettings {
    /// The settings for a hop of a route: our name, the login that it wants, and the maker of TLS, which a build may lack.
    ///
    /// # Errors
    /// [`TrustError`] if the TLS that it wants is not to be had.
    pub fn of_route(
        hop: &Hop,
        name: Rc<str>,
        login: Option<Rc<dyn ClientCredentials>>,
        connectors: Option<&mut dyn HopConnectors>,
    ) -> Result<Self, TrustError> {
        let protocol = match hop.protocol {
            RouteProtocol::Smtp | RouteProtocol::Smtps => HopProtocol::Smtp,
            RouteProtocol::Lmtp => HopProtocol::Lmtp,
        };
        Ok(Self {
            protocol,
            name,
            security: HopSecurity::of_route(hop, login, connectors)?,
            refuses_own_name: protocol == HopProtocol::Smtp,
            pipelines_next: true,
            recipients_max: RECIPIENTS_MAX,
            policy: TlsPolicy::NotFound,
        })
    }

    /// The name of the policy of its TLS: that of a domain or host, or else the level of the route.
    #[must_use]
    pub fn policy_name(&self) -> &'static str {
        match (self.policy, &self.security) {
            (TlsPolicy::Tlsa, _) => DANE,
            (TlsPolicy::Sts, _) => "sts",
            (TlsPolicy::NotFound, HopSecurity::Clear) => TlsLevel::None.name(),
            (TlsPolicy::NotFound, HopSecurity::May(_)) => TlsLevel::May.name(),
            (TlsPolicy::NotFound, HopSecurity::Encrypt(_)) => TlsLevel::Encrypt.name(),
            (TlsPolicy::NotFound, HopSecurity::Verify(..)) => TlsLevel::Verify.name(),
        }
    }

    /// The settings for another attempt in the clear, where that may be: `tls=may`, by STARTTLS.
    #[must_use]
    pub fn in_the_clear(&self) -> Option<Self> {
        let may_be = match &self.security {
            HopSecurity::May(tls) => tls.moment == TlsMoment::StartTls,
            HopSecurity::Clear | HopSecurity::Encrypt(_) | HopSecurity::Verify(..) => false,
        };
        may_be.then(|| Self {
            security: HopSecurity::Clear,
            ..self.clone()
        })
    }
}

impl HopSecurity {
    fn of_route(
        hop: &Hop,
        login: Option<Rc<dyn ClientCredentials>>,
        connectors: Option<&mut dyn HopConnectors>,
    ) -> Result<Self, TrustError> {
        let trust = match (hop.tls, &hop.authorities) {
            (TlsLevel::None, _) => return Ok(Self::Clear),
            (TlsLevel::May | TlsLevel::Encrypt, _) => Trust::Anybody,
            (TlsLevel::Verify, Some(file)) => Trust::Authorities(file.clone()),
            (TlsLevel::Verify, None) => Trust::Machine,
        };
        // A socket file has no name; whoever verifies one was refused before.
        let host = hop.host().unwrap_or_else(|| "localhost".to_owned());
        let moment = match hop.begins_with_tls() {
            true => TlsMoment::FirstOctet,
            false => TlsMoment::StartTls,
        };
        Self::new(hop.tls, &trust, &host, moment, login, connectors)
    }

    /// TLS of this level with a host that somebody among those to `trust` vouches for, and a login where the host is verified.
    ///
    /// # Errors
    /// [`TrustError`] if it is not to be had.
    pub(super) fn new(
        level: TlsLevel,
        trust: &Trust,
        host: &str,
        moment: TlsMoment,
        login: Option<Rc<dyn ClientCredentials>>,
        connectors: Option<&mut dyn HopConnectors>,
    ) -> Result<Self, TrustError> {
        if level == TlsLevel::None {
            return Ok(Self::Clear);
        }
        let Some(connectors) = connectors else {
            let is_needed = level != TlsLevel::May || moment == TlsMoment::FirstOctet;
            return match is_needed {
                true => Err(TrustError::Tls(
                    "this program was built without it".to_owned(),
                )),
                false => Ok(Self::Clear),
            };
        };
        let tls = HopTls {
            moment,
            connector: connectors.connector(host, trust)?,
        };
        if login.is_some() && level != TlsLevel::Verify {
            let why = "a password is told to none but a verified server";
            return Err(TrustError::Tls(why.to_owned()));
        }
        Ok(match level {
            TlsLevel::None | TlsLevel::May => Self::May(tls),
            TlsLevel::Encrypt => Self::Encrypt(tls),
            TlsLevel::Verify => Self::Verify(tls, login),
        })
    }
}
