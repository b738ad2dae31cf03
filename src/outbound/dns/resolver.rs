//! The stub resolver, sans-IO: it is asked for names, says what is to be sent to which server, and is told what came back.
//!
//! After each call, [`Resolver::next_step`] has exchanges to begin and to end, and [`Resolver::take_answers`] has answers.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::mem;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::answer::{
    NameAnswer, NameError, NameFound, NameKind, NameQuestion, NameResult, NameTicket,
};
use super::cache::{NAMES_MAX, NameCache, NameKey, OCTETS_MAX};
use super::config::ResolverConfig;
use super::host_name::HostName;
use super::hosts::HostsFile;
use super::inquiry::{Asking, ExchangeId, InquiryOutcome, InquiryProgress, ServerExchange};
use super::lookup::{Conclusion, Lookup};
use super::lookups::Lookups;
use super::servers::NameServers;

/// Time for an answer, whatever it takes.
pub const LOOKUP_TIMEOUT: Duration = Duration::from_secs(10);

/// A source of random numbers. Who can guess them can forge answers.
pub type Random = Box<dyn FnMut() -> u64>;

/// A step that the resolver wants to be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResolverStep {
    /// The message of this exchange is to be sent from a socket of its own.
    Open(ServerExchange),
    /// The socket of this exchange is of no more use.
    Close(ExchangeId),
}

/// A resolver of names.
pub struct Resolver {
    config: ResolverConfig,
    servers: NameServers,
    hosts: HostsFile,
    cache: NameCache,
    random: Random,
    lookups: Lookups,
    exchanges: HashMap<ExchangeId, Pending>,
    deadlines: BTreeSet<(Instant, ExchangeId)>,
    steps: VecDeque<ResolverStep>,
    answers: Vec<(NameTicket, NameResult)>,
    last_ticket: u64,
    last_exchange: u64,
}

/// An exchange that waits for an answer: the number of its look-up, and the part of it that it is for.
#[derive(Clone, Copy)]
struct Pending {
    lookup: usize,
    part: usize,
    deadline: Instant,
}

impl Resolver {
    /// A resolver that knows nothing yet.
    #[must_use]
    pub fn new(config: ResolverConfig, random: Random) -> Self {
        Self {
            servers: NameServers::new(&config),
            config,
            hosts: HostsFile::default(),
            cache: NameCache::new(NAMES_MAX, OCTETS_MAX),
            random,
            lookups: Lookups::default(),
            exchanges: HashMap::new(),
            deadlines: BTreeSet::new(),
            steps: VecDeque::new(),
            answers: Vec::new(),
            last_ticket: 0,
            last_exchange: 0,
        }
    }

    /// Goes on with other servers, which may know other names: nothing that was said is kept.
    pub fn set_config(&mut self, config: ResolverConfig) {
        if config == self.config {
            return;
        }
        self.servers = NameServers::new(&config);
        self.config = config;
        self.cache.clear();
        self.lookups.iter_mut().for_each(Lookup::forget_servers);
    }

    /// Goes on with another hosts file.
    pub fn set_hosts(&mut self, hosts: HostsFile) {
        self.hosts = hosts;
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> &ResolverConfig {
        &self.config
    }

    /// The number of exchanges with servers that wait for an answer.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.exchanges.len()
    }

    /// Asks a question. That of a policy is not for name servers.
    pub fn ask(&mut self, question: &NameQuestion, now: Instant) -> NameAnswer {
        let key = match self.without_asking(question, now) {
            Ok(key) => key,
            Err(known) => return NameAnswer::Now(known),
        };
        let ticket = NameTicket(self.last_ticket + 1);
        let config = &self.config;
        let until = now + LOOKUP_TIMEOUT;
        let make = |key| Lookup::new(key, &config.search, config.ipv4_only, until);
        if let Err(busy) = self.lookups.join(key, ticket, make) {
            return NameAnswer::Now(Err(busy));
        }
        self.last_ticket = ticket.0;
        self.begin_waiting(now);
        NameAnswer::Later(ticket)
    }

