//! The loop around the core of a server, with a simulated poll: what `Server` of src/server/event_loop.rs is to it.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Instant, UNIX_EPOCH};

use mailoop::net::carrier::Carrier;
use mailoop::net::channel::Readiness;
use mailoop::net::connections::TickStep;
use mailoop::net::peer::PeerAddress;
use mailoop::server::core::ServerCore;

use super::client::Client;
use super::journal::Journal;
use super::prng::Prng;
use super::profile::Profile;
use super::store::Ledger;
use super::wire::SimTransport;

/// So many ticks without an event and without a call of transport or store are a loop that spins. Input that was read already
/// is used up in turns of at least 50 commands, until the 16 KiB of the output bound are full of the shortest reply: in 41.
const IDLE_TICKS_MAX: usize = 48;

/// What poll tells.
#[derive(Clone, Copy, Debug)]
enum Event {
    Listener,
    Store,
    Signal,
    Connection(usize, Readiness),
}

pub struct SimServer<const DRAINS: bool> {
    core: ServerCore<Carrier>,
    rng: Prng,
    journal: Rc<Journal>,
    profile: Rc<Profile>,
    ledger: Rc<RefCell<Ledger>>,
    /// Who waits to be accepted.
    backlog: VecDeque<usize>,
    /// An event of the listener is to be told.
    knock: bool,
    accept_ready: bool,
    /// Who was let in, under which key.
    admitted: Vec<(usize, usize)>,
    drain_until: Option<Instant>,
    /// When the server learned that transactions may not go on any more.
    time_up: Option<Instant>,
    signalled: bool,
    idle_ticks: usize,
    last_tick: Option<Instant>,
}

impl<const DRAINS: bool> SimServer<DRAINS> {
    pub fn new(
        core: ServerCore<Carrier>,
        rng: Prng,
        journal: Rc<Journal>,
        profile: Rc<Profile>,
        ledger: Rc<RefCell<Ledger>>,
    ) -> Self {
        Self {
            core,
            rng,
            journal,
            profile,
            ledger,
            backlog: VecDeque::new(),
            knock: false,
            accept_ready: false,
            admitted: Vec::new(),
            drain_until: None,
            time_up: None,
            signalled: false,
            idle_ticks: 0,
            last_tick: None,
        }
    }

    /// Clients connect.
    pub fn queue(&mut self, arriving: VecDeque<usize>) {
        self.knock |= !arriving.is_empty();
        self.backlog.extend(arriving);
    }

    /// The core, for services beside mail.
    #[cfg(feature = "http")]
    pub fn core(&mut self) -> &mut ServerCore<Carrier> {
        &mut self.core
    }

    pub fn drain_until(&self) -> Option<Instant> {
        self.drain_until
    }

    pub fn next_wake(&self) -> Option<Instant> {
        self.core.next_wake()
    }

    pub fn is_empty(&self) -> bool {
        self.core.is_empty()
    }

    /// Who was let in since the last call.
    pub fn take_admitted(&mut self) -> Vec<(usize, usize)> {
        std::mem::take(&mut self.admitted)
    }

    /// A signal tells the server to end.
    pub fn signal(&mut self) {
        self.signalled = true;
    }

    /// A tick, if there are events, or it is time; as poll would have it. Whether there was one.
    pub fn maybe_tick(&mut self, clients: &[Client], all: bool) -> bool {
        let events = self.poll(clients, all);
        let now = self.journal.now();
        let due = self.next_wake().is_some_and(|wake| wake <= now);
        if events.is_empty() && !due && !self.accept_ready {
            return false;
        }
        let before = self.journal.calls();
        let eventless = events.is_empty() && !self.accept_ready;
        self.tick(clients, events);
        let stands_still = self.last_tick.replace(now) == Some(now);
        let idle = eventless && stands_still && self.journal.calls() == before;
        self.idle_ticks = if idle { self.idle_ticks + 1 } else { 0 };
        if self.idle_ticks > IDLE_TICKS_MAX {
            self.journal.violation(|| "the loop spins".to_owned());
        }
        true
    }

