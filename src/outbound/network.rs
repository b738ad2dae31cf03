//! The seam to the network: connections to hops are begun here and their names are looked up, over sockets in a server and
//! without any in a simulation.

use std::io;
use std::time::Instant;

use super::dns::answer::{NameAnswer, NameQuestion, NameResult, NameTicket};
use crate::net::channel::Readiness;
use crate::net::driver::ConnectionId;
use crate::net::endpoint::SocketAddress;
use crate::net::peer::PeerAddress;
use crate::net::token::Token;

/// The network, as far as mail that is sent on needs it.
pub trait Network<T> {
    /// Begins a connection to `address`, of which events will come under `key`, and which has the id `connection`.
    ///
    /// # Errors
    /// It failed at once, as connect(2) does; or as epoll_ctl(2).
    fn dial(
        &mut self,
        address: &SocketAddress,
        key: usize,
        connection: ConnectionId,
    ) -> io::Result<(T, PeerAddress)>;

    /// Asks for something of a name.
    fn look_up(&mut self, question: &NameQuestion, now: Instant) -> NameAnswer;

    /// Takes the answers to questions, as far as they have come.
    fn take_answers(&mut self) -> Vec<(NameTicket, NameResult)>;

    /// Notes an event of a socket that belongs to name servers. Whether it was one: all others are of connections to hops.
    fn on_event(&mut self, token: Token, readiness: Readiness) -> bool {
        let _ = (token, readiness);
        false
    }

    /// Asks name servers again whose answers are late, and reads what has come, once a tick.
    fn tick(&mut self, now: Instant);

    /// The instant at which [`tick`](Self::tick) has something to do without an event.
    fn next_wake(&self) -> Option<Instant>;
}
