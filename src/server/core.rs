//! The server without its poll: connections, the store, and the order of a tick.
//!
//! The loop around a real poll, the server in memory and the simulation of the tests all run this, so what the tests check
//! is what runs. Polling comes before a [tick](ServerCore::tick), accepting after it.

mod events;
mod figures;
mod start;
#[cfg(feature = "http")]
mod watching;

use std::io;
use std::time::{Duration, Instant, SystemTime};

use super::commits::Commits;
use super::filters::ServerFilters;
#[cfg(feature = "http")]
use super::probe::observers::ObserverId;
use super::probe::{Client, CoreProbe};
use super::relay::Outbound;
use super::store_channel::StoreChannel;
use super::store_channels::StoreChannels;
use super::stream::StreamService;
use crate::inbound::{Inbound, Rejection, Rules};
use crate::net::connections::{Connections, HeldBack, TickStep};
use crate::net::driver::ConnectionId;
use crate::net::peer::PeerAddress;
use crate::net::probe::Seen;
use crate::net::transport::Transport;
use crate::smtp::event::Limit;
use crate::smtp::service::Service;
#[cfg(feature = "catch")]
use crate::store::inbox::Inbox;

/// Time for which a lost store refuses senders only; after it new connections are not let in, so that clients go elsewhere.
pub const LOST_STORE_TIMEOUT: Duration = Duration::from_secs(60);

/// Everything that a server is, but the poll and its sockets.
pub struct ServerCore<T: Transport> {
    pub(super) connections: Connections<Inbound, T>,
    /// The number of ticks so far, as a record counts them.
    pub(super) ticks: u64,
    /// The observer, if somebody watches.
    pub(super) probe: Option<Box<dyn CoreProbe>>,
    /// The name of the last observer that came while it runs.
    #[cfg(feature = "http")]
    last_observer: ObserverId,
    commits: Commits,
    /// The pipes to each store process, as long as it is there.
    store_channels: StoreChannels,
    /// Whether the pipes to a store process are worth another exchange at once.
    is_exchange_pending: bool,
    /// Whether there are requests that a pipe to a store process has no room for.
    has_unsent: bool,
    /// When the drain is over, once it has begun.
    drain_end: Option<Instant>,
    /// All that sends mail on, where there is a route.
    pub(super) outbound: Option<Box<Outbound<T>>>,
    /// The connection of the store to its stream, where it has one.
    pub(super) stream: Option<Box<StreamService<T>>>,
    /// The mail filters of sessions.
    pub(super) filters: ServerFilters,
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

impl<T: Transport> ServerCore<T> {
    /// Has mail sent on that the store holds for other servers.
    pub fn send_on(&mut self, outbound: Box<Outbound<T>>) {
        self.outbound = Some(outbound);
    }

    /// All that sends mail on, where there is a route.
    pub fn outbound(&mut self) -> Option<&mut Outbound<T>> {
        self.outbound.as_deref_mut()
    }

    /// Tells what time it is, once a tick.
    pub fn set_time(&mut self, now: Instant, wall: SystemTime) {
        if let Some(probe) = &mut self.probe {
            probe.time(now, wall);
        }
        self.connections.set_time(now);
        self.connections.shared_mut().set_time(now, wall);
        if let Some(outbound) = &mut self.outbound {
            outbound.set_time(now, wall);
        }
        if let Some(stream) = &mut self.stream {
            stream.set_time(now);
        }
        self.filters.set_time(now);
    }

