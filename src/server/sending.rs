//! The core of a server that sends mail on: how that begins and goes on after a reload, and what an operator has of it.

use std::io;
use std::time::{Instant, SystemTime};

use super::core::ServerCore;
use super::event_loop::Server;
use super::network::{LiveNetwork, NetworkSettings};
use super::queue_access::ServerQueue;
use super::tokens::NETWORK;
use crate::net::carrier::Carrier;
use crate::net::transport::Transport;
use crate::outbound::dispatcher::RelaySettings;
use crate::outbound::network::Network;
use crate::outbound::queue::{Choice, Touched};
use crate::outbound::relay::{OperatorCommand, Outbound};
use crate::store::spool::MailId;

impl<T: Transport> ServerCore<T> {
    /// The queue and the spool, for commands of the operator; `None` where nothing is sent on.
    pub(super) fn queue_access(&mut self) -> Option<ServerQueue<'_, T>> {
        let outbound = self.outbound.as_deref_mut()?;
        let spool = self.connections.shared_mut().store.spool()?;
        let probe = self.probe.as_mut();
        Some(ServerQueue {
            outbound,
            spool,
            probe,
        })
    }
}

impl ServerCore<Carrier> {
    /// Has mail sent on over this network by these settings.
    pub fn send_by(
        &mut self,
        settings: RelaySettings,
        network: Box<dyn Network<Carrier>>,
        now: Instant,
        wall: SystemTime,
    ) {
        let (settings, network, probe) = match self.probe() {
            Some(probe) => {
                let settings = probe.relay_settings(settings, now, wall);
                (settings, probe.network(network), probe.of_hops())
            }
            None => (settings, network, None),
        };
        let outbound = Outbound::watched(settings, network, probe, now, wall);
        self.send_on(Box::new(outbound));
    }

    /// Carries out a command of an operator about recipients of a message. `None`: there is no such message.
    pub fn command_queue(
        &mut self,
        command: OperatorCommand,
        mail: MailId,
        whom: Choice<'_>,
    ) -> Option<Touched> {
        self.queue_access()?.command(command, mail, whom)
    }

    /// Goes on with other routes, another schedule and other limits of mail that is sent on.
    pub fn reload_relay(&mut self, settings: RelaySettings, now: Instant, wall: SystemTime) {
        let settings = match self.probe() {
            Some(probe) => probe.relay_settings(settings, now, wall),
            None => settings,
        };
        if let Some(outbound) = self.outbound() {
            outbound.reload(settings);
        }
    }
}

impl Server {
    /// Has mail sent on by these settings; after the first time it goes on by them, over the network that it has.
    ///
    /// # Errors
    /// The system refuses what that needs.
    pub fn send_on(&mut self, settings: RelaySettings, network: NetworkSettings) -> io::Result<()> {
        let (now, wall) = (Instant::now(), SystemTime::now());
        if self.core.outbound().is_some() {
            self.core.reload_relay(settings, now, wall);
            return Ok(());
        }
        let live = LiveNetwork::new(self.poller.registry(), NETWORK.into(), network, now)?;
        self.core.send_by(settings, Box::new(live), now, wall);
        Ok(())
    }
}
