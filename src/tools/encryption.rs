//! Encryption as a client wants it: the start of TLS, and the servers that are trusted.

use core::fmt;
use std::io;
use std::rc::Rc;

use crate::net::endpoint::Endpoint;
use crate::net::link::StartTls;
pub use crate::net::trust::TrustError;

/// Choice of TLS for a client.
#[derive(Clone, Debug)]
pub struct Encryption {
    /// The start of TLS.
    pub start: Start,
    /// The servers that are trusted. A build without TLS has no value of this.
    pub trust: Rc<dyn ServerTrust>,
}

/// The moment at which TLS begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With the first octet (RFC 8314 §3).
    AtOnce,
    /// By STARTTLS (RFC 3207).
    ByCommand,
}

/// TLS with one server, and the moment at which it begins.
#[derive(Clone, Debug)]
pub struct TlsStart {
    /// The moment.
    pub start: Start,
    /// The maker of TLS sessions.
    pub connector: Rc<dyn StartTls>,
}

impl Encryption {
    /// Configures TLS with this server.
    ///
    /// # Errors
    /// As [`ServerTrust::connector`].
    pub(super) fn with_server(&self, server: &Endpoint) -> Result<TlsStart, TrustError> {
        let (start, connector) = (self.start, self.trust.connector(server)?);
        Ok(TlsStart { start, connector })
    }
}

/// A rule by which servers are trusted.
pub trait ServerTrust: fmt::Debug {
    /// Configures TLS with a server, whose certificate has to name the host of this endpoint.
    ///
    /// # Errors
    /// [`TrustError`] if there is nobody to trust, or no certificate can name the server.
    fn connector(&self, server: &Endpoint) -> Result<Rc<dyn StartTls>, TrustError>;

    /// Whether the server may be anybody.
    fn includes_anybody(&self) -> bool;

    /// Tells a person what is wrong with the TLS of this server, and what to do about it, if that is why an operation failed.
    fn explain(&self, error: &io::Error, server: &Endpoint) -> Option<String>;
}

/// Tells a person that this server does not know STARTTLS.
pub(super) fn no_starttls(server: &Endpoint) -> String {
    format!(
        "{server} offers no STARTTLS, and in the clear nothing is sent; has it a port for --tls?"
    )
}
