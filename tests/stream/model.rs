//! A cluster of servers with a stream, in memory: a model of NATS JetStream, for simulations of what speaks with it.
//!
//! Nodes are up, frozen or down; a connection takes as few octets at a time as it is told. The [cluster](cluster) has the stream, a
//! [session](session) is the server's side of one connection, and the [network](network) is the seam of the service. Time is what a
//! simulation says it is.

pub mod cluster;
pub mod network;
pub mod pipe;
pub mod session;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use mailoop::net::channel::Readiness;
use mailoop::net::token::Token;
use mailoop::stream::network::StreamPeer;

use crate::prng::Prng;
use cluster::{Cluster, NodeState};
use network::ModelNetwork;
use pipe::{Dial, SharedPipe};
use session::{Session, monitor_answer};

pub const NODE_KIND: u8 = 1;
pub const MONITOR_KIND: u8 = 2;

/// All that a simulation shares with the network of the service.
pub struct Model {
    pub now: Instant,
    pub prng: Prng,
    pub cluster: Cluster,
    pub names: Names,
    /// Since when the stream breaks its promise, if a simulation lets it.
    pub broken_since: Option<Instant>,
    pipes: BTreeMap<u64, (SharedPipe, Session)>,
    /// Octets on their way to a client, by when they come.
    due: BTreeMap<(Instant, u64), (u64, Vec<u8>)>,
    last: u64,
    /// The longest time that a server takes for an answer.
    pub delay_max: Duration,
    /// The most octets that a connection takes or gives at once.
    pub octets_max: usize,
    /// How often monitors were asked.
    pub monitors_asked: usize,
}

/// The names of hosts, and whether they are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    Now,
    Later,
    Broken,
}

pub type SharedModel = Rc<RefCell<Model>>;

impl Model {
    /// A cluster of so many nodes, all of them up, with a stream as it should be.
    pub fn new(nodes: usize, prng: Prng, now: Instant) -> SharedModel {
        Rc::new(RefCell::new(Self {
            now,
            prng,
            cluster: Cluster::new(nodes),
            names: Names::Now,
            broken_since: None,
            pipes: BTreeMap::new(),
            due: BTreeMap::new(),
            last: 0,
            delay_max: Duration::from_millis(2),
            octets_max: usize::MAX,
            monitors_asked: 0,
        }))
    }

    /// The network that the service is given.
    pub fn network(model: &SharedModel) -> Box<ModelNetwork> {
        Box::new(ModelNetwork::new(Rc::clone(model)))
    }

    fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    fn add(&mut self, pipe: SharedPipe) {
        let number = self.number();
        let (node, peer) = (pipe.borrow().node, pipe.borrow().peer);
        let session = Session::new(number, node, peer);
        self.pipes.insert(number, (pipe, session));
    }

    /// One tick of all servers: connections are accepted, what was said is acted upon, and answers go out.
    pub fn tick(&mut self, now: Instant) {
        self.now = now;
        self.pipes.retain(|_, (pipe, _)| !pipe.borrow().is_dropped);
        let numbers: Vec<u64> = self.pipes.keys().copied().collect();
        for number in numbers {
            self.serve(number);
        }
        while let Some(entry) = self.due.first_entry()
            && entry.key().0 <= now
        {
            let (number, octets) = entry.remove();
            if let Some((pipe, session)) = self.pipes.get(&number)
                && self.cluster.state_of(session.node, session.peer) == NodeState::Up
            {
                pipe.borrow_mut().say(&octets);
            }
        }
    }

    fn serve(&mut self, number: u64) {
        let Some((pipe, session)) = self.pipes.get_mut(&number) else {
            return;
        };
        let state = self.cluster.state_of(session.node, session.peer);
        let mut end = pipe.borrow_mut();
        end.octets_max = self.octets_max;
        if end.dial == Dial::Pending {
            end.dial = match state {
                NodeState::Down => Dial::Refused,
                // The kernel of a frozen one accepts.
                NodeState::Up | NodeState::Frozen => Dial::Connected,
            };
            end.has_news = true;
        }
        match state {
            NodeState::Down => end.close(),
            NodeState::Frozen => {}
            NodeState::Up => {
                let octets = end.take();
                drop(end);
                let mut said = Vec::new();
                match session.peer {
                    StreamPeer::Node => {
                        session.greet(&self.cluster, &mut said);
                        session.take(&octets, &mut self.cluster, &mut said);
                    }
                    StreamPeer::Monitor => {
                        session.request.extend(octets);
                        if session.request.ends_with(b"\r\n\r\n") {
                            session.request.clear();
                            self.monitors_asked += 1;
                            said.push(monitor_answer(&self.cluster.nodes[session.node]));
                        }
                    }
                }
                let closes = session.is_over;
                for (to, octets) in self.cluster.take_said() {
                    self.schedule(to, octets);
                }
                for octets in said {
                    self.schedule(number, octets);
                }
                if closes {
                    // What was said last comes before the end.
                    self.flush(number);
                    self.pipes[&number].0.borrow_mut().close();
                }
            }
        }
    }

