//! The server without its poll: connections, the store, and the order of a tick.
//!
//! The loop around a real poll, the server in memory and the simulation of the tests all run this, so what the tests check
//! is what runs. Polling comes before a [tick](ServerCore::tick), accepting after it.

use std::time::{Duration, Instant, SystemTime};

use super::probe::{Client, CoreProbe};
use super::store_channel::StoreChannel;
use crate::inbound::metrics::ServerStatus;
use crate::inbound::{Completion, Inbound, Rejection, Rules, Shared};
use crate::net::channel::Readiness;
use crate::net::connections::{Connections, HeldBack, TickStep};
use crate::net::driver::ConnectionId;
use crate::net::peer::PeerAddress;
use crate::net::probe::Seen;
use crate::net::transport::Transport;
use crate::smtp::event::Limit;
use crate::smtp::service::Service;
use crate::store::{Finished, Store};

/// Everything that a server is, but the poll and its sockets.
pub struct ServerCore<T: Transport> {
    connections: Connections<Inbound, T>,
    /// The observer, if somebody watches.
    probe: Option<Box<dyn CoreProbe>>,
    commits: Commits,
    /// The pipes to the store process, as long as there is one.
    store_channel: Option<StoreChannel>,
    /// Whether there are requests for the store process, and room in its pipe.
    can_send_to_store: bool,
}

/// Counts of what the store was given and has settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled {
    /// Messages that were settled.
    pub messages: u64,
    /// Questions that were answered.
    pub questions: u64,
    /// Messages and questions that wait.
    pub awaiting: usize,
}

/// Results of the group commits so far.
#[derive(Default)]
struct Commits {
    messages_stored: u64,
    /// Messages that were settled, stored or not.
    messages: u64,
    /// Questions about senders and recipients that were answered.
    questions: u64,
    /// Whether a drain was asked for that connections have not heard of.
    drain_asked: bool,
    finished: Vec<Finished>,
}

impl<T: Transport> ServerCore<T> {
    /// A server without connections, which nobody watches.
    pub fn new(rules: Rules, store: Box<dyn Store>, now: Instant) -> Self {
        Self::of(Shared::new(rules, store), None, now)
    }

    /// A server without connections, which `probe` watches.
    pub fn watched(
        rules: Rules,
        store: Box<dyn Store>,
        now: Instant,
        mut probe: Box<dyn CoreProbe>,
    ) -> Self {
        probe.began(now);
        let mut shared = Shared::new(probe.rules(rules), probe.store(store));
        shared.probe = probe.of_connections();
        Self::of(shared, Some(probe), now)
    }

    fn of(shared: Shared, probe: Option<Box<dyn CoreProbe>>, now: Instant) -> Self {
        let lingering_max = shared.rules.limits.lingering_max;
        let mut connections: Connections<Inbound, T> = Connections::new(shared, now);
        connections.set_lingering_max(lingering_max);
        let pipes = connections.shared_mut().store.take_pipes();
        Self {
            connections,
            probe,
            commits: Commits::default(),
            store_channel: pipes.map(StoreChannel::new),
            can_send_to_store: false,
        }
    }

    /// Tells what time it is, once a tick.
    pub fn set_time(&mut self, now: Instant, wall: SystemTime) {
        if let Some(probe) = &mut self.probe {
            probe.time(now, wall);
        }
        self.connections.set_time(now);
        self.connections.shared_mut().set_time(now, wall);
    }

    /// The probe, if there is one.
    pub fn probe(&mut self) -> Option<&mut dyn CoreProbe> {
        match &mut self.probe {
            Some(probe) => Some(&mut **probe),
            None => None,
        }
    }

    /// The id that the next client will have, also one that is refused.
    pub fn next_connection(&self) -> ConnectionId {
        self.connections.next_connection()
    }

    /// Holds these kinds in the run queue back, and no others any longer.
    pub fn hold_back(&mut self, held_back: HeldBack) {
        self.connections.hold_back(held_back);
    }

    /// Gives the next client this id, and those after it the ids that follow.
    pub fn number_from(&mut self, first: ConnectionId) {
        self.connections.number_from(first);
    }

    /// The key that the next connection will have.
    pub fn next_key(&self) -> usize {
        self.connections.next_key()
    }

