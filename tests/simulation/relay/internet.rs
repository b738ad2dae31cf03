//! The network as the server knows it: names that are looked up, hosts that are dialed, and connections to them.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::rc::Rc;
use std::time::Instant;

use mailoop::net::carrier::Carrier;
use mailoop::net::channel::Readiness;
use mailoop::net::driver::ConnectionId;
use mailoop::net::endpoint::SocketAddress;
use mailoop::net::peer::PeerAddress;
use mailoop::net::token::Token;
use mailoop::outbound::dns::answer::{NameAnswer, NameError, NameQuestion, NameResult, NameTicket};
use mailoop::outbound::network::Network;
use mailoop::outbound::queue::QueueLimits;

use super::books::Books;
use super::callers::{Caller, CallerEnd};
use super::hosts::{Host, Manner, Reach};
use super::names::Question;
use super::peer::Peer;
use super::wire::{Dial, HopEnd, HopWire};
use crate::journal::Journal;
use crate::network::Weather;
use crate::prng::Prng;

/// Kinds of tokens, as the loop has them.
pub const HOP: u8 = 6;
pub const NAME: u8 = 7;
pub struct Internet {
    pub(super) journal: Rc<Journal>,
    pub(super) books: Rc<RefCell<Books>>,
    pub(super) rng: Prng,
    pub(super) weather: Weather,
    pub(super) drains: bool,
    pub hosts: Vec<Host>,
    pub wires: Vec<Rc<RefCell<HopWire>>>,
    pub callers: Vec<Rc<RefCell<Caller>>>,
    pub(super) questions: Vec<Question>,
    /// Answers that have come, of which the poll has yet to tell, and those that the server can take.
    pub(super) unsaid: Vec<(NameTicket, NameResult)>,
    pub(super) answers: Vec<(NameTicket, NameResult)>,
    pub(super) last_ticket: u64,
    /// The most connections to a site, and to all, in the life of the server: those that are open outlast a reload.
    pub(super) per_site_max: usize,
    pub(super) outgoing_max: usize,
    /// The most to all now.
    pub outgoing_now: usize,
    /// The lists of hops that were routes in it, and of hosts that domains have named.
    pub(super) lists: BTreeSet<String>,
    /// The hosts that domains name now, with their preferences.
    pub(super) exchangers: BTreeMap<Rc<str>, BTreeMap<usize, u16>>,
}

impl Internet {
    pub fn new(
        journal: Rc<Journal>,
        books: Rc<RefCell<Books>>,
        mut rng: Prng,
        weather: Weather,
        hosts: usize,
    ) -> Self {
        let hosts = (0..hosts)
            .map(|number| Host::new(number, &mut rng))
            .collect();
        Self {
            journal,
            books,
            drains: rng.one_in(2),
            rng,
            weather,
            hosts,
            wires: Vec::new(),
            callers: Vec::new(),
            questions: Vec::new(),
            unsaid: Vec::new(),
            answers: Vec::new(),
            last_ticket: 0,
            per_site_max: 0,
            outgoing_max: 0,
            outgoing_now: 0,
            lists: BTreeSet::new(),
            exchangers: BTreeMap::new(),
        }
    }

    /// A host changes its manner.
    pub fn change_manner(&mut self) {
        let at = self.rng.below(self.hosts.len());
        self.hosts[at].manner = match self.rng.one_in(2) {
            true => Manner::new(&mut self.rng),
            false => Manner::GOOD,
        };
    }

    /// All is well from here on.
    pub fn get_well(&mut self) {
        for host in &mut self.hosts {
            host.manner = Manner::GOOD;
        }
    }

    /// Lets the network and the peers do something, or `all` they can; whether they did.
    pub fn work(&mut self, all: bool) -> bool {
        let mut moved = false;
        for wire in &self.wires {
            let mut wire = wire.borrow_mut();
            if all || self.rng.one_in(2) {
                moved |= wire.travel(all);
            }
            if all || self.rng.one_in(2) {
                moved |= wire.act(all);
            }
        }
        self.wires.retain(|wire| {
            let wire = wire.borrow();
            wire.is_live() || wire.has_to_say()
        });
        self.callers.retain(|caller| !caller.borrow().is_dropped);
        for caller in &self.callers {
            if all || self.rng.one_in(2) {
                moved |= caller.borrow_mut().act(all);
            }
        }
        moved | self.answer_some(all)
    }

    /// Somebody who brings a mail for one of so many domains connects.
    pub fn call(&mut self, key: usize, domains: usize) -> Carrier {
        let (books, journal) = (Rc::clone(&self.books), Rc::clone(&self.journal));
        let mut caller = Caller::new(self.rng.fork(), self.weather, domains, books, journal);
        caller.key = key;
        let caller = Rc::new(RefCell::new(caller));
        self.callers.push(Rc::clone(&caller));
        Carrier::Watched(Box::new(CallerEnd(caller)))
    }

    /// The next time at which somebody does something without the server.
    pub fn next_time(&self) -> Option<Instant> {
        let wires = self.wires.iter();
        wires.filter_map(|wire| wire.borrow().due()).min()
    }

    /// When the server is to give up waiting for a name.
    pub fn next_answer(&self) -> Option<Instant> {
        self.questions.iter().map(|question| question.until).min()
    }

    pub fn has_unsaid(&self) -> bool {
        !self.unsaid.is_empty()
    }

    pub fn unanswered(&self) -> usize {
        self.questions.len() + self.unsaid.len() + self.answers.len()
    }

    /// Connections that the server has.
    pub fn live(&self) -> usize {
        self.wires
            .iter()
            .filter(|wire| wire.borrow().is_live())
            .count()
    }