    fn flush(&mut self, number: u64) {
        let mine: Vec<(Instant, u64)> = self
            .due
            .iter()
            .filter(|(_, (to, _))| *to == number)
            .map(|(key, _)| *key)
            .collect();
        for key in mine {
            if let Some((_, octets)) = self.due.remove(&key)
                && let Some((pipe, _)) = self.pipes.get(&number)
            {
                pipe.borrow_mut().say(&octets);
            }
        }
    }

    /// Lets octets come to a client after a while, behind all that is on its way.
    fn schedule(&mut self, to: u64, octets: Vec<u8>) {
        let delay = self.prng.below(1 + self.delay_max.as_millis() as usize);
        let at = self.now + Duration::from_millis(delay as u64);
        let last = self.due.iter().filter(|(_, (other, _))| *other == to);
        let last = last.map(|((at, _), _)| *at).max();
        let key = (last.map_or(at, |last| last.max(at)), self.number());
        self.due.insert(key, (to, octets));
    }

    /// Whether the stream has broken its promise for so long.
    pub fn is_broken_for(&self, time: Duration) -> bool {
        self.broken_since
            .is_some_and(|since| since + time <= self.now)
    }

    /// Says octets on all connections to a node, whatever a server would say.
    pub fn inject(&mut self, node: usize, octets: &[u8]) {
        for (pipe, session) in self.pipes.values() {
            if session.node == node && session.peer == StreamPeer::Node {
                pipe.borrow_mut().say(octets);
            }
        }
    }

    /// The node that the last login was at, of those whose connection is there.
    pub fn connected_node(&self) -> Option<usize> {
        let mut pipes = self.pipes.values().rev();
        let found = pipes.find(|(pipe, session)| session.is_logged_in && !pipe.borrow().is_dropped);
        found.map(|(_, session)| session.node)
    }

    /// Ends all connections to a node.
    pub fn cut(&mut self, node: usize) {
        for (pipe, session) in self.pipes.values() {
            if session.node == node {
                pipe.borrow_mut().close();
            }
        }
    }

    /// The subscribed connections of a node get its INFO again.
    pub fn tell_infos(&mut self) {
        let mut said = Vec::new();
        for (number, (_, session)) in &self.pipes {
            if session.is_logged_in {
                said.push((*number, self.cluster.info(session.node)));
            }
        }
        for (number, octets) in said {
            self.schedule(number, octets);
        }
    }

    /// What poll tells since the last call.
    pub fn events(&mut self) -> Vec<(Token, Readiness)> {
        let mut events = Vec::new();
        for (pipe, _) in self.pipes.values() {
            let mut end = pipe.borrow_mut();
            if end.has_news && end.dial != Dial::Pending {
                end.has_news = false;
                let kind = match end.peer {
                    StreamPeer::Node => NODE_KIND,
                    StreamPeer::Monitor => MONITOR_KIND,
                };
                let readiness = Readiness {
                    readable: end.is_readable(),
                    writable: true,
                    read_on: false,
                };
                events.push((Token::new(kind, end.key), readiness));
            }
        }
        events
    }

    /// The instant at which something happens by itself.
    pub fn next_wake(&self) -> Option<Instant> {
        let is_restless = self.pipes.values().any(|(pipe, session)| {
            let end = pipe.borrow();
            let is_up = self.cluster.state_of(session.node, session.peer) == NodeState::Up;
            end.has_news || end.dial == Dial::Pending || is_up && end.has_input()
        });
        let due = self.due.keys().next().map(|(at, _)| *at);
        is_restless.then_some(self.now).or(due)
    }
}
