//! All connections of a server, and what concerns more than one of them: turns, commits, deadlines, the end.
//!
//! Nothing here knows where readiness comes from, or what time it is.

mod admission;
mod drain;
mod fair_queue;
mod lingering;
mod waiting;

use std::collections::HashMap;
use std::mem;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use bytes::BytesMut;
use slab::Slab;

pub use lingering::LINGERING_MAX;
use lingering::Lingering;
use waiting::{List, Waiting};

use super::Limits;
use super::budget::{Budget, TICK_WORK_MAX, TURN_WORK_MAX};
use super::census::Census;
use super::cidr::Cidr;
use super::clock::Clock;
use super::connection::{Connection, ConnectionId, Drain, Next, READ_BYTES_MAX, Turn};
use super::deadlines::{Alarm, Deadlines};
use super::totals::{Status, Totals};
use crate::net::channel::Readiness;
use crate::net::link::StartTls;
use crate::net::transport::Transport;
use crate::smtp::policy::Policy;
use crate::smtp::session::TransactionPool;
use crate::store::{Finished, Store, StoreClient, StorePipes, Ticket};

/// The slab of connections.
pub struct Connections<T> {
    slots: Slab<Slot<T>>,
    policy: Rc<Policy>,
    pool: Rc<TransactionPool>,
    limits: Limits,
    /// Who speaks for others, and says so first.
    proxies: Vec<Cidr>,
    /// Who may say by XCLIENT for whom it speaks.
    spokesmen: Vec<Cidr>,
    /// What it takes to begin TLS, if there is a certificate.
    tls: Option<Rc<dyn StartTls>>,
    store: Box<dyn Store>,
    /// Those that have something to do and wait for more than an event.
    waiting: Waiting,
    lingering: Lingering,
    /// Whose message, or whose question, a ticket is.
    awaiting_store: HashMap<Ticket, Name>,
    deadlines: Deadlines,
    /// Those that are over. Their keys are free only after the batch of events that may still speak of them.
    gone: Vec<usize>,
    next_id: u64,
    messages_stored: u64,
    drain: Drain,
    census: Census,
    totals: Totals,
    scratch: Scratch,
}

struct Slot<T> {
    connection: Connection<T>,
    alarm: Alarm,
    list: List,
}

/// A connection by its place, which is used again, and its id, which is not: what is remembered of a
/// connection that is gone never meets the next one in its place.
#[derive(Clone, Copy)]
struct Name {
    key: usize,
    id: ConnectionId,
}

/// What all connections share, one at a time.
struct Scratch {
    now: Instant,
    clock: Clock,
    buffer: Box<[u8]>,
    replies: BytesMut,
    trace: BytesMut,
    finished: Vec<Finished>,
    /// The work of the present tick.
    work: Budget,
    /// How many rounds of passwords and handshakes may be done now.
    rounds: u32,
}

impl<T: Transport> Connections<T> {
    /// No connections yet.
    pub fn new(policy: Rc<Policy>, limits: Limits, store: Box<dyn Store>, now: Instant) -> Self {
        Self {
            slots: Slab::new(),
            policy,
            pool: Rc::default(),
            limits,
            proxies: Vec::new(),
            spokesmen: Vec::new(),
            tls: None,
            store,
            waiting: Waiting::default(),
            lingering: Lingering::default(),
            awaiting_store: HashMap::new(),
            deadlines: Deadlines::new(now),
            gone: Vec::new(),
            next_id: 1,
            messages_stored: 0,
            drain: Drain::No,
            census: Census::default(),
            totals: Totals::default(),
            scratch: Scratch {
                now,
                clock: Clock::default(),
                buffer: vec![0; READ_BYTES_MAX].into_boxed_slice(),
                replies: BytesMut::new(),
                trace: BytesMut::new(),
                finished: Vec::new(),
                work: Budget::new(TICK_WORK_MAX),
                rounds: 0,
            },
        }
    }

    /// Says whose connections begin with a PROXY header. Nobody else's is believed.
    pub fn set_proxies(&mut self, proxies: Vec<Cidr>) {
        self.proxies = proxies;
    }

    /// Says who may say by XCLIENT for whom it speaks.
    pub fn set_spokesmen(&mut self, spokesmen: Vec<Cidr>) {
        self.spokesmen = spokesmen;
    }

