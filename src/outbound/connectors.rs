//! TLS with hops: who makes its sessions, for each hop as its route wants it.

#[cfg(feature = "tls")]
mod rustls;

use std::rc::Rc;

use crate::net::link::StartTls;
use crate::net::trust::{Trust, TrustError};

/// The maker of TLS with hops. It reads authorities once, so that a new one is made when files may have changed.
pub trait HopConnectors {
    /// Configures TLS with the hop of this name or address, for which its certificate has to be unless `trust` takes any.
    ///
    /// # Errors
    /// [`TrustError`] if there is nobody to trust, or no certificate can be for this host.
    fn connector(&mut self, host: &str, trust: &Trust) -> Result<Rc<dyn StartTls>, TrustError>;
}

/// TLS with hops, which a build without the feature `tls` lacks.
pub const HOP_CONNECTORS: Option<fn() -> Box<dyn HopConnectors>> = [
    #[cfg(feature = "tls")]
    Some(rustls::connectors as fn() -> Box<dyn HopConnectors>),
    None,
][0];
