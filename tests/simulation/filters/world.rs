//! One run: clients, a server, its filters and their networks, a store, and a clock that moves as the seed wants.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, Instant, UNIX_EPOCH};

use mailoop::config::Config;
use mailoop::inbound::Rules;
use mailoop::net::carrier::Carrier;
use mailoop::net::channel::Readiness;
use mailoop::server::core::ServerCore;
use mailoop::server::probe::CoreProbe;
use mailoop::smtp::service::Service;

use super::check::{ModelSession, Seen, queued_as};
use super::client::Client;
use super::model::{ModelFilter, ModelFilters};
use super::network::{Filters, SimNetwork, settings};
use super::profile::Profile;
use super::store::{Shelf, SimStore, Stage};
use super::wire::{Dial, Wire, WireEnd};
use crate::journal::Journal;
use crate::prng::Prng;

/// How many rounds it may take until everything is at rest.
const ROUNDS_MAX: usize = 100_000;
/// How many leaps of time it may take until nothing is left.
const LEAPS_MAX: usize = 20_000;
/// So many ticks without an event and without a call of transport or network are a loop that spins.
const IDLE_TICKS_MAX: usize = 300;
/// Time for which a client that says nothing is kept, which is longer than filters take.
const IDLE_TIMEOUT: Duration = Duration::from_secs(3600);

pub struct World {
    rng: Prng,
    journal: Rc<Journal>,
    profile: Rc<Profile>,
    shelf: Rc<RefCell<Shelf>>,
    filters: Rc<RefCell<Filters>>,
    clients: Vec<Client>,
    core: ServerCore<Carrier>,
    idle_ticks: usize,
    last_tick: Option<Instant>,
}

/// What happened in a run, and what all clients heard.
#[derive(Debug, Default)]
pub struct Sum {
    pub seen: Vec<Seen>,
    pub heard: Vec<Vec<String>>,
    pub faults: usize,
    pub losses: usize,
    pub moves: usize,
    pub time: Duration,
}

/// Runs one seed to its end.
///
/// # Panics
/// If anything was not as it is to be.
pub fn run(seed: u64, base: &Config, is_traced: bool) -> Sum {
    run_watched(seed, base, is_traced, None)
}

/// Runs one seed to its end, while a probe looks on.
///
/// # Panics
/// As [`run`].
pub fn run_watched(
    seed: u64,
    base: &Config,
    is_traced: bool,
    probe: Option<Box<dyn CoreProbe>>,
) -> Sum {
    let mut world = World::new(seed, base, is_traced, probe);
    for step in 0..world.profile.steps {
        world.step(step);
    }
    world.end()
}

impl World {
    fn new(seed: u64, base: &Config, is_traced: bool, probe: Option<Box<dyn CoreProbe>>) -> Self {
        let mut rng = Prng::new(seed);
        let journal = Rc::new(Journal::new(is_traced));
        let profile = Rc::new(Profile::new(&mut rng));
        journal.trace(|| format!("{profile:#?}"));
        let shelf = Shelf::new(Rc::clone(&journal));
        let filters = Filters::new(rng.fork(), Rc::clone(&journal), Rc::clone(&profile));
        let (mut policy, mut limits) = (base.policy.clone(), base.limits);
        policy.errors_max = 1000;
        limits.drain_timeout = profile.drain;
        limits.idle_timeout = IDLE_TIMEOUT;
        limits.session_timeout = IDLE_TIMEOUT * 100;
        let rules = Rules {
            policy: Rc::new(policy),
            limits,
            proxies: Vec::new(),
            xclient_peers: Vec::new(),
            relay_peers: Vec::new(),
            tls: None,
        };
        let store = SimStore::new(Rc::clone(&shelf), profile.hold);
        let (store, now) = (Box::new(store), journal.now());
        let mut core = match probe {
            Some(probe) => ServerCore::watched(rules, store, now, probe),
            None => ServerCore::new(rules, store, now),
        };
        let settings = settings(&mut rng, &profile);
        let network = Box::new(SimNetwork(Rc::clone(&filters)));
        core.set_filters(Some(Rc::new(settings)), network);
        let clients = (0..profile.clients).map(|number| {
            let address = SocketAddr::from(([192, 0, 2, number as u8 + 1], 25));
            let journal = || Rc::clone(&journal);
            let wire = Wire::new(rng.fork(), profile.weather, Dial::Up, journal());
            Client::new(address, rng.fork(), wire, &profile, journal())
        });
        let clients = clients.collect();
        Self {
            rng,
            journal,
            profile,
            shelf,
            filters,
            clients,
            core,
            idle_ticks: 0,
            last_tick: None,
        }
    }