    /// Takes in a client that was just accepted on a listener for `service`, under [`next_key`](Self::next_key).
    pub fn add(&mut self, transport: T, service: Service, peer: PeerAddress) {
        if let Some(probe) = &mut self.probe {
            let client = client(&self.connections, &transport, service, peer);
            probe.added(self.connections.next_key(), client);
        }
        let shared = self.connections.shared();
        let driver = Inbound::new(service, peer, shared, self.connections.now());
        let is_identified = driver.is_identified();
        self.connections.add(transport, driver, peer, is_identified);
    }

    /// Why one more connection of this `peer` is not let in, if so.
    pub fn refusal_for(&self, peer: PeerAddress) -> Option<Rejection> {
        let shared = self.connections.shared();
        let limits = &shared.rules.limits;
        if self.connections.open() >= limits.connections_max {
            return Some(Rejection::Limit(Limit::Connections));
        }
        // A proxy has yet to say for which client it speaks.
        let is_limited = limits.connections_per_ip_max != 0 && !shared.is_proxy(peer);
        (is_limited && self.connections.open_from(peer) >= limits.connections_per_ip_max)
            .then_some(Rejection::Limit(Limit::ConnectionsPerIp))
    }

    /// Tells a client why it is not let in, and closes its connection at once: to wait for it could need what is lacking.
    pub fn refuse(&mut self, transport: T, service: Service, peer: PeerAddress, why: Rejection) {
        if let Some(probe) = &mut self.probe {
            let client = client(&self.connections, &transport, service, peer);
            probe.refused(client, why);
        }
        let (shared, now) = (self.connections.shared(), self.connections.now());
        let driver = Inbound::refused(why, service, peer, shared, now);
        self.connections.refuse(transport, driver, peer);
    }

    /// Notes an event of a connection, which is served in the next [tick](Self::tick).
    pub fn on_event(&mut self, key: usize, readiness: Readiness) {
        if let Some(probe) = &mut self.probe {
            probe.event(key, readiness);
        }
        self.connections.on_event(key, readiness);
    }

    /// The pipes to the store process, which the poll tells of.
    pub fn store_channel(&mut self) -> Option<&mut StoreChannel> {
        self.store_channel.as_mut()
    }

    /// Has the next tick begin a drain: no transaction begins any more, those in flight have until the drain timeout.
    pub fn ask_to_drain(&mut self) {
        if let Some(probe) = &mut self.probe {
            probe.drain_asked();
        }
        self.commits.drain_asked = true;
    }

    /// One tick: serve ready connections → commit the store once → expire deadlines → reap. `see` is told of each step
    /// before it is taken.
    pub fn tick(&mut self, mut see: impl FnMut(TickStep, &Connections<Inbound, T>)) {
        let Self {
            connections,
            probe,
            commits,
            store_channel,
            can_send_to_store,
        } = self;
        let commit = |connections: &mut _| {
            exchange_with_store(store_channel, connections);
            commits.commit(connections);
        };
        let told = |step, connections: &_| {
            if let Some(probe) = &mut *probe {
                probe.step(step);
            }
            see(step, connections);
        };
        connections.tick(commit, told);
        if let Some(probe) = probe {
            probe.tick_ended(connections.next_wake());
        }
        let client = connections.shared_mut().store.client();
        *can_send_to_store = store_channel
            .as_ref()
            .zip(client)
            .is_some_and(|(channel, client)| channel.can_send(client));
    }

    /// The instant at which something is to be done without an event.
    pub fn next_wake(&self) -> Option<Instant> {
        let is_pending = self.connections.shared().store.is_pending();
        if self.can_send_to_store || is_pending || self.commits.drain_asked {
            return Some(self.connections.now());
        }
        self.connections.next_wake()
    }

    /// The instant at which connections want to be woken without an event.
    pub fn next_timer(&self) -> Option<Instant> {
        self.connections.next_wake()
    }

    /// Goes on with other rules: the policy is for new sessions, all else for all. Users are for all as well.
    pub fn reload(&mut self, rules: Rules) {
        let rules = match &mut self.probe {
            Some(probe) => probe.rules(rules),
            None => rules,
        };
        self.connections
            .set_lingering_max(rules.limits.lingering_max);
        let shared = self.connections.shared_mut();
        let users = rules.policy.users();
        let has_other_users = users != shared.rules.policy.users();
        shared.rules = rules;
        let probe = shared.probe.clone();
        self.connections.update_drivers(|id, driver| {
            if has_other_users {
                if let Some(probe) = &probe {
                    probe.saw(id, Seen::Served);
                }
                driver.replace_users(users.as_ref());
            }
        });
        if self.commits.are_enough(&self.connections) {
            self.ask_to_drain();
        }
    }

