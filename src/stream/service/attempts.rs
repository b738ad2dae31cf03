//! Attempts to have a connection: to one server after the other, and to each of its addresses.

use std::net::SocketAddr;
use std::time::Duration;

use super::{Present, PresentStage, StreamService};
use crate::net::transport::Transport;
use crate::outbound::dns::answer::{
    NameAnswer, NameError, NameQuestion, NameRecords, NameResult, NameTicket,
};
use crate::stream::connection::{LinkSettings, StreamLink, error_text};
use crate::stream::network::StreamPeer;
use crate::stream::settings::{StreamError, StreamStart};

/// Time for a connection to one address of a server.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// The most addresses of a host that are tried.
const ADDRESSES_MAX: usize = 8;

impl<T: Transport> StreamService<T> {
    /// Begins with the next server.
    pub(super) fn begin_attempt(&mut self) {
        let Some(node) = self.roster.next(&mut self.random) else {
            debug_assert!(false, "an address names a server");
            return;
        };
        let question = NameQuestion::host(&node.host);
        let answer = self.network.look_up(&question, self.now);
        let ticket = match &answer {
            NameAnswer::Now(_) => NameTicket(0),
            NameAnswer::Later(ticket) => *ticket,
        };
        self.present = Some(Present {
            node,
            stage: PresentStage::Naming(ticket),
            addresses: Vec::new(),
        });
        if let NameAnswer::Now(result) = answer {
            self.found(&result);
        }
    }

    /// Goes on with the addresses of the present server.
    pub(super) fn found(&mut self, result: &NameResult) {
        let Some(present) = &mut self.present else {
            return;
        };
        match addresses(result, present.node.port) {
            Ok(addresses) => {
                present.addresses = addresses;
                let error = StreamError::Unreachable("it has no address".to_owned());
                self.connect(error);
            }
            Err(error) => self.fail(&StreamError::Unreachable(error.to_string())),
        }
    }

    /// Connects to the next address of the present server. Without one the attempt ends with `error`.
    pub(super) fn connect(&mut self, mut error: StreamError) {
        let settings = match self.link_settings() {
            Ok(settings) => settings,
            Err(error) => return self.fail(&error),
        };
        while let Some(present) = &mut self.present
            && let Some(address) = present.addresses.pop()
        {
            let key = self.links.next_key();
            match self.network.connect(StreamPeer::Node, address, key) {
                Ok(transport) => {
                    present.stage = PresentStage::Opening(address);
                    let attempt = self.links.shared_mut().begin_attempt();
                    let driver = StreamLink::new(attempt, settings, self.now);
                    let deadline = self.now + CONNECT_TIMEOUT;
                    self.links.dial(transport, driver, address.into(), deadline);
                    return;
                }
                Err(fault) => error = StreamError::Unreachable(error_text(&fault)),
            }
        }
        self.fail(&error);
    }

    fn link_settings(&mut self) -> Result<LinkSettings, StreamError> {
        let name = self
            .present
            .as_ref()
            .map(|it| self.roster.tls_name(&it.node));
        let tls = match (&mut self.settings.tls, name) {
            (Some(tls), Some(name)) => Some(tls(&name).map_err(StreamError::Login)?),
            _ => None,
        };
        Ok(LinkSettings {
            user: self.settings.target.user.as_deref().map(Into::into),
            secret: self.settings.secret.as_deref().map(Into::into),
            tls,
        })
    }

    /// Ends the present attempt, or the connection.
    pub(super) fn fail(&mut self, error: &StreamError) {
        let Some(present) = self.present.take() else {
            return;
        };
        let node = &present.node;
        self.roster.note_failure(node, error, self.now);
        let text = error.to_string();
        log::debug!("stream=failed server={node} error={text:?}");
        let error = StreamError::Unreachable(format!("{node}: {text}"));
        self.health.disconnected(&error, self.now);
        if self.start != StreamStart::Ready
            && let Some(fault) = self.roster.fault()
        {
            self.start = StreamStart::Failed(fault);
        }
    }
}

/// The addresses of a host with a port, the first one last.
pub(super) fn addresses(result: &NameResult, port: u16) -> Result<Vec<SocketAddr>, NameError> {
    let found = match result.as_ref().map(|found| &found.records) {
        Ok(NameRecords::Addresses(addresses)) => addresses,
        Ok(_) => return Err(NameError::BadAnswer),
        Err(error) => return Err(*error),
    };
    let addresses = found.iter().take(ADDRESSES_MAX);
    let mut addresses: Vec<SocketAddr> = addresses
        .map(|address| SocketAddr::new(*address, port))
        .collect();
    addresses.reverse();
    Ok(addresses)
}