    /// What name servers are to be asked for, or what is known already.
    fn without_asking(&self, question: &NameQuestion, now: Instant) -> Result<NameKey, NameResult> {
        let text = &*question.name;
        let kind = question.kind;
        let is_of_operator = kind == NameKind::Host;
        if is_of_operator && let Some(address) = literal(text) {
            return Err(Ok(NameFound::addresses([address].into())));
        }
        let name = HostName::parse(text).ok_or(Err(NameError::NoHostName))?;
        if is_of_operator {
            if let Some(addresses) = self.hosts.get(&name) {
                return Err(Ok(NameFound::addresses(addresses)));
            }
        } else if kind == NameKind::Policy {
            return Err(Err(NameError::ServerFailure));
        } else if name.is_numeric() {
            return Err(Err(NameError::NoHostName));
        } else if name.is_localhost() {
            // Nobody else has anything to say of it (RFC 6761 §6.3).
            return Err(Err(NameError::NoData));
        }
        let key = NameKey { kind, name };
        match self.cache.get(&key, now) {
            Some(known) => Err(known),
            None => Ok(key),
        }
    }

    /// Takes a message that came back for an exchange, from this address; a connection needs none.
    pub fn received(
        &mut self,
        id: ExchangeId,
        from: Option<SocketAddr>,
        octets: &[u8],
        now: Instant,
    ) {
        let Some(pending) = self.exchanges.get(&id).copied() else {
            return;
        };
        let lookup = self.lookups.get_mut(pending.lookup);
        let Some(inquiry) = lookup.and_then(|lookup| lookup.inquiry(pending.part)) else {
            debug_assert!(false, "an exchange is of a look-up");
            return;
        };
        match inquiry.received(from, octets, &mut self.servers) {
            InquiryProgress::Wait => return,
            InquiryProgress::Again => {
                self.close(id);
                self.attempt(pending.lookup, pending.part, now);
            }
            InquiryProgress::Settled(outcome) => {
                self.close(id);
                self.settle(pending.lookup, pending.part, outcome, now);
            }
        }
        self.begin_waiting(now);
    }

    /// Takes note that the socket of an exchange failed, or could not be had.
    pub fn failed(&mut self, id: ExchangeId, now: Instant) {
        self.give_up(id, NameError::Unreachable, now);
        self.begin_waiting(now);
    }

    /// Acts upon deadlines that have passed.
    pub fn expire(&mut self, now: Instant) {
        while let Some((deadline, id)) = self.deadlines.first().copied()
            && deadline <= now
        {
            self.give_up(id, NameError::Timeout, now);
        }
        while let Some(lookup) = self.lookups.take_overdue(now) {
            self.answer(lookup, &Err(NameError::Timeout));
        }
        self.begin_waiting(now);
    }

    /// The instant at which [`expire`](Self::expire) is to be called.
    #[must_use]
    pub fn next_wake(&self) -> Option<Instant> {
        let exchange = self.deadlines.first().map(|(deadline, _)| *deadline);
        let waiting = self.lookups.next_end();
        exchange.into_iter().chain(waiting).min()
    }

    /// The next step that is to be taken.
    pub fn next_step(&mut self) -> Option<ResolverStep> {
        self.steps.pop_front()
    }

    /// Whether there are answers since the last call of [`take_answers`](Self::take_answers).
    #[must_use]
    pub fn has_answers(&self) -> bool {
        !self.answers.is_empty()
    }

    /// The answers since the last call.
    pub fn take_answers(&mut self) -> Vec<(NameTicket, NameResult)> {
        mem::take(&mut self.answers)
    }

    /// Begins look-ups as long as their questions are not too many.
    fn begin_waiting(&mut self, now: Instant) {
        while let Some(number) = self.lookups.begin_next() {
            self.begin_name(number, now);
        }
    }

