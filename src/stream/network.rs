//! The seam to the network: connections to the servers of a stream and their monitors are begun here, and their names are looked
//! up, over sockets in a server and without any in a simulation.

use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use crate::net::channel::Readiness;
use crate::net::token::Token;
use crate::outbound::dns::answer::{NameAnswer, NameQuestion, NameResult, NameTicket};

/// The peer that a connection is made to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamPeer {
    /// A server of the stream.
    Node,
    /// The monitor of one, by HTTP.
    Monitor,
}

/// The network, as far as a stream needs it.
pub trait StreamNetwork<T> {
    /// Begins a connection, of which events will come under `key`.
    ///
    /// # Errors
    /// It failed at once, as connect(2) does; or as epoll_ctl(2).
    fn connect(&mut self, peer: StreamPeer, address: SocketAddr, key: usize) -> io::Result<T>;

    /// Asks for the addresses of a name.
    fn look_up(&mut self, question: &NameQuestion, now: Instant) -> NameAnswer;

    /// Takes the answers to questions, as far as they have come.
    fn take_answers(&mut self) -> Vec<(NameTicket, NameResult)>;

    /// Notes an event of a socket that belongs to name servers; those of connections are returned, with their key.
    fn on_event(&mut self, token: Token, readiness: Readiness) -> Option<(StreamPeer, usize)>;

    /// Asks name servers again whose answers are late, and reads what has come, once a tick.
    fn tick(&mut self, now: Instant);

    /// The instant at which [`tick`](Self::tick) has something to do without an event.
    fn next_wake(&self) -> Option<Instant>;
}
