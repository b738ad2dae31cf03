//! Mail that is sent on, as one part of the server's loop: its connections and the dispatcher, with the order of their tick.

use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use super::connection::Relay;
use super::desk::RelayDesk;
use super::dispatcher::{DispatchTurn, Dispatcher, OutboundLoad, RelayClock, RelaySettings};
use super::network::Network;
use super::queue::{Choice, Queue, Touched};
use crate::net::channel::Readiness;
use crate::net::connections::Connections;
use crate::net::driver::ConnectionId;
use crate::net::probe::Probe;
use crate::net::token::Token;
use crate::net::transport::Transport;
use crate::store::Store;
use crate::store::spool::{MailId, SpoolStore};

/// A command of the operator about mail in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperatorCommand {
    /// Nothing is sent until it is released.
    Hold,
    /// The mail that was held is sent again.
    Release,
    /// The mail that waits is tried at once.
    Retry,
    /// The mail is taken off the queue, and nobody is told.
    Delete,
}

/// All that sends mail on.
pub struct Outbound<T: Transport> {
    connections: Connections<Relay, T>,
    dispatcher: Dispatcher<T>,
    clock: RelayClock,
}

impl<T: Transport> Outbound<T> {
    /// Sends nothing yet: the spool says what there is.
    pub fn new(
        settings: RelaySettings,
        network: Box<dyn Network<T>>,
        now: Instant,
        wall: SystemTime,
    ) -> Self {
        Self::watched(settings, network, None, now, wall)
    }

    /// Sends nothing yet, and tells an observer of its connections.
    pub fn watched(
        settings: RelaySettings,
        network: Box<dyn Network<T>>,
        probe: Option<Rc<dyn Probe>>,
        now: Instant,
        wall: SystemTime,
    ) -> Self {
        let clock = RelayClock::new(now, wall);
        let mut connections = Connections::new(RelayDesk::watched(probe), now);
        connections.number_from(ConnectionId::FIRST_OUTGOING);
        Self {
            connections,
            dispatcher: Dispatcher::new(settings, network, clock),
            clock,
        }
    }

    /// Tells what time it is, once a tick.
    pub fn set_time(&mut self, now: Instant, wall: SystemTime) {
        self.clock = RelayClock::new(now, wall);
        self.connections.set_time(now);
    }

    /// Notes an event of a connection to a hop, or of a socket that belongs to name servers; whether it is of a hop.
    pub fn on_event(&mut self, token: Token, readiness: Readiness) -> bool {
        let is_of_hop = !self.dispatcher.network().on_event(token, readiness);
        if is_of_hop {
            self.connections.on_event(token.key, readiness);
        }
        is_of_hop
    }

    /// One tick, after the one of connections that bring mail and the commit of their stores: serve ready connections → act on what
    /// they, the spool, the queue and name servers have told → expire deadlines → reap.
    pub fn tick(&mut self, store: &mut dyn Store) {
        let Some(spool) = store.spool() else {
            debug_assert!(false, "mail is sent on from a spool");
            return;
        };
        let Self {
            connections,
            dispatcher,
            clock,
        } = self;
        let act = |connections: &mut Connections<Relay, T>| {
            dispatcher.turn(&mut DispatchTurn {
                connections,
                spool,
                clock: *clock,
            });
        };
        connections.tick(act, |_, _| {});
    }

    /// The instant at which something is to be done without an event.
    pub fn next_wake(&self) -> Option<Instant> {
        if self.connections.shared().has_events() {
            return Some(self.clock.now);
        }
        let wakes = [
            self.connections.next_wake(),
            self.dispatcher.next_wake(self.clock),
        ];
        wakes.into_iter().flatten().min()
    }

    /// The instant at which connections or the queue want to be woken without an event.
    pub fn next_timer(&self) -> Option<Instant> {
        let queue = self.dispatcher.next_timer(self.clock);
        self.connections.next_wake().into_iter().chain(queue).min()
    }

    /// The number of messages in the queue.
    pub fn queued(&self) -> usize {
        self.dispatcher.queue().len()
    }

    /// Goes on with other routes, another schedule and other limits.
    pub fn reload(&mut self, settings: RelaySettings) {
        self.dispatcher.reload(settings);
    }

    /// Begins nothing new; transactions that are under way have this long to finish.
    pub fn begin_drain(&mut self, timeout: Duration) {
        if self.connections.begin_drain(timeout) {
            self.dispatcher.drain();
            self.connections.drain_all();
        }
    }

    /// Whether nothing is under way that is waited for: when the time of a drain is up, that is neither a read nor a delivery to a
    /// mailbox here. A disk may hang for ever. But what connections have told is acted on: of those that were cut off, too.
    pub fn is_idle(&self) -> bool {
        let waits_for_nothing = self.connections.is_time_up() || self.dispatcher.is_idle();
        let is_told = !self.connections.shared().has_events();
        self.connections.is_empty() && is_told && waits_for_nothing
    }

    /// The numbers of messages in the queue, and of sites that take no connections.
    pub fn counts(&self) -> [usize; 2] {
        let queue = self.queue();
        [queue.len(), queue.sites_down()]
    }

    /// What came of TLS with hops: how often, by the names of policy and result.
    pub fn tls_results(&self) -> Vec<(&'static str, &'static str, u64)> {
        self.dispatcher.tls_results().counts().collect()
    }

    /// The queue, for whoever looks at it.
    pub fn queue(&self) -> &Queue {
        self.dispatcher.queue()
    }

    /// What is under way.
    pub fn load(&self) -> OutboundLoad {
        self.dispatcher.load()
    }

    /// The time of the present tick, in milliseconds of the epoch.
    pub fn now_ms(&self) -> u64 {
        self.clock.ms
    }

    /// Carries out a command of the operator about recipients of a mail. `None`: there is no such mail.
    pub fn command(
        &mut self,
        command: OperatorCommand,
        mail: MailId,
        whom: Choice<'_>,
        spool: &mut dyn SpoolStore,
    ) -> Option<Touched> {
        let turn = &mut DispatchTurn {
            connections: &mut self.connections,
            spool,
            clock: self.clock,
        };
        match command {
            OperatorCommand::Hold => self.dispatcher.hold(mail, whom, turn),
            OperatorCommand::Release => self.dispatcher.release(mail, whom, turn),
            OperatorCommand::Retry => self.dispatcher.retry(mail, whom, turn),
            OperatorCommand::Delete => self.dispatcher.delete(mail, whom, turn),
        }
    }
}
