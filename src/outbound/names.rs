//! The names of hops, within the loop: the [resolver](super::dns::resolver), its sockets, and the files of the system that it follows.
//!
//! Each question has a socket of its own, connected to its server: a forged answer has to guess its port, and the kernel drops
//! what others send.

mod files;
mod network;

use std::collections::HashMap;
use std::io;
use std::time::Instant;

use slab::Slab;

pub use files::NameSources;
use files::SystemFiles;
pub use network::{LiveNames, NameNetwork, system_random};

use super::dns::answer::{NameAnswer, NameQuestion, NameResult, NameTicket};
use super::dns::inquiry::{ExchangeId, ServerExchange};
use super::dns::message::Way;
use super::dns::resolver::{Random, Resolver, ResolverStep};
use super::dns::stream::{StreamAnswers, StreamExchange};
use crate::net::channel::Readiness;
use crate::net::connections::Connections;
use crate::net::datagram::DatagramChannel;

/// The most datagrams that are read from one socket in a tick; others of them are read in the next one.
const TURN_DATAGRAMS_MAX: usize = 8;
/// The longest datagram that is read. We ask for none of more than 1,232 octets; some servers do not heed that.
const DATAGRAM_BUFFER_BYTES: usize = 4096;

/// The name service of the loop.
pub struct NameService<N: NameNetwork> {
    resolver: Resolver,
    files: SystemFiles,
    network: N,
    datagrams: Slab<DatagramExchange<N::Datagram>>,
    /// The keys of exchanges by datagrams.
    keys: HashMap<ExchangeId, usize>,
    /// Keys of sockets that may have something to read.
    readable: Vec<usize>,
    streams: Connections<StreamExchange, N::Stream>,
    buffer: Box<[u8]>,
}

struct DatagramExchange<D> {
    id: ExchangeId,
    channel: DatagramChannel<D>,
}

impl<N: NameNetwork> NameService<N> {
    /// A name service that asks by this network and follows these sources.
    pub fn new(network: N, random: Random, sources: NameSources, now: Instant) -> Self {
        let mut files = SystemFiles::new(sources);
        let config = files.config();
        let mut resolver = Resolver::new(config, random);
        files.follow(&mut resolver, now);
        Self {
            resolver,
            files,
            network,
            datagrams: Slab::new(),
            keys: HashMap::new(),
            readable: Vec::new(),
            streams: Connections::new(StreamAnswers::default(), now),
            buffer: vec![0; DATAGRAM_BUFFER_BYTES].into_boxed_slice(),
        }
    }

    /// Follows other sources from now on.
    pub fn set_sources(&mut self, sources: NameSources, now: Instant) {
        self.files = SystemFiles::new(sources);
        let config = self.files.config();
        self.resolver.set_config(config);
        self.files.follow(&mut self.resolver, now);
    }

    /// Asks a question.
    pub fn ask(&mut self, question: &NameQuestion, now: Instant) -> NameAnswer {
        self.files.follow(&mut self.resolver, now);
        let answer = self.resolver.ask(question, now);
        self.take_steps(now);
        answer
    }

    /// Notes an event of a socket, which was opened under this key.
    pub fn on_event(&mut self, way: Way, key: usize, readiness: Readiness) {
        match way {
            Way::Stream => self.streams.on_event(key, readiness),
            // An event can be late, and its key another socket's by now: that finds nothing to read, which is as well.
            Way::Datagram => {
                if let Some(exchange) = self.datagrams.get_mut(key) {
                    exchange.channel.note(readiness);
                    self.readable.push(key);
                }
            }
        }
    }

    /// One tick: takes in what has come, and acts upon deadlines that have passed.
    pub fn tick(&mut self, now: Instant) {
        self.serve_streams(now);
        self.serve_datagrams(now);
        if self.resolver.next_wake().is_some_and(|wake| wake <= now) {
            self.resolver.expire(now);
            self.take_steps(now);
        }
    }

    /// The instant at which something is to be done without an event.
    #[must_use]
    pub fn next_wake(&self) -> Option<Instant> {
        let has_work = !self.readable.is_empty() || self.resolver.has_answers();
        let wakes = [
            has_work.then(|| self.streams.now()),
            self.resolver.next_wake(),
            self.streams.next_wake(),
        ];
        wakes.into_iter().flatten().min()
    }

    /// The answers since the last call.
    pub fn take_answers(&mut self) -> Vec<(NameTicket, NameResult)> {
        self.resolver.take_answers()
    }

    /// The number of questions to servers that wait for an answer.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.resolver.in_flight()
    }

    fn serve_streams(&mut self, now: Instant) {
        self.streams.set_time(now);
        if self.streams.is_empty() {
            return;
        }
        self.streams.tick(|_| {}, |_, _| {});
        for (id, answer) in self.streams.shared_mut().take() {
            match answer {
                Some(answer) => self.resolver.received(id, None, &answer, now),
                None => self.resolver.failed(id, now),
            }
        }
        self.take_steps(now);
    }

    fn serve_datagrams(&mut self, now: Instant) {
        for key in std::mem::take(&mut self.readable) {
            self.receive(key, now);
        }
    }

    /// Takes in what has come to one socket, as long as it is of use.
    fn receive(&mut self, key: usize, now: Instant) {
        for _ in 0..TURN_DATAGRAMS_MAX {
            let Some(exchange) = self.datagrams.get_mut(key) else {
                return;
            };
            if !exchange.channel.is_readable() {
                return;
            }
            let id = exchange.id;
            match exchange.channel.receive(&mut self.buffer) {
                Ok(None) => return,
                Ok(Some((length, from))) => {
                    let octets = self.buffer.get(..length).unwrap_or_default();
                    self.resolver.received(id, Some(from), octets, now);
                }
                Err(_) => self.resolver.failed(id, now),
            }
            // The socket may be closed after this, and its key another one's: that has its turn now.
            self.take_steps(now);
        }
        self.readable.push(key);
    }

    /// Opens and closes sockets as the resolver wants.
    fn take_steps(&mut self, now: Instant) {
        while let Some(step) = self.resolver.next_step() {
            match step {
                ResolverStep::Close(id) => {
                    // A connection has the same deadline, and ends by itself.
                    if let Some(key) = self.keys.remove(&id) {
                        self.datagrams.try_remove(key);
                    }
                }
                ResolverStep::Open(exchange) => {
                    let id = exchange.id;
                    if let Err(error) = self.open(exchange) {
                        log::debug!("dns exchange failed: {error}");
                        self.resolver.failed(id, now);
                    }
                }
            }
        }
    }

    fn open(&mut self, exchange: ServerExchange) -> io::Result<()> {
        match exchange.way {
            Way::Datagram => {
                let entry = self.datagrams.vacant_entry();
                let key = entry.key();
                let socket = self.network.datagram(exchange.server, key)?;
                let mut channel = DatagramChannel::new(socket);
                channel.send(&exchange.message)?;
                let id = exchange.id;
                entry.insert(DatagramExchange { id, channel });
                self.keys.insert(id, key);
            }
            Way::Stream => {
                let key = self.streams.next_key();
                let transport = self.network.stream(exchange.server, key)?;
                let (peer, deadline) = (exchange.server.into(), exchange.deadline);
                let driver = StreamExchange::new(exchange);
                self.streams.dial(transport, driver, peer, deadline);
            }
        }
        Ok(())
    }
}
