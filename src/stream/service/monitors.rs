//! Questions to the monitors of servers, all at once: a round.

use std::collections::BTreeMap;
use std::mem;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::attempts::addresses;
use crate::net::connections::Connections;
use crate::net::transport::Transport;
use crate::outbound::dns::answer::{NameAnswer, NameQuestion, NameResult, NameTicket};
use crate::stream::connection::error_text;
use crate::stream::monitor::{MonitorDesk, MonitorFetch, MonitorOutcome, MonitorQuestion};
use crate::stream::network::{StreamNetwork, StreamPeer};
use crate::stream::target::Node;

/// Time for one question, with the look-up of its name.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(4);
/// Time for a connection to one address.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// The monitors of servers.
pub(super) struct Monitors<T> {
    pub(super) connections: Connections<MonitorFetch, T>,
    open: BTreeMap<MonitorQuestion, OpenQuestion>,
    tickets: Vec<(NameTicket, MonitorQuestion)>,
    outcomes: Vec<(Node, MonitorOutcome)>,
    last: u64,
}

/// A question that is being asked.
struct OpenQuestion {
    node: Node,
    /// Addresses that are still to be tried, the next one last.
    addresses: Vec<SocketAddr>,
    until: Instant,
}

impl<T: Transport> Monitors<T> {
    /// Nothing is asked yet.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            connections: Connections::new(MonitorDesk::default(), now),
            open: BTreeMap::new(),
            tickets: Vec::new(),
            outcomes: Vec::new(),
            last: 0,
        }
    }

    /// Whether a round is under way.
    pub(super) fn is_asking(&self) -> bool {
        !self.open.is_empty() || !self.outcomes.is_empty()
    }

    /// Asks all these monitors.
    pub(super) fn ask(
        &mut self,
        nodes: Vec<Node>,
        network: &mut dyn StreamNetwork<T>,
        now: Instant,
    ) {
        for node in nodes {
            self.last += 1;
            let question = MonitorQuestion(self.last);
            let answer = network.look_up(&NameQuestion::host(&node.host), now);
            let open = OpenQuestion {
                node,
                addresses: Vec::new(),
                until: now + QUESTION_TIMEOUT,
            };
            self.open.insert(question, open);
            match answer {
                NameAnswer::Now(result) => self.found(question, &result, network, now),
                NameAnswer::Later(ticket) => self.tickets.push((ticket, question)),
            }
        }
    }

    /// Takes an answer of name servers; whether it was asked for here.
    pub(super) fn answered(
        &mut self,
        ticket: NameTicket,
        result: &NameResult,
        network: &mut dyn StreamNetwork<T>,
        now: Instant,
    ) -> bool {
        let mut tickets = self.tickets.iter();
        let Some(at) = tickets.position(|(known, _)| *known == ticket) else {
            return false;
        };
        let (_, question) = self.tickets.swap_remove(at);
        self.found(question, result, network, now);
        true
    }

    /// One tick; what monitors have said since the last one.
    pub(super) fn tick(
        &mut self,
        network: &mut dyn StreamNetwork<T>,
        now: Instant,
    ) -> Vec<(Node, MonitorOutcome)> {
        if !self.connections.is_empty() {
            self.connections.tick(|_| {}, |_, _| {});
            for (question, outcome) in self.connections.shared_mut().take() {
                match outcome {
                    Err(why) => self.connect(question, why, network, now),
                    outcome => self.finish(question, outcome),
                }
            }
        }
        let late: Vec<MonitorQuestion> = self
            .open
            .iter()
            .filter(|(_, open)| open.until <= now)
            .map(|(question, _)| *question)
            .collect();
        for question in late {
            self.finish(question, Err("it does not answer".to_owned()));
        }
        mem::take(&mut self.outcomes)
    }

    /// The instant at which [`tick`](Self::tick) has something to do without an event.
    pub(super) fn next_wake(&self) -> Option<Instant> {
        let until = self.open.values().map(|open| open.until).min();
        let told = (!self.outcomes.is_empty()).then(|| self.connections.now());
        let wakes = [self.connections.next_wake(), until, told];
        wakes.into_iter().flatten().min()
    }

    fn found(
        &mut self,
        question: MonitorQuestion,
        result: &NameResult,
        network: &mut dyn StreamNetwork<T>,
        now: Instant,
    ) {
        let Some(open) = self.open.get_mut(&question) else {
            return;
        };
        match addresses(result, open.node.port) {
            Ok(addresses) => {
                open.addresses = addresses;
                self.connect(question, "it has no address".to_owned(), network, now);
            }
            Err(error) => self.finish(question, Err(error.to_string())),
        }
    }

    /// Connects to the next address of a monitor. Without one the question ends with `why`.
    fn connect(
        &mut self,
        question: MonitorQuestion,
        mut why: String,
        network: &mut dyn StreamNetwork<T>,
        now: Instant,
    ) {
        let Some(open) = self.open.get_mut(&question) else {
            return;
        };
        while let Some(address) = open.addresses.pop() {
            let key = self.connections.next_key();
            match network.connect(StreamPeer::Monitor, address, key) {
                Ok(transport) => {
                    let driver = MonitorFetch::new(question, &open.node, open.until);
                    let deadline = open.until.min(now + CONNECT_TIMEOUT);
                    self.connections
                        .dial(transport, driver, address.into(), deadline);
                    return;
                }
                Err(error) => why = error_text(&error),
            }
        }
        self.finish(question, Err(why));
    }

    fn finish(&mut self, question: MonitorQuestion, outcome: MonitorOutcome) {
        if let Some(open) = self.open.remove(&question) {
            self.outcomes.push((open.node, outcome));
        }
        self.tickets.retain(|(_, other)| *other != question);
    }
}
