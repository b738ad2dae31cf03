//! All connections of one kind, and what concerns more than one of them: turns, completions, deadlines, the end.
//!
//! Nothing here knows where readiness comes from, or what time it is.
//!
//! Keys are used again, ids never: whatever remembers a connection keeps both, so that what was meant for one that is gone
//! does not meet the next one in its place.

mod deadlines;
mod drain;
mod fair_queue;
mod lingering;
mod place;
mod replay;
mod run_queue;
mod turns;
mod views;

use std::collections::HashMap;
use std::time::Instant;

use bytes::BytesMut;
use slab::Slab;

pub use lingering::LINGERING_MAX;
use lingering::Lingering;
use place::Place;
pub use replay::HeldBack;
use run_queue::RunQueue;
pub use views::ConnectionView;

use super::budget::{Budget, TICK_WORK_MAX, TURN_WORK_MAX, TurnBudget};
use super::channel::Readiness;
use super::connection::{Connection, Lent};
use super::counts::{ConnectionCounts, Presence};
use super::driver::{ConnectionId, ConnectionName, Drain, Driver, Wait};
use super::peer::PeerAddress;
use super::timers::{Alarm, Timers};
use super::transport::Transport;

/// The most bytes read at once, into a buffer that all connections share: as many as a packet of the loopback interface
/// has. With half of it large messages cost a tenth more, at bad moments twice as much: each read acknowledges what it took.
pub const READ_BYTES_MAX: usize = 64 * 1024;

/// The slab of connections.
pub struct Connections<D: Driver, T> {
    slots: Slab<Slot<D, T>>,
    shared: D::Shared,
    /// Connections that have something to do and wait for more than an event.
    run_queue: RunQueue,
    lingering: Lingering,
    /// The most connections that linger; the oldest goes first.
    lingering_max: usize,
    /// The connection that each answer is for.
    awaiting: HashMap<D::Ticket, ConnectionName>,
    timers: Timers,
    /// Connections that are over. Their keys are free only after the batch of events that may still speak of them.
    gone: Vec<usize>,
    next_id: u64,
    /// The number of the last place in a queue.
    last_place: u64,
    drain: Drain,
    /// Kinds of connections in the run queue that get no turn for now.
    held_back: HeldBack,
    counts: ConnectionCounts,
    scratch: Scratch,
}

struct Slot<D: Driver, T> {
    connection: Connection<D, T>,
    alarm: Alarm,
    /// The wait that its driver returned last.
    wait: Wait<D::Ticket>,
    /// The number of its place in the queue for that, where there is one.
    place: u64,
}

impl<D: Driver, T> Slot<D, T> {
    /// A new place for it in a queue; an older one is not good any more.
    fn place(&mut self, key: usize, last: &mut u64) -> Place {
        *last += 1;
        self.place = *last;
        let number = self.place;
        Place { key, number }
    }
}

/// Buffers and budgets that all connections share, one at a time.
struct Scratch {
    now: Instant,
    buffer: Box<[u8]>,
    output: BytesMut,
    /// The work of the present tick.
    work: Budget,
    /// Iterations of passwords and handshakes that may be done now.
    iterations: u32,
}

impl<D: Driver, T: Transport> Connections<D, T> {
    /// No connections yet. They will work on `shared`.
    pub fn new(shared: D::Shared, now: Instant) -> Self {
        Self {
            slots: Slab::new(),
            shared,
            run_queue: RunQueue::default(),
            lingering: Lingering::default(),
            lingering_max: LINGERING_MAX,
            awaiting: HashMap::new(),
            timers: Timers::new(now),
            gone: Vec::new(),
            next_id: 1,
            last_place: 0,
            drain: Drain::No,
            held_back: HeldBack::default(),
            counts: ConnectionCounts::default(),
            scratch: Scratch {
                now,
                buffer: vec![0; READ_BYTES_MAX].into_boxed_slice(),
                output: BytesMut::new(),
                work: Budget::new(TICK_WORK_MAX),
                iterations: 0,
            },
        }
    }

    /// The shared state of the connections.
    pub fn shared(&self) -> &D::Shared {
        &self.shared
    }

    /// The shared state of the connections, to be changed between their turns.
    pub fn shared_mut(&mut self) -> &mut D::Shared {
        &mut self.shared
    }

    /// Bounds how many connections linger.
    pub fn set_lingering_max(&mut self, max: usize) {
        self.lingering_max = max;
    }

    /// Tells what time it is, once a tick.
    pub fn set_time(&mut self, now: Instant) {
        self.scratch.now = now;
    }

    /// The time of the present tick.
    pub fn now(&self) -> Instant {
        self.scratch.now
    }

