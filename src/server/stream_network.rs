//! The network of a stream as it is: sockets that the poll tells of.

use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use mio::Registry;

use crate::net::carrier::Carrier;
use crate::net::channel::Readiness;
use crate::net::dialer::dial;
use crate::net::endpoint::SocketAddress;
use crate::net::token::Token;
use crate::outbound::dns::answer::{NameAnswer, NameQuestion, NameResult, NameTicket};
use crate::outbound::dns::message::Way;
use crate::outbound::names::{LiveNames, NameService, NameSources, system_random};
use crate::stream::network::{StreamNetwork, StreamPeer};

/// The network of a stream as it is.
pub(super) struct LiveStreamNetwork {
    registry: Registry,
    names: NameService<LiveNames>,
    /// The kinds of tokens: of servers, of monitors, of datagrams and of streams of name servers.
    kinds: [u8; 4],
}

impl LiveStreamNetwork {
    /// A network whose sockets are polled by `registry`, under tokens of these kinds: of servers, of monitors, of datagrams and of
    /// streams of name servers.
    ///
    /// # Errors
    /// The system has nothing random, or refuses what the registry needs.
    pub(super) fn new(registry: &Registry, kinds: [u8; 4], now: Instant) -> io::Result<Self> {
        let [_, _, datagram, stream] = kinds;
        let live = LiveNames::new(registry, datagram, stream)?;
        let sources = NameSources::system(Vec::new());
        Ok(Self {
            registry: registry.try_clone()?,
            names: NameService::new(live, system_random()?, sources, now),
            kinds,
        })
    }
}

impl StreamNetwork<Carrier> for LiveStreamNetwork {
    fn connect(
        &mut self,
        peer: StreamPeer,
        address: SocketAddr,
        key: usize,
    ) -> io::Result<Carrier> {
        let [node, monitor, _, _] = self.kinds;
        let kind = match peer {
            StreamPeer::Node => node,
            StreamPeer::Monitor => monitor,
        };
        let mut socket = dial(&SocketAddress::Tcp(address), &[])?;
        socket.register(&self.registry, Token::new(kind, key).into())?;
        Ok(Carrier::Socket(socket))
    }

    fn look_up(&mut self, question: &NameQuestion, now: Instant) -> NameAnswer {
        self.names.ask(question, now)
    }

    fn take_answers(&mut self) -> Vec<(NameTicket, NameResult)> {
        self.names.take_answers()
    }

    fn on_event(&mut self, token: Token, readiness: Readiness) -> Option<(StreamPeer, usize)> {
        let [node, monitor, datagram, _] = self.kinds;
        match token.kind {
            kind if kind == node => return Some((StreamPeer::Node, token.key)),
            kind if kind == monitor => return Some((StreamPeer::Monitor, token.key)),
            kind if kind == datagram => self.names.on_event(Way::Datagram, token.key, readiness),
            _ => self.names.on_event(Way::Stream, token.key, readiness),
        }
        None
    }

    fn tick(&mut self, now: Instant) {
        self.names.tick(now);
    }

    fn next_wake(&self) -> Option<Instant> {
        self.names.next_wake()
    }
}