    /// Says what it takes to begin TLS; whoever has begun goes on as it was.
    pub fn set_tls(&mut self, tls: Option<Rc<dyn StartTls>>) {
        self.tls = tls;
    }

    /// Tells what time it is, once a tick.
    pub fn set_time(&mut self, now: Instant, wall: SystemTime) {
        self.scratch.now = now;
        self.store.set_time(now);
        self.scratch.clock.set(wall);
    }

    /// Takes the pipes to the store process, which the event loop reads and writes.
    pub fn take_store_pipes(&mut self) -> Option<StorePipes> {
        self.store.take_pipes()
    }

    /// The store client, which has octets for those pipes and takes what comes from them before each
    /// [`commit`](Self::commit).
    pub fn store_client(&mut self) -> Option<&mut StoreClient> {
        self.store.client()
    }

    /// Gives the pipes back, at shutdown.
    pub fn return_store_pipes(&mut self, pipes: StorePipes) {
        self.store.return_pipes(pipes);
    }

    /// The key that the next connection will have.
    pub fn next_key(&self) -> usize {
        self.slots.vacant_key()
    }

    /// Connections that are being served; those that were told good-bye do not count.
    pub fn open(&self) -> usize {
        self.census.open()
    }

    /// What there is to do, `uptime` after the start.
    pub(super) fn status(&self, uptime: Duration) -> Status {
        Status {
            connections: self.open(),
            messages: self.messages_stored,
            waiting: self.awaiting_store.len(),
            uptime,
        }
    }

    /// Logs what the server has done in all.
    pub fn log_totals(&self) {
        log::info!("ended {}", self.totals);
    }

    /// Messages stored so far.
    pub fn messages_stored(&self) -> u64 {
        self.messages_stored
    }

    /// Whether the last one was removed.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Notes an event of a connection, which gets its turn in [`serve_runnable`](Self::serve_runnable): events and work left
    /// over share one queue, so that neither starves the other.
    pub fn on_event(&mut self, key: usize, readiness: Readiness) {
        let Some(slot) = self.slots.get_mut(key) else {
            return;
        };
        slot.connection.note(readiness);
        match slot.list {
            List::None | List::Runnable => {
                let name = Name {
                    key,
                    id: slot.connection.id(),
                };
                self.waiting.for_a_turn(&mut slot.list, name);
            }
            // Its place among those that wait is kept; the turn is for what it has to write.
            List::Congested | List::Cpu => self.turn(key, Connection::on_ready),
        }
    }

    /// Makes the messages of this tick durable, together, and answers for those that are settled.
    pub fn commit(&mut self) {
        let mut finished = mem::take(&mut self.scratch.finished);
        let mut drain = false;
        self.store.commit(&mut finished);
        for Finished { ticket, outcome } in finished.drain(..) {
            let Some(name) = self.awaiting_store.remove(&ticket) else {
                continue;
            };
            self.messages_stored += u64::from(outcome.is_stored());
            drain |= self.is_enough() && self.begin_drain();
            if self.slot_of(name).is_some() {
                self.turn(name.key, |connection, turn| {
                    connection.on_stored(outcome, turn)
                });
            }
        }
        self.scratch.finished = finished;
        while let Some(answer) = self.store.answer() {
            let name = self.awaiting_store.remove(&answer.ticket);
            if let Some(name) = name
                && self.slot_of(name).is_some()
            {
                self.turn(name.key, |connection, turn| {
                    connection.on_answer(answer, turn)
                });
            }
        }
        if !self.store.is_congested() {
            self.end_congestion();
        }
        if drain {
            self.drain_all();
        }
    }

    /// Whether as many messages were stored as the operator wanted.
    fn is_enough(&self) -> bool {
        (1..=self.messages_stored).contains(&self.limits.exit_after)
    }

    /// Goes on with other rules: `policy` is for new sessions, `limits` are for all.
    /// Users are for all as well.
    pub fn reconfigure(&mut self, policy: Rc<Policy>, limits: Limits) {
        let users = policy.users();
        let other_users = users != self.policy.users();
        self.policy = policy;
        self.limits = limits;
        for (key, slot) in &mut self.slots {
            if other_users {
                slot.connection.replace_users(users.as_ref());
            }
            let deadline = slot.connection.deadline(&self.limits);
            self.deadlines.set(key, &mut slot.alarm, deadline);
        }
        if self.is_enough() {
            self.start_draining();
        }
    }