    /// The rules of the present.
    pub fn rules(&self) -> &Rules {
        &self.connections.shared().rules
    }

    /// Connections that are being served; those that are closing do not count.
    pub fn open(&self) -> usize {
        self.connections.open()
    }

    /// Whether the last connection was removed.
    pub fn is_empty(&self) -> bool {
        self.connections.is_empty()
    }

    /// Whether a drain has begun.
    pub fn is_draining(&self) -> bool {
        self.connections.is_draining()
    }

    /// Messages stored so far.
    pub fn messages_stored(&self) -> u64 {
        self.commits.messages_stored
    }

    /// The connections, for observers.
    pub fn connections(&self) -> &Connections<Inbound, T> {
        &self.connections
    }

    /// Counts of what the store has settled so far.
    pub fn settled(&self) -> Settled {
        Settled {
            messages: self.commits.messages,
            questions: self.commits.questions,
            awaiting: self.connections.awaiting(),
        }
    }

    /// The status, `uptime` after the start.
    pub fn status(&self, uptime: Duration) -> ServerStatus {
        ServerStatus {
            connections: self.open(),
            messages: self.messages_stored(),
            waiting: self.connections.awaiting(),
            uptime,
        }
    }

    /// Logs the counters of the whole run.
    pub fn log_metrics(&self) {
        log::info!("ended {}", self.connections.shared().metrics());
    }
}

/// The next client, as a probe sees it.
fn client<T: Transport>(
    connections: &Connections<Inbound, T>,
    transport: &T,
    service: Service,
    peer: PeerAddress,
) -> Client {
    Client {
        connection: connections.next_connection(),
        service,
        peer,
        short_read_drains: transport.short_read_drains(),
    }
}

impl<T: Transport> Drop for ServerCore<T> {
    /// Gives the store its pipes back, so that it waits for the store process.
    fn drop(&mut self) {
        if let Some(channel) = self.store_channel.take() {
            let store = &mut self.connections.shared_mut().store;
            store.return_pipes(channel.into_pipes());
        }
    }
}

/// Writes the requests that the store client has for the store process, and hands it the reports that have come.
fn exchange_with_store<T: Transport>(
    store_channel: &mut Option<StoreChannel>,
    connections: &mut Connections<Inbound, T>,
) {
    if let Some(channel) = store_channel
        && let Some(client) = connections.shared_mut().store.client()
        && let Err(error) = channel.exchange(client)
    {
        // The commit that follows settles what the process had.
        client.disconnected(error);
        *store_channel = None;
    }
}

impl Commits {
    /// The group commit: makes the messages of this tick durable, together, and answers for those that are settled.
    fn commit<T: Transport>(&mut self, connections: &mut Connections<Inbound, T>) {
        if std::mem::take(&mut self.drain_asked) && self.begin_drain(connections) {
            connections.drain_all();
        }
        let mut begins = false;
        let mut finished = std::mem::take(&mut self.finished);
        connections.shared_mut().store.commit(&mut finished);
        self.messages += finished.len() as u64;
        for Finished { ticket, outcome } in finished.drain(..) {
            self.messages_stored += u64::from(outcome.is_stored());
            begins |= self.are_enough(connections) && self.begin_drain(connections);
            connections.complete(ticket, Completion::Message(outcome));
        }
        self.finished = finished;
        while let Some(answer) = connections.shared_mut().store.answer() {
            self.questions += 1;
            connections.complete(answer.ticket, Completion::Answer(answer));
        }
        if !connections.shared().store.is_congested() {
            connections.end_congestion();
        }
        if begins {
            connections.drain_all();
        }
    }

    fn begin_drain<T: Transport>(&self, connections: &mut Connections<Inbound, T>) -> bool {
        let timeout = connections.shared().rules.limits.drain_timeout;
        connections.begin_drain(timeout)
    }

    /// Whether as many messages were stored as the operator wanted.
    fn are_enough<T: Transport>(&self, connections: &Connections<Inbound, T>) -> bool {
        let exit_after = connections.shared().rules.limits.exit_after;
        (1..=self.messages_stored).contains(&exit_after)
    }
}
