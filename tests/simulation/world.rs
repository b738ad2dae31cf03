//! One run: clients, networks, a store and a clock that move as the seed wants, around the real connections.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use mailoop::config::Config;
use mailoop::inbound::Rules;
use mailoop::net::carrier::Carrier;
use mailoop::server::core::ServerCore;
use mailoop::server::probe::CoreProbe;
use mailoop::store::Store;

use super::behaviours::{BEHAVIOURS, BULKY, Behaviour};
use super::client::Client;
use super::dialogue::Dialogue;
use super::digest::Digest;
#[cfg(feature = "http")]
use super::http::Crowd;
use super::journal::Journal;
use super::prng::Prng;
use super::profile::{LINGER, Pace, Profile};
use super::server::SimServer;
use super::store::{Ledger, SlowStore};
use super::tls;
use super::wire::Wire;
use super::witness::Witness;

/// How many rounds it may take until everything is at rest. A message that has to go through the narrowest
/// network byte by byte takes some thousands.
const ROUNDS_MAX: usize = 50_000;
/// How many deadlines may have to pass until everybody is gone.
const DEADLINES_MAX: usize = 1000;

pub struct World<const DRAINS: bool> {
    rng: Prng,
    journal: Rc<Journal>,
    profile: Rc<Profile>,
    ledger: Rc<RefCell<Ledger>>,
    clients: Vec<Client>,
    server: SimServer<DRAINS>,
    /// Clients of HTTP, in some runs.
    #[cfg(feature = "http")]
    crowd: Option<Crowd<DRAINS>>,
}

/// What happened in a run: a simulation that finds nothing wrong is to show that it did something.
#[derive(Debug, Default)]
pub struct Sum {
    pub connections: u64,
    /// Those that came into TLS.
    pub secured: u64,
    pub replies: u64,
    pub messages: u64,
    /// Digests of the octets that each client received.
    pub heard: Vec<Digest>,
    /// Responses of HTTP.
    #[cfg_attr(not(feature = "http"), allow(dead_code))]
    pub responses: usize,
}

/// Runs one seed to its end.
///
/// # Panics
/// If anything was not as it is to be.
pub fn run(seed: u64, base: &Config, tracing: bool) -> Sum {
    // The crowd takes its time, and is there in some runs only.
    run_beside(seed, base, tracing, seed.is_multiple_of(8))
}

/// The same, with clients of HTTP or without.
pub fn run_beside(seed: u64, base: &Config, tracing: bool, crowded: bool) -> Sum {
    run_in(seed, base, tracing, None, crowded)
}

/// The same, watched.
#[cfg(feature = "record")]
pub fn run_watched(
    seed: u64,
    base: &Config,
    tracing: bool,
    probe: Option<Box<dyn CoreProbe>>,
) -> Sum {
    run_in(seed, base, tracing, probe, false)
}

fn run_in(
    seed: u64,
    base: &Config,
    tracing: bool,
    probe: Option<Box<dyn CoreProbe>>,
    crowded: bool,
) -> Sum {
    let mut rng = Prng::new(seed);
    let journal = Rc::new(Journal::new(tracing));
    let wrap: WrapStore = match seed % RUNS_PER_INBOX {
        0 => with_inbox,
        _ => |store| store,
    };
    if rng.one_in(2) {
        let world = World::<true>::new(rng, base, journal, probe, wrap);
        world.beside_http(crowded.then_some(seed)).live()
    } else {
        let world = World::<false>::new(rng, base, journal, probe, wrap);
        world.beside_http(crowded.then_some(seed)).live()
    }
}

/// One run of so many is that of a server for tests, with an inbox.
const RUNS_PER_INBOX: u64 = 4;

/// Stands around a store, or does not.
type WrapStore = fn(Box<dyn Store>) -> Box<dyn Store>;

/// A store with a small inbox around it, in a build that has one.
fn with_inbox(store: Box<dyn Store>) -> Box<dyn Store> {
    #[cfg(feature = "catch")]
    let store = {
        let limits = mailoop::store::inbox::InboxLimits {
            messages_max: 5,
            bytes_max: 100_000,
        };
        let inbox = mailoop::store::inbox::Inbox::new(limits);
        Box::new(mailoop::store::Catch::new(store, inbox, usize::MAX))
    };
    store
}

