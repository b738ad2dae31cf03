//! Connections that are begun, whose events come from one poll.

use std::io;
use std::time::Instant;

use crate::net::connections::Connections;
use crate::net::driver::Driver;
use crate::net::peer::PeerAddress;
use crate::net::poller::Poller;
use crate::net::socket::Socket;
use crate::net::token::Token;

/// Takes in a connection whose dial has begun. Its events are of this `kind`.
pub(super) fn dial<D: Driver>(
    connections: &mut Connections<D, Socket>,
    driver: D,
    (mut socket, peer): (Socket, PeerAddress),
    (poller, kind): (&Poller, u8),
    deadline: Instant,
) -> io::Result<()> {
    let token = Token::new(kind, connections.next_key());
    socket.register(poller.registry(), token.into())?;
    connections.dial(socket, driver, peer, deadline);
    Ok(())
}
