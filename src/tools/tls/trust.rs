//! Servers that the tools trust.

use std::io;
use std::rc::Rc;

use rustls::pki_types::ServerName;

use super::explanation::explain;
use crate::net::endpoint::Endpoint;
use crate::net::link::StartTls;
use crate::net::tls::{Connector, client_config};
pub use crate::net::trust::Trust;
use crate::tools::encryption::{ServerTrust, TrustError};

impl ServerTrust for Trust {
    fn connector(&self, server: &Endpoint) -> Result<Rc<dyn StartTls>, TrustError> {
        let config = client_config(self)?;
        let name = ServerName::try_from(server.host().into_owned())
            .map_err(|_| TrustError::NoName(server.to_string()))?;
        Ok(Rc::new(Connector::new(config, name)))
    }

    fn includes_anybody(&self) -> bool {
        *self == Self::Anybody
    }

    fn explain(&self, error: &io::Error, server: &Endpoint) -> Option<String> {
        explain(error, server)
    }
}