    /// The key that the next connection will have.
    pub fn next_key(&self) -> usize {
        self.slots.vacant_key()
    }

    /// The number of connections that are being served; those whose end was announced do not count.
    pub fn open(&self) -> usize {
        self.counts.open()
    }

    /// The number of connections from the address of `peer`.
    pub fn open_from(&self, peer: PeerAddress) -> usize {
        peer.ip().map_or(0, |ip| self.counts.open_from(ip))
    }

    /// The number of answers that are awaited.
    pub fn awaiting(&self) -> usize {
        self.awaiting.len()
    }

    /// Whether the last one was removed.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// A name for a connection, also for one that is refused.
    fn next_id(&mut self) -> ConnectionId {
        let id = ConnectionId(self.next_id);
        self.next_id += 1;
        id
    }

    /// Takes in a connection that was just accepted, under [`next_key`](Self::next_key), and gives it its first turn. One that
    /// is not identified counts for no address until its driver has [named](super::driver::Turn::identify) the client.
    pub fn add(&mut self, transport: T, driver: D, peer: PeerAddress, is_identified: bool) {
        let (id, now) = (self.next_id(), self.scratch.now);
        let connection = Connection::accepted(id, transport, driver, peer, is_identified, now);
        let key = self.insert(connection);
        self.turn(key, Connection::open);
    }

    /// Takes in a connection that is being established, under [`next_key`](Self::next_key). Its driver is opened once it is there,
    /// or has failed by `deadline`.
    pub fn dial(&mut self, transport: T, driver: D, peer: PeerAddress, deadline: Instant) {
        let (id, now) = (self.next_id(), self.scratch.now);
        let connection = Connection::dialing(id, transport, driver, peer, now, deadline);
        let key = self.insert(connection);
        if let Some(slot) = self.slots.get_mut(key) {
            self.timers.set(key, &mut slot.alarm, Some(deadline));
        }
    }

    fn insert(&mut self, connection: Connection<D, T>) -> usize {
        self.counts.note(Presence::default(), connection.presence());
        self.slots.insert(Slot {
            connection,
            alarm: Alarm::default(),
            wait: Wait::Input,
            place: 0,
        })
    }

    /// Serves a connection whose driver closes it in its first step, since it is not let in: what that says is written as far as
    /// the socket takes it, and the socket is closed. It never has a key, and counts for nothing.
    pub fn refuse(&mut self, transport: T, driver: D, peer: PeerAddress) {
        let (id, now) = (self.next_id(), self.scratch.now);
        let mut connection = Connection::accepted(id, transport, driver, peer, true, now);
        let mut lent = Lent {
            now,
            shared: &mut self.shared,
            buffer: &mut self.scratch.buffer,
            output: &mut self.scratch.output,
            work: Budget::new(0),
            iterations: &mut self.scratch.iterations,
            drain: self.drain,
            counts: &self.counts,
            // No connection has both this key and this id, now or later.
            key: self.slots.vacant_key(),
        };
        connection.open(&mut lent);
        debug_assert!(connection.is_over(self.drain), "a refused driver closes");
        connection.remove(now, &mut self.shared);
    }

    /// Notes an event of a connection, which gets its turn in the next [tick](Self::tick): events and work left over share one queue,
    /// so that neither starves the other. One that waits for an answer or a timer only writes.
    pub fn on_event(&mut self, key: usize, readiness: Readiness) {
        let Some(slot) = self.slots.get_mut(key) else {
            // An event can be late: its connection was removed after the batch before.
            return;
        };
        let may_write = slot.connection.note(readiness);
        let wait = slot.wait;
        match wait {
            Wait::Input => {
                slot.wait = Wait::Turn;
                let place = slot.place(key, &mut self.last_place);
                self.run_queue.push(place);
            }
            Wait::Turn => {}
            // There may be room by now, and it may have something to write; its place in the queue is kept.
            Wait::Cpu | Wait::Room => self.turn(key, Connection::on_ready),
            _ if may_write => self.turn(key, |connection, lent| connection.flush(wait, lent)),
            Wait::Output | Wait::Completion(_) | Wait::Timer => {}
        }
    }

    /// One tick, between the poll and the accept: serve ready connections → `commit` once → expire deadlines → reap.
    /// `probe` is told of each step before it is taken.
    pub fn tick(&mut self, commit: impl FnOnce(&mut Self), mut probe: impl FnMut(TickStep, &Self)) {
        probe(TickStep::Serve, self);
        self.serve();
        probe(TickStep::Commit, self);
        commit(self);
        probe(TickStep::Expire, self);
        self.expire_deadlines();
        probe(TickStep::Reap, self);
        self.reap();
    }

