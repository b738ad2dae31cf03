//! TLS with hops by rustls. Hops that trust the same share a configuration, and so what it takes to resume a session.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::pki_types::ServerName;

use super::HopConnectors;
use crate::net::link::StartTls;
use crate::net::tls::{Connector, client_config};
use crate::net::trust::{Trust, TrustError};

/// The most sessions that are kept to be resumed, by all configurations together.
const SESSIONS_MAX: usize = 256;

/// Configurations by whom they trust, with what they share.
///
/// Invariant: a session is resumed only by the configuration that has verified it. The store is keyed by the name of the server,
/// but rustls resumes no session of another verifier, see [`ClientConfig::resumption`].
#[derive(Debug)]
struct SharedConnectors {
    /// Few, as the operator names their files. Hosts with TLSA records have each their own, which is not kept here.
    configs: HashMap<Trust, Arc<ClientConfig>>,
    resumption: Resumption,
}

/// Makes connectors, none of which has a configuration yet.
pub(super) fn connectors() -> Box<dyn HopConnectors> {
    Box::new(SharedConnectors {
        configs: HashMap::new(),
        resumption: Resumption::in_memory_sessions(SESSIONS_MAX),
    })
}

impl SharedConnectors {
    fn config(&mut self, trust: &Trust) -> Result<Arc<ClientConfig>, TrustError> {
        if let Some(config) = self.configs.get(trust) {
            return Ok(Arc::clone(config));
        }
        let config = client_config(trust)?;
        // TLSA records belong to one host and change; whoever publishes new ones wants nobody to come back by the old ones.
        if matches!(trust, Trust::Associations { .. }) {
            return Ok(config);
        }
        let mut config = ClientConfig::clone(&config);
        config.resumption = self.resumption.clone();
        let config = Arc::new(config);
        self.configs.insert(trust.clone(), Arc::clone(&config));
        Ok(config)
    }
}

impl HopConnectors for SharedConnectors {
    fn connector(&mut self, host: &str, trust: &Trust) -> Result<Rc<dyn StartTls>, TrustError> {
        // The dot of a name that is whole stands in no certificate (RFC 6066 §3).
        let name = host.strip_suffix('.').unwrap_or(host);
        let name = ServerName::try_from(name.to_owned())
            .map_err(|_| TrustError::NoName(host.to_owned()))?;
        Ok(Rc::new(Connector::new(self.config(trust)?, name)))
    }
}

#[cfg(test)]
mod tests;