    /// Takes events, in any order.
    fn poll(&mut self, clients: &[Client], all: bool) -> Vec<Event> {
        let mut events = Vec::new();
        for client in clients {
            let Some(key) = client.key else { continue };
            let mut wire = client.wire.borrow_mut();
            if !wire.witness.is_live() {
                continue;
            }
            let caused =
                wire.has_edge() && (all || !self.profile.late_events || self.rng.one_in(2));
            let spurious = !all && self.rng.one_in(self.profile.spurious);
            if caused {
                events.push(Event::Connection(key, wire.fetch()));
            }
            if spurious {
                wire.nudge();
                // What kqueue tells in two events, or of what is no more so.
                let readable = self.rng.one_in(2);
                let writable = self.rng.one_in(2);
                let readiness = Readiness {
                    readable,
                    writable,
                    read_on: false,
                };
                events.push(Event::Connection(key, readiness));
            }
        }
        if self.knock && (all || self.rng.one_in(2)) {
            self.knock = false;
            events.push(Event::Listener);
        }
        let mut ledger = self.ledger.borrow_mut();
        if ledger.completion && (all || self.rng.one_in(2)) {
            ledger.completion = false;
            events.push(Event::Store);
        }
        if std::mem::take(&mut self.signalled) {
            events.push(Event::Signal);
        }
        self.rng.shuffle(&mut events);
        events
    }

    /// As `Server::tick`.
    fn tick(&mut self, clients: &[Client], events: Vec<Event>) {
        self.journal.trace(|| format!("tick {events:?}"));
        let now = self.journal.now();
        self.core.set_time(now, UNIX_EPOCH + self.journal.elapsed());
        let live: Vec<&Client> = clients
            .iter()
            .filter(|client| client.wire.borrow().witness.is_live())
            .collect();
        if self.next_wake().is_some_and(|wake| wake <= now) {
            // Who used up a turn may go on with what was read in it, and neither read nor write anything.
            for client in &live {
                client.wire.borrow_mut().witness.nudged = Some(now);
            }
        }
        let mut signalled = false;
        for event in events {
            match event {
                Event::Listener => self.accept_ready = true,
                Event::Store => {}
                Event::Signal => signalled = true,
                Event::Connection(key, readiness) => {
                    begin_turns(&live);
                    self.core.on_event(key, readiness);
                    check_keys(&live, self.core.next_key(), &self.journal);
                }
            }
            self.disturb(&live);
        }
        if signalled {
            self.core.ask_to_drain();
        }
        let journal = &self.journal;
        self.core.tick(|step, connections| {
            check_keys(&live, connections.next_key(), journal);
            begin_turns(&live);
            if step == TickStep::Serve {
                end_pauses(&live);
            }
        });
        self.note_drain();
        self.accept(clients);
        self.check_tick(clients);
    }

    /// The network does not stand still while a batch is served.
    fn disturb(&mut self, live: &[&Client]) {
        if self.rng.one_in(4) {
            let client = live.get(self.rng.below(live.len()));
            if let Some(client) = client {
                client.wire.borrow_mut().travel(false);
            }
        }
    }

    /// As `Server::accept`.
    fn accept(&mut self, clients: &[Client]) {
        if self.core.is_draining() {
            self.accept_ready = false;
            for number in self.backlog.drain(..) {
                clients[number].wire.borrow_mut().refuse();
            }
            return;
        }
        if !self.accept_ready {
            return;
        }
        for _ in 0..self.rng.between(1, 4) {
            let Some(number) = self.backlog.pop_front() else {
                self.accept_ready = false;
                return;
            };
            let client = &clients[number];
            let peer = PeerAddress::from(client.address);
            if let Some(refusal) = self.core.refusal_for(peer) {
                self.check_full(clients, client);
                self.journal
                    .trace(|| format!("client {number} is turned away"));
                client.wire.borrow_mut().refuse();
                self.journal.trace(|| format!("{refusal:?}"));
                continue;
            }
            let key = self.core.next_key();
            self.journal
                .trace(|| format!("client {number} is accepted under key {key}"));
            client.wire.borrow_mut().witness.accept();
            self.admitted.push((number, key));
            let transport = SimTransport::<DRAINS>(Rc::clone(&client.wire));
            let connection = self.core.next_connection();
            let transport = Carrier::Watched(Box::new(transport));
            let transport = match self.core.probe() {
                Some(probe) => probe.carry(transport, connection, peer),
                None => transport,
            };
            self.core.add(transport, self.profile.service, peer);
        }
    }