    /// The probe, if there is one.
    pub fn probe(&mut self) -> Option<&mut dyn CoreProbe> {
        Some(&mut **self.probe.as_mut()?)
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
        let lost_for = self
            .store_lost_since()
            .map(|since| self.connections.now().saturating_duration_since(since));
        if lost_for.is_some_and(|time| time >= LOST_STORE_TIMEOUT) {
            return Some(Rejection::StoreLost);
        }
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

    /// The pipes to a store process, which the poll tells of.
    pub fn store_channel(&mut self, process: usize) -> Option<&mut StoreChannel> {
        self.store_channels.get(process)
    }

    /// Has `register` see to it that the poll tells of the pipes to each store process. One that cannot be polled is given up.
    pub fn register_store(
        &mut self,
        mut register: impl FnMut(usize, &mut StoreChannel) -> io::Result<()>,
    ) {
        let store = &mut *self.connections.shared_mut().store;
        self.store_channels
            .each(store, |process, channel, _| register(process, channel));
    }

    /// Has the next tick begin a drain: no transaction begins any more, those in flight have until the drain timeout.
    pub fn ask_to_drain(&mut self) {
        if let Some(probe) = &mut self.probe {
            probe.drain_asked();
        }
        self.commits.drain_asked = true;
    }

    /// One tick: serve ready connections → commit the store once → expire deadlines → reap; after that the same for connections to
    /// other servers. `see` is told of each step of the first before it is taken.
    pub fn tick(&mut self, mut see: impl FnMut(TickStep, &Connections<Inbound, T>)) {
        let Self {
            connections,
            ticks,
            probe,
            commits,
            store_channels,
            is_exchange_pending,
            has_unsent,
            drain_end,
            outbound,
            stream,
            filters,
            ..
        } = self;
        *ticks += 1;
        let commit = |connections: &mut Connections<Inbound, T>| {
            let store = &mut *connections.shared_mut().store;
            store_channels.open(store);
            store_channels.exchange(store);
            commits.commit(connections);
        };
        let told = |step, connections: &_| {
            if let Some(probe) = &mut *probe {
                probe.step(step);
            }
            see(step, connections);
        };
        connections.tick(commit, told);
        filters.tick(connections);
        if let Some(probe) = &mut *probe {
            probe.tick_ended(connections.next_wake());
        }
        if connections.is_draining() {
            let timeout = connections.shared().rules.limits.drain_timeout;
            let now = connections.now();
            drain_end.get_or_insert_with(|| now + timeout);
            if let Some(outbound) = outbound {
                outbound.begin_drain(timeout);
            }
            if let Some(stream) = stream {
                stream.begin_drain(timeout);
            }
            filters.begin_drain(timeout);
        }
        let store = &mut *connections.shared_mut().store;
        if let Some(outbound) = outbound {
            outbound.tick(store);
            if let Some(probe) = probe {
                probe.relay_tick_ended(outbound.next_timer(), outbound.queued());
            }
        }
        if let Some(stream) = stream {
            stream.tick(store);
        }
        *is_exchange_pending = store_channels.is_pending(store);
        *has_unsent = store_channels.has_unsent(store);
    }

    /// The instant at which something is to be done without an event.
    pub fn next_wake(&self) -> Option<Instant> {
        let is_pending = self.connections.shared().store.is_pending();
        if self.is_exchange_pending || is_pending || self.commits.drain_asked {
            return Some(self.connections.now());
        }
        let store = self.connections.shared().store.next_wake();
        let outbound = self.outbound.as_ref().and_then(|it| it.next_wake());
        let stream = self.stream.as_ref().and_then(|it| it.next_wake());
        let drain_end = self.drain_end.filter(|_| self.has_unsent);
        let wakes = [
            self.connections.next_wake(),
            store,
            outbound,
            stream,
            self.filters.next_wake(&self.connections),
            drain_end,
        ];
        wakes.into_iter().flatten().min()
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

    /// Since when the store takes no mail at all; `None` while it does.
    pub fn store_lost_since(&self) -> Option<Instant> {
        self.connections.shared().store.lost_since()
    }

    /// Connections that are being served; those that are closing do not count.
    pub fn open(&self) -> usize {
        self.connections.open()
    }

    /// Whether the last connection was removed, and what was sent on is known to the spool: for that it has until the end of the
    /// drain.
    pub fn is_empty(&self) -> bool {
        let outbound = self.outbound.as_ref();
        let sends_nothing = outbound.is_none_or(|outbound| outbound.is_idle());
        let stream = self.stream.as_ref();
        let sends_nothing = sends_nothing && stream.is_none_or(|stream| stream.is_idle());
        let now = self.connections.now();
        let may_wait = self.drain_end.is_none_or(|end| now < end);
        let writes = self.is_exchange_pending || self.has_unsent && may_wait;
        self.connections.is_empty() && sends_nothing && !writes
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

    /// The inbox, of a server for tests.
    #[cfg(feature = "catch")]
    pub fn inbox(&mut self) -> Option<&mut Inbox> {
        self.connections.shared_mut().store.inbox()
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
    /// Gives the store its pipes back, so that it waits for its processes.
    fn drop(&mut self) {
        let store = &mut *self.connections.shared_mut().store;
        self.store_channels.give_back(store);
    }
}