    /// Removes connections that are over. Only now may their keys be used again.
    fn reap(&mut self) {
        while let Some(name) = self.lingering.pop_over(self.lingering_max) {
            if self.slot_of(name).is_some() {
                self.turn(name.key, Connection::stop_lingering);
            }
        }
        while let Some(key) = self.gone.pop() {
            let Some(mut slot) = self.slots.try_remove(key) else {
                debug_assert!(false, "a connection is removed once");
                continue;
            };
            self.timers.clear(key, &mut slot.alarm);
            self.lingering.remove(slot.connection.id());
            slot.connection.remove(self.scratch.now, &mut self.shared);
        }
    }

    /// The instant at which something is to be done without an event: now if a connection has work left, otherwise at the first deadline.
    pub fn next_wake(&self) -> Option<Instant> {
        if self.run_queue.has_work() || !self.gone.is_empty() {
            return Some(self.scratch.now);
        }
        let wakes = [self.timers.next(), self.drain_deadline()];
        wakes.into_iter().flatten().min()
    }

    /// The slot of a connection, if that is not gone meanwhile.
    fn slot_of(&mut self, name: ConnectionName) -> Option<&mut Slot<D, T>> {
        self.slots
            .get_mut(name.key)
            .filter(|slot| slot.connection.id() == name.id)
    }

    /// The slot of the connection that was last given this place.
    fn slot_at(&mut self, place: Place) -> Option<&mut Slot<D, T>> {
        self.slots
            .get_mut(place.key)
            .filter(|slot| slot.place == place.number)
    }

    /// Lends a connection what it needs for a turn, and notes what it waits for after it.
    fn turn(
        &mut self,
        key: usize,
        act: impl FnOnce(&mut Connection<D, T>, &mut Lent<'_, D::Shared>) -> Wait<D::Ticket>,
    ) {
        let Some(slot) = self.slots.get_mut(key) else {
            debug_assert!(false, "a turn of a connection that was removed");
            return;
        };
        let budget = TurnBudget {
            has_work: !self.scratch.work.is_spent(),
            iterations: self.scratch.iterations,
        };
        let budget = slot.connection.begin_turn(budget, &self.shared);
        self.scratch.iterations = budget.iterations;
        // One that is served in any case gets on with what needs no work, such as its end.
        let work = if budget.has_work { TURN_WORK_MAX } else { 0 };
        let mut lent = Lent {
            now: self.scratch.now,
            shared: &mut self.shared,
            buffer: &mut self.scratch.buffer,
            output: &mut self.scratch.output,
            work: Budget::new(work),
            iterations: &mut self.scratch.iterations,
            drain: self.drain,
            counts: &self.counts,
            key,
        };
        // Those that wait for the CPU are served where there are iterations; one that has begun goes on before the others.
        let has_begun = *lent.iterations > 0;
        let before = slot.connection.presence();
        let wait = act(&mut slot.connection, &mut lent);
        self.scratch.work.charge(lent.work.spent());
        let connection = &mut slot.connection;
        self.counts.note(before, connection.presence());
        connection.end_turn(wait, &self.shared);
        let id = connection.id();
        let name = ConnectionName { key, id };
        if before.open && connection.is_lingering() {
            self.lingering.push(name);
        }
        if connection.is_over(self.drain) {
            if connection.become_gone() {
                self.gone.push(key);
            }
        } else if wait != slot.wait {
            match wait {
                Wait::Turn => {
                    let place = slot.place(key, &mut self.last_place);
                    self.run_queue.push(place);
                }
                Wait::Cpu => {
                    let source = connection.group();
                    let place = slot.place(key, &mut self.last_place);
                    self.run_queue.push_for_cpu(source, place, has_begun);
                }
                Wait::Room => {
                    let place = slot.place(key, &mut self.last_place);
                    self.run_queue.push_for_room(place);
                }
                Wait::Completion(ticket) => {
                    self.awaiting.insert(ticket, name);
                }
                Wait::Input | Wait::Output | Wait::Timer => {}
            }
        }
        slot.wait = wait;
        let deadline = slot.connection.deadline(&self.shared);
        self.timers.set(key, &mut slot.alarm, deadline);
    }
}

/// The steps of a [tick](Connections::tick), in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TickStep {
    /// Connections of which events told, and those with work left, get their turns.
    Serve,
    /// The store commits what this tick has for it, once for all.
    Commit,
    /// Deadlines that have passed are acted upon.
    Expire,
    /// Connections that are over are removed, and their keys are free.
    Reap,
}
