//! The resolver among scripted servers, in a time of its own.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mailoop::outbound::dns::answer::{
    HostAddresses, MailExchanger, NameAnswer, NameKind, NameQuestion, NameRecords, NameResult,
    NameTicket,
};
use mailoop::outbound::dns::config::ResolverConfig;
use mailoop::outbound::dns::inquiry::{ExchangeId, ServerExchange};
use mailoop::outbound::dns::lookups::QUESTIONS_MAX;
use mailoop::outbound::dns::message::Way;
use mailoop::outbound::dns::resolver::{LOOKUP_TIMEOUT, Random, Resolver, ResolverStep};

use crate::message;
use crate::prng::Prng;
use crate::script::{Reaction, Script};

/// Servers at 192.0.2.1:53 and so on, where nothing else is said.
pub struct NameWorld {
    pub resolver: Resolver,
    pub servers: Vec<Script>,
    addresses: Vec<SocketAddr>,
    pub start: Instant,
    pub now: Instant,
    open: BTreeMap<ExchangeId, ServerExchange>,
    /// Messages under way, by when they arrive.
    arriving: BTreeMap<(Instant, usize), Arrival>,
    sent: usize,
    /// The questions that were sent: server, name, type and way.
    pub questions: Vec<String>,
    /// Names as they were sent, ids, and times.
    pub names: Vec<String>,
    pub ids: Vec<[u8; 2]>,
    pub asked_at: Vec<Duration>,
    pub most_in_flight: usize,
}

/// The exchange of a message, its octets unless nobody listens, and whether it is from another address.
type Arrival = (ExchangeId, Option<Vec<u8>>, bool);

pub fn server(number: usize) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, number as u8 + 1], 53))
}

pub fn random(seed: u64) -> Random {
    let mut prng = Prng::new(seed);
    Box::new(move || (prng.below(1 << 32) as u64) << 32 | prng.below(1 << 32) as u64)
}

impl NameWorld {
    pub fn new(servers: &[&str]) -> Self {
        Self::with_config(servers, |config| config)
    }

    pub fn with_config(
        servers: &[&str],
        change: impl FnOnce(ResolverConfig) -> ResolverConfig,
    ) -> Self {
        let addresses = (0..servers.len()).map(server).collect();
        let config = change(ResolverConfig::new(addresses));
        let now = Instant::now();
        Self {
            addresses: config.servers().to_vec(),
            resolver: Resolver::new(config, random(1)),
            servers: servers.iter().map(|text| Script::new(text)).collect(),
            start: now,
            now,
            open: BTreeMap::new(),
            arriving: BTreeMap::new(),
            sent: 0,
            questions: Vec::new(),
            names: Vec::new(),
            ids: Vec::new(),
            asked_at: Vec::new(),
            most_in_flight: 0,
        }
    }

    /// Asks for the addresses of a host that an operator names.
    pub fn look_up(&mut self, name: &str) -> NameResult {
        self.ask(NameKind::Host, name)
    }

    /// Asks, and lets time pass until there is an answer.
    pub fn ask(&mut self, kind: NameKind, name: &str) -> NameResult {
        let question = NameQuestion::new(kind, name);
        match self.resolver.ask(&question, self.now) {
            NameAnswer::Now(answer) => answer,
            NameAnswer::Later(ticket) => {
                let began = self.now;
                let answers = self.run();
                assert!(self.now - began <= LOOKUP_TIMEOUT, "in ten seconds");
                let [(answered, answer)] = &answers[..] else {
                    panic!("one question has one answer: {answers:?}");
                };
                assert_eq!(*answered, ticket);
                answer.clone()
            }
        }
    }

    /// Lets time pass until nothing is left to be done. Returns all answers.
    pub fn run(&mut self) -> Vec<(NameTicket, NameResult)> {
        let mut answers = Vec::new();
        loop {
            self.take_steps();
            answers.extend(self.resolver.take_answers());
            if !self.go_on() {
                assert_eq!(self.resolver.in_flight(), 0);
                assert!(self.open.is_empty(), "sockets are left: {:?}", self.open);
                return answers;
            }
        }
    }