impl<const DRAINS: bool> World<DRAINS> {
    fn new(
        mut rng: Prng,
        base: &Config,
        journal: Rc<Journal>,
        probe: Option<Box<dyn CoreProbe>>,
        wrap: WrapStore,
    ) -> Self {
        let profile = Rc::new(Profile::new(&mut rng));
        journal.trace(|| format!("short reads drain: {DRAINS}\n{profile:#?}"));
        let ledger = Ledger::new(Rc::clone(&journal), rng.fork(), profile.store_delay_max);
        let ledger = Rc::new(RefCell::new(ledger));
        let (mut policy, mut limits) = (base.policy.clone(), base.limits);
        profile.configure(&mut policy, &mut limits);
        let store = SlowStore(Rc::clone(&ledger), Rc::clone(&journal));
        let store = wrap(Box::new(store));
        let rules = Rules {
            policy: Rc::new(policy),
            limits,
            proxies: Vec::new(),
            // Everybody may speak for others.
            xclient_peers: vec!["192.0.2.0/24".parse().unwrap()],
            relay_peers: Vec::new(),
            tls: tls::acceptor().filter(|_| profile.tls),
        };
        let core: ServerCore<Carrier> = match probe {
            Some(probe) => ServerCore::watched(rules, store, journal.now(), probe),
            None => ServerCore::new(rules, store, journal.now()),
        };
        let mut world = Self {
            server: SimServer::new(
                core,
                rng.fork(),
                Rc::clone(&journal),
                Rc::clone(&profile),
                Rc::clone(&ledger),
            ),
            rng,
            journal,
            profile,
            ledger,
            clients: Vec::new(),
            #[cfg(feature = "http")]
            crowd: None,
        };
        world.invent_clients();
        world
    }

    /// Has clients of HTTP come as well, by the chance of this seed.
    #[cfg(feature = "http")]
    fn beside_http(mut self, seed: Option<u64>) -> Self {
        let (server, journal) = (&mut self.server, &self.journal);
        self.crowd = seed.map(|seed| Crowd::new(seed, server.core(), Rc::clone(journal)));
        self
    }

    /// Nobody speaks HTTP in this build.
    #[cfg(not(feature = "http"))]
    fn beside_http(self, _: Option<u64>) -> Self {
        self
    }

    /// Has clients of HTTP do something, between the ticks of mail.
    fn step_http(&mut self) {
        #[cfg(feature = "http")]
        if let Some(crowd) = &mut self.crowd {
            crowd.step(false, self.server.core());
        }
    }

    /// Sees that clients of HTTP have what they asked for, and are let go in time.
    fn end_http(&mut self) -> usize {
        #[cfg(feature = "http")]
        if let Some(crowd) = &mut self.crowd {
            crowd.check_at_rest(self.server.core());
            crowd.outlast_deadlines(self.server.core());
            self.journal.check();
            return crowd.responses();
        }
        0
    }

    fn invent_clients(&mut self) {
        // Some kinds of clients only, so that they meet in numbers.
        let mut kinds: Vec<&Behaviour> = BEHAVIOURS
            .iter()
            .flat_map(|kind| vec![kind; kind.1])
            .collect();
        if self.profile.rush {
            kinds.retain(|kind| BULKY.contains(&kind.0));
        }
        self.rng.shuffle(&mut kinds);
        let few = self.rng.between(1, 5);
        kinds.truncate(few);
        for number in 0..self.profile.clients {
            let (name, _, write) = self.rng.pick(&kinds);
            let mut dialogue = Dialogue::new(
                number,
                self.rng.fork(),
                Rc::clone(&self.profile),
                Rc::clone(&self.ledger),
            );
            write(&mut dialogue);
            dialogue.flush();
            let script = dialogue.script;
            let at_once = !self.profile.rush && self.rng.one_in(2);
            let latest = if at_once { 1 } else { self.profile.steps };
            let arrives = self.rng.below(latest);
            self.journal
                .trace(|| format!("client {number} is {name}, arrives in step {arrives}"));
            let mut witness = Witness::new(
                number,
                Rc::clone(&self.journal),
                Rc::clone(&self.ledger),
                Rc::clone(&self.profile),
            );
            witness.chunks = script.chunks;
            let weather = self.profile.weather(script.bulky);
            let wire = Wire::new(self.rng.fork(), weather, Rc::clone(&self.journal), witness);
            let host = if self.profile.crowd {
                1
            } else {
                self.rng.between(1, 3)
            };
            let address = SocketAddr::from(([192, 0, 2, host as u8], 25));
            let journal = Rc::clone(&self.journal);
            self.clients.push(Client::new(
                number, name, address, script, wire, journal, arrives,
            ));
        }
    }

