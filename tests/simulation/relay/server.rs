//! The loop around the core of a server that sends mail on, with a simulated poll, as `Server` of src/server/event_loop.rs is.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use mailoop::net::carrier::Carrier;
use mailoop::net::channel::Readiness;
use mailoop::net::token::Token;
use mailoop::outbound::dispatcher::RelaySettings;
use mailoop::outbound::relay::Outbound;
use mailoop::server::core::ServerCore;

use super::internet::{HOP, Internet, NAME};
use super::profile::Profile;
use super::spool::Spool;
use crate::journal::Journal;
use crate::prng::Prng;

/// So many ticks without an event and without a call of transport, network or store are a loop that spins.
const IDLE_TICKS_MAX: usize = 48;
/// When worlds begin, in milliseconds of the epoch.
const START_MS: u64 = 1_795_000_000_000;

/// What the poll tells.
#[derive(Clone, Copy, Debug)]
enum Event {
    Store,
    Name,
    Hop(usize, Readiness),
    Caller(usize, Readiness),
}

pub struct SimServer {
    pub core: ServerCore<Carrier>,
    rng: Prng,
    journal: Rc<Journal>,
    profile: Rc<Profile>,
    spool: Rc<RefCell<Spool>>,
    internet: Rc<RefCell<Internet>>,
    idle_ticks: usize,
    last_tick: Option<Instant>,
    pub draining_since: Option<Instant>,
    /// The longest lifetime of a mail that it knew, and since when mail that is older had its last chance.
    pub lifetime_ms: u64,
    pub last_chance_ms: u64,
}

/// The time of day.
pub fn wall(journal: &Journal) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(START_MS) + journal.elapsed()
}

pub fn wall_ms(journal: &Journal) -> u64 {
    START_MS + journal.elapsed().as_millis() as u64
}

impl SimServer {
    pub fn new(
        core: ServerCore<Carrier>,
        rng: Prng,
        journal: Rc<Journal>,
        profile: Rc<Profile>,
        spool: Rc<RefCell<Spool>>,
        internet: Rc<RefCell<Internet>>,
    ) -> Self {
        Self {
            core,
            rng,
            journal,
            profile,
            spool,
            internet,
            idle_ticks: 0,
            last_tick: None,
            draining_since: None,
            lifetime_ms: 0,
            last_chance_ms: 0,
        }
    }

    /// Mail lives by this schedule from now on; what is older has another chance.
    pub fn expects(&mut self, settings: &RelaySettings) {
        let schedule = &settings.schedule;
        let longest = schedule.lifetime_ms.max(schedule.bounce_lifetime_ms);
        self.lifetime_ms = self.lifetime_ms.max(longest);
        self.last_chance_ms = wall_ms(&self.journal);
    }

    /// All that sends mail on.
    pub fn outbound(&mut self) -> &mut Outbound<Carrier> {
        self.core.outbound().unwrap()
    }

    /// A tick, if there are events, or it is time; as poll would have it. Whether there was one.
    pub fn maybe_tick(&mut self, all: bool) -> bool {
        let events = self.poll(all);
        let now = self.journal.now();
        let due = self.core.next_wake().is_some_and(|wake| wake <= now);
        if events.is_empty() && !due {
            return false;
        }
        let before = self.journal.calls();
        let is_eventless = events.is_empty();
        self.tick(events);
        let stands_still = self.last_tick.replace(now) == Some(now);
        let is_idle = is_eventless && stands_still && self.journal.calls() == before;
        self.idle_ticks = if is_idle { self.idle_ticks + 1 } else { 0 };
        if self.idle_ticks > IDLE_TICKS_MAX {
            self.journal.violation(|| "the loop spins".to_owned());
        }
        if self.core.is_draining() {
            self.draining_since.get_or_insert(now);
        }
        true
    }

    /// Takes events, in any order.
    fn poll(&mut self, all: bool) -> Vec<Event> {
        let mut events = Vec::new();
        let internet = self.internet.borrow();
        for wire in &internet.wires {
            let mut wire = wire.borrow_mut();
            let is_told = all || !self.profile.late_events || self.rng.one_in(2);
            if wire.has_edge() && is_told {
                events.push(Event::Hop(wire.key, wire.fetch()));
            }
            if !all && self.rng.one_in(self.profile.spurious) {
                let readiness = Readiness {
                    readable: self.rng.one_in(2),
                    writable: self.rng.one_in(2),
                    read_on: false,
                };
                events.push(Event::Hop(wire.key, readiness));
            }
        }
        for caller in &internet.callers {
            let mut caller = caller.borrow_mut();
            let is_told = all || self.rng.one_in(2);
            if caller.net.edge && !caller.is_dropped && is_told {
                events.push(Event::Caller(caller.key, caller.net.fetch()));
            }
        }
        if internet.has_unsaid() && (all || self.rng.one_in(2)) {
            events.push(Event::Name);
        }
        let mut spool = self.spool.borrow_mut();
        if spool.edge && (all || self.rng.one_in(2)) {
            spool.edge = false;
            events.push(Event::Store);
        }
        self.rng.shuffle(&mut events);
        events
    }

    /// As `Server::tick`.
    fn tick(&mut self, events: Vec<Event>) {
        self.journal.trace(|| format!("tick {events:?}"));
        self.core.set_time(self.journal.now(), wall(&self.journal));
        for event in events {
            let (kind, key, readiness) = match event {
                Event::Store => continue,
                Event::Caller(key, readiness) => {
                    self.core.on_event(key, readiness);
                    continue;
                }
                Event::Name => (NAME, 0, NOTHING),
                Event::Hop(key, readiness) => (HOP, key, readiness),
            };
            self.core.on_network_event(Token::new(kind, key), readiness);
        }
        self.core.tick(|_, _| {});
    }
}

const NOTHING: Readiness = Readiness {
    readable: true,
    writable: false,
    read_on: false,
};