    /// Goes on to the next thing that happens; whether there was one.
    pub fn go_on(&mut self) -> bool {
        let arrival = self.arriving.keys().next().map(|(at, _)| *at);
        let wake = self.resolver.next_wake();
        let Some(at) = arrival.into_iter().chain(wake).min() else {
            return false;
        };
        self.now = self.now.max(at);
        if arrival.is_some_and(|arrival| arrival <= self.now) {
            let (_, (id, octets, from_elsewhere)) = self.arriving.pop_first().unwrap();
            let Some(exchange) = self.open.get(&id) else {
                // Its socket is closed by now.
                return true;
            };
            let from = if from_elsewhere {
                server(200)
            } else {
                exchange.server
            };
            let from = (exchange.way == Way::Datagram).then_some(from);
            match octets {
                Some(octets) => self.resolver.received(id, from, &octets, self.now),
                None => self.resolver.failed(id, self.now),
            }
        } else {
            self.resolver.expire(self.now);
        }
        true
    }

    /// Does what the resolver wants.
    pub fn take_steps(&mut self) {
        while let Some(step) = self.resolver.next_step() {
            let exchange = match step {
                ResolverStep::Open(exchange) => exchange,
                ResolverStep::Close(id) => {
                    self.open.remove(&id).expect("it was open");
                    continue;
                }
            };
            let mut addresses = self.addresses.iter();
            let number = addresses.position(|address| *address == exchange.server);
            // Others than those of the beginning are the first, second and so on.
            let mut servers = 0..self.servers.len();
            let number =
                number.or_else(|| servers.find(|number| server(*number) == exchange.server));
            let number = number.expect("one of the servers");
            let question = message::read(&exchange.message);
            let way = match exchange.way {
                Way::Datagram => "",
                Way::Stream => " tcp",
            };
            let edns = if question.has_edns { "" } else { " plain" };
            let ad = if question.wants_authenticated {
                " ad"
            } else {
                ""
            };
            let name = question.name.to_ascii_lowercase();
            self.questions.push(format!(
                "{} {name} {}{way}{edns}{ad}",
                number + 1,
                question.kind
            ));
            self.names.push(question.name.clone());
            self.ids.push(question.id);
            self.asked_at.push(self.now - self.start);
            for reaction in self.servers[number].react(&exchange.message, exchange.way) {
                self.sent += 1;
                let (after_ms, octets, elsewhere) = match reaction {
                    Reaction::Say {
                        octets,
                        after_ms,
                        from_elsewhere,
                    } => (after_ms, Some(octets), from_elsewhere),
                    Reaction::Unreachable => (0, None, false),
                };
                let at = self.now + Duration::from_millis(after_ms);
                self.arriving
                    .insert((at, self.sent), (exchange.id, octets, elsewhere));
            }
            assert!(self.open.insert(exchange.id, exchange).is_none());
            self.most_in_flight = self.most_in_flight.max(self.open.len());
            assert!(self.open.len() <= QUESTIONS_MAX);
        }
    }
}

/// The addresses in an answer.
pub fn addresses(answer: NameResult) -> HostAddresses {
    match answer.map(|found| found.records) {
        Ok(NameRecords::Addresses(addresses)) => addresses,
        other => panic!("{other:?}"),
    }
}

/// An answer in one line: records, `= CANONICAL` where there is an alias, `AD` where it is authenticated.
pub fn shown(answer: &NameResult) -> String {
    let found = match answer {
        Ok(found) => found,
        Err(error) => return format!("{error:?}"),
    };
    let records: Vec<_> = match &found.records {
        NameRecords::Addresses(addresses) => addresses.iter().map(ToString::to_string).collect(),
        NameRecords::Exchangers(exchangers) => {
            let shown = |MailExchanger { preference, host }: &_| format!("{preference}:{host}");
            exchangers.iter().map(shown).collect()
        }
        NameRecords::Associations(associations) => {
            let associations = associations.iter().map(|record| {
                let data: String = record.data.iter().map(|o| format!("{o:02x}")).collect();
                format!(
                    "{}:{}:{}:{data}",
                    record.usage, record.selector, record.matching
                )
            });
            associations.collect()
        }
        NameRecords::Texts(texts) => {
            let texts = texts.iter().map(|text| String::from_utf8_lossy(text));
            texts.map(|text| format!("\"{text}\"")).collect()
        }
        NameRecords::Policy(text) => vec![format!("{text:?}")],
    };
    let canonical = found.canonical.as_ref();
    let canonical = canonical.map_or(String::new(), |name| format!(" = {name}"));
    let authenticated = if found.is_authenticated { " AD" } else { "" };
    records.join(" ") + &canonical + authenticated
}