    fn note_drain(&mut self) {
        let draining = self.core.is_draining();
        let stored = self.ledger.borrow().stored;
        let enough = self.profile.exit_after != 0 && stored >= self.profile.exit_after;
        if enough && !draining {
            self.journal
                .violation(|| format!("goes on after {stored} messages"));
        }
        if draining && self.drain_until.is_none() {
            self.drain_until = Some(self.journal.now() + self.profile.drain);
        }
    }

    /// Somebody was turned away: there were as many of its address as may be.
    fn check_full(&self, clients: &[Client], newcomer: &Client) {
        let alike = clients.iter().filter(|client| {
            client.address.ip() == newcomer.address.ip() && client.wire.borrow().witness.is_live()
        });
        let (alike, most) = (alike.count(), self.profile.per_ip_max);
        if most == 0 || alike < most {
            self.journal
                .violation(|| format!("turned away with {alike} connections of {most}"));
        }
    }

    /// What holds at the end of every tick.
    fn check_tick(&mut self, clients: &[Client]) {
        let now = self.journal.now();
        if self.drain_until.is_some_and(|until| until <= now) {
            self.time_up.get_or_insert(now);
        }
        let mut live = 0;
        for client in clients {
            let mut wire = client.wire.borrow_mut();
            // Who waits for the store is on no list of those who take turns.
            let waits = self.ledger.borrow().is_kept_waiting(client.number);
            wire.witness.paused = wire.is_runnable() && !waits;
            let blocked = wire.is_blocked();
            wire.witness.check_deadlines(client.script.strict, blocked);
            if wire.witness.cut_short && !wire.garbage && !self.core.is_draining() {
                let number = client.number;
                self.journal
                    .violation(|| format!("the handshake of client {number} is cut short"));
            }
            if let Some((sent, answered)) = client.script.flood {
                wire.witness.check_backlog(sent, answered);
            }
            if let Some(time_up) = self.time_up {
                wire.witness.check_drained(time_up);
            }
            live += usize::from(wire.witness.is_live());
            if !wire.witness.is_live() && self.ledger.borrow().has_draft(client.number) {
                self.journal
                    .violation(|| format!("client {} has left a draft", client.number));
            }
        }
        if self.core.open() > live {
            let open = self.core.open();
            self.journal
                .violation(|| format!("{open} are open of {live}"));
        }
    }

    /// Who is open is known when all is at rest.
    pub fn check_at_rest(&self, clients: &[Client]) {
        let wires = clients.iter().map(|client| client.wire.borrow());
        let served = wires.filter(|wire| {
            wire.witness.is_live() && wire.witness.shut.is_none() && !wire.is_blocked()
        });
        let (served, open) = (served.count(), self.core.open());
        if open < served {
            self.journal
                .violation(|| format!("only {open} are open of {served}"));
        }
    }

    /// In the inbox is what was stored, within its bounds, and every session has ended.
    #[cfg(feature = "catch")]
    pub fn check_inbox(&mut self) {
        let stored = self.ledger.borrow().stored;
        let Some(inbox) = self.core.inbox() else {
            return;
        };
        let limits = inbox.limits();
        let is_bounded = inbox.len() <= limits.messages_max
            && (inbox.bytes() <= limits.bytes_max || inbox.len() == 1);
        let sessions = inbox.sessions();
        let have_ended = sessions.iter().all(|session| session.ended().is_some());
        if inbox.total() != stored || !is_bounded || !have_ended {
            let found = format!("{stored} stored, all ended: {have_ended}, {inbox:?}");
            self.journal.violation(|| found);
        }
    }

    /// What holds when everybody is gone.
    pub fn check_end(&self) {
        let wake = self.core.next_wake();
        let drain_only = wake.is_none() || wake == self.drain_until;
        if !self.core.is_empty() || self.core.open() != 0 || !drain_only {
            let open = self.core.open();
            self.journal
                .violation(|| format!("something is left: {open} open, wakes at {wake:?}"));
        }
    }
}

/// What belonged to a connection when the batch began is nobody else's before its end.
fn check_keys(live: &[&Client], next: usize, journal: &Journal) {
    if let Some(client) = live.iter().find(|client| client.key == Some(next)) {
        let number = client.number;
        journal.violation(|| format!("the key of client {number} is free within the batch"));
    }
}

fn end_pauses(live: &[&Client]) {
    for client in live {
        client.wire.borrow_mut().witness.paused = false;
    }
}

fn begin_turns(live: &[&Client]) {
    for client in live {
        client.wire.borrow_mut().witness.begin_turn();
    }
}