    /// Everybody may do something, or not.
    fn step(&mut self, step: usize) {
        if self.profile.drain_at == Some(step) {
            self.core.ask_to_drain();
        }
        if self.rng.one_in(self.profile.losses) {
            self.shelf.borrow_mut().loses_process = true;
        }
        self.accept(false);
        self.turn(false);
        let time = Duration::from_millis(self.rng.below(5) as u64);
        self.journal.advance(time);
    }

    fn accept(&mut self, all: bool) {
        for client in &mut self.clients {
            if client.was_accepted || client.is_gone || !(all || self.rng.one_in(5)) {
                continue;
            }
            if self.core.is_draining() {
                client.is_gone = true;
                continue;
            }
            client.was_accepted = true;
            client.wire.borrow_mut().key = self.core.next_key();
            let end = Carrier::Watched(Box::new(WireEnd(Rc::clone(&client.wire))));
            let (peer, connection) = (client.address.into(), self.core.next_connection());
            let end = match self.core.probe() {
                Some(probe) => probe.carry(end, connection, peer),
                None => end,
            };
            self.core.add(end, Service::Smtp, peer);
        }
    }

    /// Whether anybody did anything.
    fn turn(&mut self, all: bool) -> bool {
        let mut moved = false;
        for client in &mut self.clients {
            if client.was_accepted && (all || self.rng.one_in(2)) {
                moved |= client.wire.borrow_mut().travel(all);
                moved |= client.act(all);
            }
        }
        moved |= self.filters.borrow_mut().act(all);
        moved |= self.maybe_tick(all);
        self.journal.check();
        moved
    }

    /// A tick, if there are events, or it is time; as poll would have it. Whether there was one.
    fn maybe_tick(&mut self, all: bool) -> bool {
        let mut events = Vec::new();
        for client in self.clients.iter().filter(|client| client.was_accepted) {
            let mut wire = client.wire.borrow_mut();
            poll(&mut self.rng, &self.profile, all, &mut wire, |event| {
                events.push((false, event));
            });
        }
        for exchange in &self.filters.borrow().exchanges {
            let mut wire = exchange.wire.borrow_mut();
            poll(&mut self.rng, &self.profile, all, &mut wire, |event| {
                events.push((true, event));
            });
        }
        let now = self.journal.now();
        let is_due = self.core.next_wake().is_some_and(|wake| wake <= now);
        let mut works = false;
        {
            let mut shelf = self.shelf.borrow_mut();
            if shelf.awaits_process && (all || self.rng.one_in(3)) {
                shelf.lets_process_work = true;
                works = true;
            }
        }
        self.rng.shuffle(&mut events);
        if events.is_empty() && !works && !is_due {
            return false;
        }
        let before = self.journal.calls();
        let is_eventless = events.is_empty() && !works;
        self.journal.trace(|| format!("tick {events:?}"));
        self.core.set_time(now, UNIX_EPOCH + self.journal.elapsed());
        for (is_of_filter, (key, readiness)) in events {
            match is_of_filter {
                true => self.core.on_filter_event(key, readiness),
                false => self.core.on_event(key, readiness),
            }
        }
        self.core.tick(|_, _| {});
        let stands_still = self.last_tick.replace(now) == Some(now);
        let is_idle = is_eventless && stands_still && self.journal.calls() == before;
        self.idle_ticks = if is_idle { self.idle_ticks + 1 } else { 0 };
        if self.idle_ticks > IDLE_TICKS_MAX {
            self.journal.violation(|| "the loop spins".to_owned());
        }
        true
    }

    /// Time stands still until nobody can do anything more.
    fn settle(&mut self) {
        for _ in 0..ROUNDS_MAX {
            if !self.turn(true) {
                return;
            }
        }
        panic!("it does not come to rest");
    }

    /// Lets pass whatever time those need who are still there, and looks at what is left.
    fn end(mut self) -> Sum {
        self.accept(true);
        for _ in 0..LEAPS_MAX {
            self.settle();
            if self.is_over() {
                break;
            }
            let wakes = [self.core.next_wake(), self.filters.borrow().due()];
            let Some(wake) = wakes.into_iter().flatten().min() else {
                break;
            };
            let time = wake.saturating_duration_since(self.journal.now());
            self.journal.advance(time.max(Duration::from_millis(1)));
        }
        self.check_end();
        self.journal.check();
        self.sum()
    }