    fn live(mut self) -> Sum {
        for step in 0..self.profile.steps {
            self.step(step);
        }
        self.settle();
        self.outlast_deadlines();
        self.check_end();
        let responses = self.end_http();
        Sum {
            responses,
            connections: self
                .clients
                .iter()
                .filter(|client| client.key.is_some())
                .count() as u64,
            secured: self
                .clients
                .iter()
                .filter(|client| client.wire.borrow().witness.secured)
                .count() as u64,
            replies: self
                .clients
                .iter()
                .map(|client| client.replies as u64)
                .sum(),
            messages: self.ledger.borrow().stored,
            heard: self.clients.iter().map(|client| client.heard).collect(),
        }
    }

    /// Everybody may do something, or not.
    fn step(&mut self, step: usize) {
        let mut arriving: VecDeque<usize> = (0..self.clients.len()).collect();
        arriving.retain(|number| self.clients[*number].arrives == step);
        self.server.queue(arriving);
        let until = self.server.drain_until();
        for client in &mut self.clients {
            if client.arrives <= step && self.rng.one_in(2) {
                client.act(false, until);
            }
            if client.arrives <= step && self.rng.one_in(2) {
                client.wire.borrow_mut().travel(false);
            }
        }
        if self.rng.one_in(2) {
            self.ledger.borrow_mut().work(false);
        }
        self.pass_time();
        if self.profile.drain_at == Some(step) {
            self.server.signal();
        }
        self.server.maybe_tick(&self.clients, false);
        self.step_http();
        self.hand_over();
    }

    fn pass_time(&mut self) {
        let walks = self.profile.pace != Pace::Frozen && self.rng.one_in(3);
        if walks {
            let milliseconds = self.rng.size(1000) as u64;
            self.journal.advance(Duration::from_millis(milliseconds));
        }
        if self.profile.pace == Pace::Leaping && self.rng.one_in(self.profile.leaps()) {
            let leap = self.rng.pick(&[
                LINGER,
                LINGER * 3 / 2,
                self.profile.idle / 2,
                self.profile.idle,
                self.profile.session,
                self.profile.drain,
            ]);
            self.journal.advance(leap);
        }
    }

    /// Notes who was let in.
    fn hand_over(&mut self) {
        for (number, key) in self.server.take_admitted() {
            self.clients[number].key = Some(key);
        }
        self.journal.check();
    }

    /// Time stands still until nobody can do anything more. Then whoever did all it should is to have what it
    /// is waiting for.
    fn settle(&mut self) {
        let absent: VecDeque<usize> = self
            .clients
            .iter()
            .filter(|client| client.arrives > self.profile.steps)
            .map(|client| client.number)
            .collect();
        self.server.queue(absent);
        for _ in 0..ROUNDS_MAX {
            let until = self.server.drain_until();
            let mut moved = self.ledger.borrow_mut().work(true);
            for client in &mut self.clients {
                moved |= client.act(true, until);
                moved |= client.wire.borrow_mut().travel(true);
            }
            moved |= self.server.maybe_tick(&self.clients, true);
            self.hand_over();
            if !moved {
                return self.check_at_rest();
            }
        }
        panic!("it does not come to rest");
    }

    fn check_at_rest(&self) {
        for client in &self.clients {
            client.check_at_rest();
        }
        self.server.check_at_rest(&self.clients);
        self.journal.check();
    }

    /// Lets pass whatever time those need who are still there.
    fn outlast_deadlines(&mut self) {
        for _ in 0..DEADLINES_MAX {
            let Some(wake) = self.server.next_wake().filter(|_| !self.server.is_empty()) else {
                break;
            };
            let mut time = wake.saturating_duration_since(self.journal.now());
            if self.rng.one_in(2) {
                time += Duration::from_millis(self.rng.size(1000) as u64);
            }
            self.journal.advance(time);
            self.settle();
        }
    }

    fn check_end(&mut self) {
        for client in &self.clients {
            if client.wire.borrow().witness.is_live() {
                let (number, name) = (client.number, client.name);
                self.journal
                    .violation(|| format!("client {number} ({name}) is never let go"));
            }
        }
        self.server.check_end();
        #[cfg(feature = "catch")]
        self.server.check_inbox();
        self.journal.check();
    }
}
