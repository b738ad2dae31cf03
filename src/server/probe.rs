//! The seam for observers of the whole server: what comes in to its core, and when its steps are taken.

#[cfg(feature = "http")]
pub mod observers;

use std::rc::Rc;
use std::time::{Instant, SystemTime};

#[cfg(feature = "http")]
use self::observers::Observers;
#[cfg(feature = "milter")]
use crate::filters::answers::SessionFilters;
#[cfg(feature = "milter")]
use crate::filters::settings::FilterSettings;
use crate::inbound::{Rejection, Rules};
use crate::net::carrier::Carrier;
use crate::net::channel::Readiness;
use crate::net::connections::TickStep;
use crate::net::driver::ConnectionId;
use crate::net::peer::PeerAddress;
use crate::net::probe::Probe;
#[cfg(feature = "relay")]
use crate::outbound::dispatcher::RelaySettings;
#[cfg(feature = "relay")]
use crate::outbound::network::Network;
#[cfg(feature = "relay")]
use crate::outbound::queue::Choice;
#[cfg(feature = "relay")]
use crate::outbound::relay::OperatorCommand;
use crate::smtp::service::Service;
use crate::store::Store;
#[cfg(feature = "relay")]
use crate::store::spool::MailId;

/// A client that is let in or refused.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    /// The id of its connection.
    pub connection: ConnectionId,
    /// The protocol of the listener.
    pub service: Service,
    /// The peer.
    pub peer: PeerAddress,
    /// Whether a short read drains its transport.
    pub short_read_drains: bool,
}

/// An observer of the core of a server. A server without one pays a comparison for each event, newcomer and step of a tick.
pub trait CoreProbe {
    /// The observers, if it stands for several.
    #[cfg(feature = "http")]
    fn observers(&mut self) -> Option<&mut Observers> {
        None
    }

    /// The server begins, at this time.
    fn began(&mut self, now: Instant) {
        let _ = now;
    }

    /// Sees the rules, at the start and at each reload, and may stand around the users and the TLS in them.
    fn rules(&mut self, rules: Rules) -> Rules {
        rules
    }

    /// May stand around the store.
    fn store(&mut self, store: Box<dyn Store>) -> Box<dyn Store> {
        store
    }

    /// The probe of each connection, if there is one.
    fn of_connections(&self) -> Option<Rc<dyn Probe>> {
        None
    }

    /// A tick begins.
    fn time(&mut self, now: Instant, wall: SystemTime) {
        let _ = (now, wall);
    }

    /// An event was told of the connection with this key.
    fn event(&mut self, key: usize, readiness: Readiness) {
        let _ = (key, readiness);
    }

    /// A client is let in, under this key.
    fn added(&mut self, key: usize, client: Client) {
        let _ = (key, client);
    }

    /// A client is refused.
    fn refused(&mut self, client: Client, why: Rejection) {
        let _ = (client, why);
    }

    /// A drain was asked for.
    fn drain_asked(&mut self) {}

    /// A step of the tick begins.
    fn step(&mut self, step: TickStep) {
        let _ = step;
    }

    /// The steps of a tick are done; connections want to be woken at this instant.
    fn tick_ended(&mut self, wake: Option<Instant>) {
        let _ = wake;
    }

    /// May stand around the transport of a connection from `peer`.
    fn carry(
        &mut self,
        transport: Carrier,
        connection: ConnectionId,
        peer: PeerAddress,
    ) -> Carrier {
        let _ = (connection, peer);
        transport
    }

    /// Sees the settings of mail that is sent on, at the start and at each reload, and may stand around the TLS and the logins in them.
    #[cfg(feature = "relay")]
    fn relay_settings(
        &mut self,
        settings: RelaySettings,
        now: Instant,
        wall: SystemTime,
    ) -> RelaySettings {
        let _ = (now, wall);
        settings
    }

    /// May stand around the network of mail that is sent on.
    #[cfg(feature = "relay")]
    fn network(&mut self, network: Box<dyn Network<Carrier>>) -> Box<dyn Network<Carrier>> {
        network
    }

    /// Sees the settings of mail filters, at the start and at each reload; none where sessions ask no filter any more.
    #[cfg(feature = "milter")]
    fn filter_settings(&mut self, settings: Option<&FilterSettings>) {
        let _ = settings;
    }

    /// May stand around mail filters.
    #[cfg(feature = "milter")]
    fn filters(&mut self, filters: Box<dyn SessionFilters>) -> Box<dyn SessionFilters> {
        filters
    }

    /// The probe of each connection to a hop, if there is one.
    #[cfg(feature = "relay")]
    fn of_hops(&self) -> Option<Rc<dyn Probe>> {
        None
    }

    /// An event was told of the connection to a hop with this key.
    fn hop_event(&mut self, key: usize, readiness: Readiness) {
        let _ = (key, readiness);
    }

    /// An operator commands something about a message in the queue.
    #[cfg(feature = "relay")]
    fn queue_command(&mut self, command: OperatorCommand, mail: MailId, whom: Choice<'_>) {
        let _ = (command, mail, whom);
    }

    /// The tick of mail that is sent on is done; its connections and its queue, of so many messages, want to be woken at this
    /// instant.
    fn relay_tick_ended(&mut self, wake: Option<Instant>, queued: usize) {
        let _ = (wake, queued);
    }

    /// The instant at which the probe is to be [polled](Self::poll) again without an event.
    fn next_wake(&self, now: Instant) -> Option<Instant> {
        let _ = now;
        None
    }

    /// Goes on with what it could not do at once.
    fn poll(&mut self) {}
}