    /// Asks all questions for the next name of a look-up.
    fn begin_name(&mut self, number: usize, now: Instant) {
        let Some(lookup) = self.lookups.get_mut(number) else {
            debug_assert!(false, "a name is of a look-up");
            return;
        };
        lookup.begin_name();
        for part in 0..lookup.questions() {
            self.attempt(number, part, now);
        }
    }

    /// Asks the next server, if that is worth it.
    fn attempt(&mut self, number: usize, part: usize, now: Instant) {
        let Some(lookup) = self.lookups.get_mut(number) else {
            debug_assert!(false, "an attempt is of a look-up");
            return;
        };
        let until = lookup.until;
        let Some(inquiry) = lookup.inquiry(part) else {
            debug_assert!(false, "a question that is settled is not asked");
            return;
        };
        let mut asking = Asking {
            servers: &mut self.servers,
            random: &mut self.random,
            last_id: &mut self.last_exchange,
            by_stream: self.config.by_stream,
            now,
        };
        let in_time = until > now;
        match in_time.then(|| inquiry.ask(&mut asking, until)).flatten() {
            Some(exchange) => {
                let deadline = exchange.deadline;
                let pending = Pending {
                    lookup: number,
                    part,
                    deadline,
                };
                self.exchanges.insert(exchange.id, pending);
                self.deadlines.insert((deadline, exchange.id));
                self.steps.push_back(ResolverStep::Open(exchange));
            }
            None => {
                let failure = inquiry.failure();
                self.settle(number, part, failure, now);
            }
        }
    }

    /// Ends an exchange that came to nothing, and asks the next server.
    fn give_up(&mut self, id: ExchangeId, why: NameError, now: Instant) {
        let Some(Pending { lookup, part, .. }) = self.exchanges.get(&id).copied() else {
            return;
        };
        let number = lookup;
        self.close(id);
        let Some(lookup) = self.lookups.get_mut(number) else {
            return;
        };
        let is_enough = why == NameError::Timeout && lookup.has_found();
        let Some(inquiry) = lookup.inquiry(part) else {
            return;
        };
        inquiry.silence(why, &mut self.servers, now);
        if is_enough {
            let failure = inquiry.failure();
            self.settle(number, part, failure, now);
        } else {
            self.attempt(number, part, now);
        }
    }

    fn close(&mut self, id: ExchangeId) {
        if let Some(pending) = self.exchanges.remove(&id) {
            self.deadlines.remove(&(pending.deadline, id));
            self.steps.push_back(ResolverStep::Close(id));
        }
    }

    fn settle(&mut self, number: usize, part: usize, outcome: InquiryOutcome, now: Instant) {
        let Some(lookup) = self.lookups.get_mut(number) else {
            return;
        };
        let key = lookup.key.clone();
        let answer = match lookup.settle(part, outcome) {
            Conclusion::Open => return,
            Conclusion::NextName => return self.begin_name(number, now),
            Conclusion::Found(found, ttl) => {
                match ttl {
                    Some(ttl) => self.cache.keep(key, found.clone(), ttl, now),
                    None => self.cache.keep_part(key, found.clone(), now),
                }
                Ok(found)
            }
            Conclusion::Nothing(why, ttl) => {
                if let Some(ttl) = ttl {
                    self.cache.keep_nothing(key, why, ttl, now);
                }
                Err(why)
            }
            Conclusion::Failed(why) => Err(why),
        };
        if let Some(lookup) = self.lookups.finish(number) {
            self.answer(lookup, &answer);
        }
    }

    /// Answers all who asked.
    fn answer(&mut self, lookup: Lookup, answer: &NameResult) {
        let tickets = lookup.tickets.into_iter();
        self.answers
            .extend(tickets.map(|ticket| (ticket, answer.clone())));
    }
}

/// An address in place of a name.
fn literal(text: &str) -> Option<IpAddr> {
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    bare.unwrap_or(text).parse().ok()
}