    /// Ends those whose deadline has passed.
    pub fn expire_deadlines(&mut self) {
        while let Some(key) = self.deadlines.due(self.scratch.now) {
            let Some(slot) = self.slots.get_mut(key) else {
                return;
            };
            self.deadlines.clear(key, &mut slot.alarm);
            let deadline = slot.connection.deadline(&self.limits);
            if deadline.is_some_and(|deadline| deadline <= self.scratch.now) {
                self.turn(key, Connection::on_deadline);
            } else {
                self.deadlines.set(key, &mut slot.alarm, deadline);
            }
        }
        if let Drain::Until(until) = self.drain
            && until <= self.scratch.now
        {
            self.drain = Drain::TimeIsUp;
            self.drain_all();
        }
    }

    /// Removes those that are over. Only now may their keys be used again.
    pub fn reap(&mut self) {
        self.bound_lingering();
        while let Some(key) = self.gone.pop() {
            if let Some(mut slot) = self.slots.try_remove(key) {
                self.deadlines.clear(key, &mut slot.alarm);
                self.lingering.remove(slot.connection.id());
                let reason = slot.connection.log_end(self.scratch.now);
                self.totals.add(reason, slot.connection.stats());
            }
        }
    }

    /// When something is to be done without an event: now if a connection has work left, otherwise at the first
    /// deadline.
    pub fn next_wake(&self) -> Option<Instant> {
        if self.store.is_pending() || self.waiting.has_work() || !self.gone.is_empty() {
            return Some(self.scratch.now);
        }
        let drain = match self.drain {
            Drain::Until(until) => Some(until),
            Drain::No | Drain::TimeIsUp => None,
        };
        self.deadlines.next().into_iter().chain(drain).min()
    }

    /// The connection `name`, if it is not gone meanwhile.
    fn slot_of(&mut self, name: Name) -> Option<&mut Slot<T>> {
        self.slots
            .get_mut(name.key)
            .filter(|slot| slot.connection.id() == name.id)
    }

    /// Lends a connection what it needs for a turn, and sees to what it needs after it.
    fn turn(&mut self, key: usize, act: impl FnOnce(&mut Connection<T>, &mut Turn<'_>) -> Next) {
        let Some(slot) = self.slots.get_mut(key) else {
            return;
        };
        // One that is served in any case gets on with what needs no work, such as its end.
        let work = if self.scratch.work.is_spent() {
            0
        } else {
            TURN_WORK_MAX
        };
        let mut turn = Turn {
            now: self.scratch.now,
            date: self.scratch.clock.date(),
            limits: &self.limits,
            spokesmen: &self.spokesmen,
            tls: self.tls.as_deref(),
            store: &mut *self.store,
            replies: &mut self.scratch.replies,
            work: Budget::new(work),
            rounds: &mut self.scratch.rounds,
            trace: &mut self.scratch.trace,
            buffer: &mut self.scratch.buffer[..],
            drain: self.drain,
        };
        let has_begun = *turn.rounds > 0;
        let before = slot.connection.presence();
        let mut next = act(&mut slot.connection, &mut turn);
        let mut after = slot.connection.presence();
        if let Next::Identified(ip) = next {
            let most_alike = self.limits.connections_per_ip_max;
            if most_alike != 0 && self.census.open_from(ip) >= most_alike {
                next = slot.connection.turn_away(&mut turn);
                after = slot.connection.presence();
            }
        }
        self.scratch.work.charge(turn.work.spent());
        self.census.note(before, after);
        let name = Name {
            key,
            id: slot.connection.id(),
        };
        if before.open && slot.connection.is_lingering() {
            self.lingering.push(name);
        }
        match next {
            Next::Again | Next::Identified(_) => {
                self.waiting.for_a_turn(&mut slot.list, name);
            }
            Next::Cpu => {
                let source = slot.connection.source();
                self.waiting
                    .for_the_cpu(&mut slot.list, name, source, has_begun);
            }
            Next::StoreRoom => self.waiting.for_the_store(&mut slot.list, name),
            Next::Completion(ticket) => {
                self.awaiting_store.insert(ticket, name);
            }
            Next::Reap => self.gone.push(key),
            Next::Wait => {}
        }
        let deadline = slot.connection.deadline(&self.limits);
        self.deadlines.set(key, &mut slot.alarm, deadline);
    }
}
