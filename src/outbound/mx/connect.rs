//! Connections to hosts that a domain names: their settings, and what keeps mail from a host.

use core::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;

use super::ourselves::{AddressVerdict, MxRules};
use super::site::{HostAssociations, MxSite, address_in};
use crate::net::trust::{Trust, TrustError};
use crate::outbound::connectors::HopConnectors;
use crate::outbound::hop::{HopProtocol, HopSecurity, HopSettings, RECIPIENTS_MAX, TlsMoment};
use crate::outbound::sites::SiteHop;
use crate::smtp::route::HopAddress;

/// What a host is asked for by in TLS (SNI) whose name cannot stand in a certificate, as `a-.example`: an address, of which nothing is said.
const NO_NAME: &str = "0.0.0.0";

/// TLS with hops, shared by all that connect to some.
pub type CommonConnectors = Rc<RefCell<Box<dyn HopConnectors>>>;

/// All that a connection to a host that a domain names is made with.
#[derive(Clone)]
pub struct MxConnector {
    /// The name that we say in EHLO.
    pub our_name: Rc<str>,
    /// TLS, which a build may lack.
    pub connectors: Option<CommonConnectors>,
    /// The rules of such hosts.
    pub rules: Rc<MxRules>,
}

impl MxConnector {
    /// Connections under this name and these rules, without TLS.
    #[must_use]
    pub fn in_the_clear(our_name: &str, rules: MxRules) -> Self {
        Self {
            our_name: our_name.into(),
            connectors: None,
            rules: Rc::new(rules),
        }
    }

    /// The hop of one of the hosts of a site, which has published this of its certificates.
    ///
    /// # Errors
    /// [`TrustError`] if the TLS that is wanted of it is not to be had.
    pub fn hop(
        &self,
        site: &MxSite,
        host: &Rc<str>,
        published: &HostAssociations,
    ) -> Result<SiteHop, TrustError> {
        let tls = site.tls(host, published);
        let mut connectors = self.connectors.as_ref().map(|shared| shared.borrow_mut());
        let mut security = |name: &str| {
            let connectors = connectors
                .as_mut()
                .map(|connectors| &mut ***connectors as &mut dyn HopConnectors);
            let moment = TlsMoment::StartTls;
            HopSecurity::new(tls.level, &tls.trust, name, moment, None, connectors)
        };
        let security = match security(&tls.name) {
            // Nobody looks at the certificate, so that its name makes no difference.
            Err(TrustError::NoName(_)) if tls.trust == Trust::Anybody => security(NO_NAME)?,
            made => made?,
        };
        let settings = HopSettings {
            protocol: HopProtocol::Smtp,
            name: Rc::clone(&self.our_name),
            security,
            refuses_own_name: true,
            pipelines_next: true,
            recipients_max: RECIPIENTS_MAX,
            policy: tls.policy,
        };
        let port = self.rules.port;
        let address = match address_in(host) {
            Some(address) => HopAddress::Ip(SocketAddr::new(address, port)),
            None => HopAddress::Host((&**host).into(), port),
        };
        Ok(SiteHop {
            address,
            name: Rc::clone(host),
            text: format!("mx:{host}").into(),
            in_the_clear: settings.in_the_clear().map(Rc::new),
            settings: Rc::new(settings),
        })
    }

    /// Whether mail may go to an address literal, whose owner is whoever wrote it.
    #[must_use]
    pub fn verdict_on_literal(&self, host: &str) -> Option<AddressVerdict> {
        address_in(host).map(|address| self.rules.verdict(address))
    }
}

impl core::fmt::Debug for MxConnector {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let mut shown = f.debug_struct("MxConnector");
        shown.field("our_name", &self.our_name);
        shown.field("rules", &self.rules).finish_non_exhaustive()
    }
}