    fn is_over(&self) -> bool {
        let filters = self.filters.borrow();
        let mut wires = filters.exchanges.iter().map(|it| it.wire.borrow());
        self.core.is_empty() && wires.all(|wire| wire.is_dropped)
    }

    fn check_end(&self) {
        for client in &self.clients {
            assert!(client.is_done(), "{} is not answered", client.address);
        }
        assert!(self.is_over(), "a connection is left");
        assert_eq!(self.shelf.borrow().held, (0, 0), "a text is left on hold");
        for kept in &self.shelf.borrow().kept {
            let is_over = matches!(kept.stage, Stage::Stored | Stage::Aborted);
            assert!(is_over, "a draft is left: {kept:?}");
        }
    }

    fn sum(&self) -> Sum {
        let shelf = self.shelf.borrow();
        let filters = self.filters.borrow();
        self.check_acknowledged(&shelf);
        let mut sum = Sum {
            losses: shelf.losses,
            moves: shelf.moves,
            time: self.journal.elapsed(),
            ..Sum::default()
        };
        let mut missing = vec![0; self.profile.filters];
        for client in self.clients.iter().filter(|client| client.was_accepted) {
            let model = self.model(&filters, client.address.ip());
            let mut session = ModelSession::new(model, client, &shelf, self.profile.has_trouble);
            sum.seen.push(session.check());
            sum.heard.push(client.replies.clone());
            for (number, filter) in session.filters.filters.iter().enumerate() {
                missing[number] += usize::from(filter.was_missing);
            }
        }
        for (number, missing) in missing.iter().enumerate() {
            let of_number = filters.exchanges.iter();
            let of_number = of_number.filter(|it| it.filter.number == number);
            let broken = of_number.filter(|it| it.filter.is_broken).count();
            let is_heard = self.profile.has_trouble || *missing <= broken;
            assert!(is_heard, "filter {number} did not hear of a client");
        }
        sum.faults = filters.exchanges.iter().map(|it| it.filter.faults).sum();
        sum
    }

    /// All that is acknowledged by its name once, and nothing else, is stored, but for clients that have gone.
    fn check_acknowledged(&self, shelf: &Shelf) {
        let mut acknowledged: BTreeMap<&str, usize> = BTreeMap::new();
        for reply in self.clients.iter().flat_map(|client| &client.replies) {
            if let Some(id) = queued_as(reply) {
                *acknowledged.entry(id).or_default() += 1;
            }
        }
        let all_have_heard = self.clients.iter().all(|client| !client.is_gone);
        for kept in shelf.kept.iter().filter(|kept| kept.stage == Stage::Stored) {
            let count = acknowledged.get(&*kept.id).copied().unwrap_or(0);
            let is_told =
                count == 1 || (count == 0 && (!all_have_heard || self.core.is_draining()));
            assert!(
                is_told,
                "{} is stored, and acknowledged {count} times",
                kept.id
            );
        }
    }

    fn model(&self, filters: &Filters, client: IpAddr) -> ModelFilters {
        let model = (0..self.profile.filters).map(|number| {
            let exchanges = filters.exchanges.iter().map(|it| &it.filter);
            let of_number = exchanges.filter(|filter| filter.number == number);
            let services = of_number.flat_map(|filter| {
                let of_client = filter.services.iter().filter(|it| it.client == client);
                of_client.map(|service| (filter.agreed, service, filter.stalls))
            });
            ModelFilter::new(services.collect())
        });
        ModelFilters {
            filters: model.collect(),
            default: self.profile.default,
        }
    }
}

/// Takes the events of a wire: those that something has caused, and others.
fn poll(
    rng: &mut Prng,
    profile: &Profile,
    all: bool,
    wire: &mut Wire,
    mut tell: impl FnMut((usize, Readiness)),
) {
    if wire.is_dropped {
        return;
    }
    let key = wire.key;
    if (all || !profile.late_events || rng.one_in(2))
        && let Some(readiness) = wire.fetch()
    {
        tell((key, readiness));
    }
    if !all && rng.one_in(profile.spurious) {
        let readiness = Readiness {
            readable: rng.one_in(2),
            writable: rng.one_in(2),
            read_on: false,
        };
        tell((key, readiness));
    }
}