    /// From now on there may be so many connections, by these routes.
    pub fn bound(&mut self, limits: QueueLimits, routes: &[String]) {
        let per_site_max = usize::from(limits.outgoing_per_site_max);
        self.per_site_max = self.per_site_max.max(per_site_max);
        self.outgoing_now = limits.outgoing_max as usize;
        self.outgoing_max = self.outgoing_max.max(self.outgoing_now);
        let lists = routes.iter().filter_map(|route| route.split_once('='));
        self.lists.extend(lists.map(|(_, list)| list.to_owned()));
    }

    /// The server is gone, and with it what it was told and has asked.
    pub fn forget(&mut self) {
        (self.per_site_max, self.outgoing_max) = (0, 0);
        self.lists.clear();
        self.exchangers.clear();
        self.questions.clear();
        self.unsaid.clear();
        self.answers.clear();
    }

    fn dial(&mut self, address: &SocketAddress, key: usize) -> io::Result<(Carrier, PeerAddress)> {
        self.journal.count_call();
        let SocketAddress::Tcp(address) = address else {
            self.journal
                .violation(|| format!("{address:?} is nobody's address"));
            return Err(ErrorKind::NotFound.into());
        };
        let host = self
            .hosts
            .iter()
            .find(|host| (0..host.addresses).any(|at| host.address(at) == address.ip()));
        let Some(host) = host.cloned() else {
            self.journal
                .violation(|| format!("{address} is nobody's address"));
            return Err(ErrorKind::NotFound.into());
        };
        self.journal.trace(|| {
            format!(
                "{} is dialed under key {key}: {:?}",
                host.name(),
                host.manner
            )
        });
        self.check_number(&host);
        let dial = match host.manner.reach {
            Reach::Open => Dial::Under,
            Reach::NoWay => {
                self.books.borrow_mut().counts.add("no way", 1);
                return Err(ErrorKind::NetworkUnreachable.into());
            }
            Reach::Refuses => Dial::UnderToRefusal,
            Reach::Silent => Dial::Silent,
        };
        self.books.borrow_mut().counts.add("dials", 1);
        let (books, journal) = (Rc::clone(&self.books), Rc::clone(&self.journal));
        let number = host.number;
        let peer = Peer::new(
            self.rng.fork(),
            host,
            Rc::clone(&books),
            Rc::clone(&journal),
        );
        let mut wire = HopWire::new(
            self.rng.fork(),
            self.weather,
            dial,
            key,
            peer,
            books,
            journal,
        );
        (wire.host, wire.drains) = (number, self.drains);
        let wire = Rc::new(RefCell::new(wire));
        self.wires.push(Rc::clone(&wire));
        let carrier = Carrier::Watched(Box::new(HopEnd(wire)));
        Ok((carrier, PeerAddress::from(*address)))
    }

    /// The lists of hops that this one is in.
    fn lists_with(&self, hop: &str) -> impl Iterator<Item = &String> {
        let lists = self.lists.iter();
        lists.filter(move |list| list.split(',').any(|it| it == hop))
    }

    /// The sites that have a connection which waits for mail, as far as they share no host with others.
    pub fn idle_sites(&self) -> BTreeSet<String> {
        let mut sites = BTreeSet::new();
        for wire in self.wires.iter().filter(|wire| wire.borrow().is_idle()) {
            let hop = self.hosts[wire.borrow().host].hop();
            let mut lists = self.lists_with(&hop);
            if let (Some(list), None) = (lists.next(), lists.next()) {
                sites.insert(list.clone());
            }
        }
        sites
    }

    /// One more connection is begun: there are fewer than may be.
    fn check_number(&self, host: &Host) {
        let live = self.live();
        let to_host = |wire: &&Rc<RefCell<HopWire>>| {
            let wire = wire.borrow();
            wire.is_live() && wire.host == host.number
        };
        let to_host = self.wires.iter().filter(to_host).count();
        let to_host_max = self.per_site_max * self.lists_with(&host.hop()).count();
        if live >= self.outgoing_max || to_host >= to_host_max {
            self.journal.violation(|| {
                format!(
                    "one more than {live} connections, {to_host} to {}",
                    host.name()
                )
            });
        }
    }

    fn tick(&mut self, now: Instant) {
        let (late, waiting) = std::mem::take(&mut self.questions)
            .into_iter()
            .partition(|question| question.until <= now);
        self.questions = waiting;
        let late: Vec<Question> = late;
        let late = late
            .iter()
            .map(|question| (question.ticket, Err(NameError::Timeout)));
        self.answers.extend(late);
    }
}

/// The network as the server has it.
pub struct SimNetwork(pub Rc<RefCell<Internet>>);

impl Network<Carrier> for SimNetwork {
    fn dial(
        &mut self,
        address: &SocketAddress,
        key: usize,
        _: ConnectionId,
    ) -> io::Result<(Carrier, PeerAddress)> {
        self.0.borrow_mut().dial(address, key)
    }

    fn look_up(&mut self, question: &NameQuestion, now: Instant) -> NameAnswer {
        self.0.borrow_mut().look_up(question, now)
    }

    fn take_answers(&mut self) -> Vec<(NameTicket, NameResult)> {
        std::mem::take(&mut self.0.borrow_mut().answers)
    }

    fn on_event(&mut self, token: Token, _: Readiness) -> bool {
        let is_name = token.kind == NAME;
        if is_name {
            let internet = &mut *self.0.borrow_mut();
            internet.answers.append(&mut internet.unsaid);
        }
        is_name
    }

    fn tick(&mut self, now: Instant) {
        self.0.borrow_mut().tick(now);
    }

    fn next_wake(&self) -> Option<Instant> {
        self.0.borrow().next_answer()
    }
}
