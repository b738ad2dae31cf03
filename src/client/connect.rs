//! A connection to a server, waited for.

use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token};

use crate::net::dialer::Dialer;
use crate::net::endpoint::{Endpoint, SocketAddress};
use crate::net::socket::Socket;

/// The one socket of a client.
const SOCKET: Token = Token(0);

/// Connects to `server` and registers the socket with `poll`. The addresses of a host are tried in turn, each for at most
/// `timeout`; if none answers, the error is the last one's.
pub(super) fn connect(server: &Endpoint, poll: &mut Poll, timeout: Duration) -> io::Result<Socket> {
    // Looking a name up blocks; one connection at a time can afford that.
    connect_to_any(server.resolve()?, poll, timeout)
}

fn connect_to_any(
    addresses: Vec<SocketAddress>,
    poll: &mut Poll,
    timeout: Duration,
) -> io::Result<Socket> {
    let mut dialer = Dialer::new(addresses);
    loop {
        let dialled = dialer.dial();
        match dialled.and_then(|socket| connected(socket, poll, timeout)) {
            Err(_) if dialer.next_address() => {}
            connected => return connected,
        }
    }
}

/// Waits until the connection is there.
fn connected(mut socket: Socket, poll: &mut Poll, timeout: Duration) -> io::Result<Socket> {
    socket.register(poll.registry(), SOCKET)?;
    let mut events = Events::with_capacity(1);
    let start = Instant::now();
    while !socket.is_connected()? {
        let left = timeout.saturating_sub(start.elapsed());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        wait(poll, &mut events, left)?;
    }
    Ok(socket)
}

/// Waits for an edge of the socket, and tells whether one came before `timeout` had passed.
pub(super) fn wait(poll: &mut Poll, events: &mut Events, timeout: Duration) -> io::Result<bool> {
    match poll.poll(events, Some(timeout)) {
        Ok(()) => Ok(!events.is_empty()),
        // A signal, as when the terminal's size changes, says nothing of the time.
        Err(error) if error.kind() == ErrorKind::Interrupted => Ok(true),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn the_next_address_is_tried() -> io::Result<()> {
        let mut poll = Poll::new()?;
        let timeout = Duration::from_secs(10);
        let open = TcpListener::bind("127.0.0.1:0")?;
        let closed = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let both = [closed, open.local_addr()?].map(SocketAddress::Tcp);
        assert!(connect_to_any(both.to_vec(), &mut poll, timeout).is_ok());

        let refused = connect_to_any(both[..1].to_vec(), &mut poll, timeout).map(|_| ());
        let refused = refused.map_err(|error| error.kind());
        assert_eq!(refused, Err(ErrorKind::ConnectionRefused));
        Ok(())
    }

    #[test]
    fn no_answer_is_not_waited_for_any_longer() -> io::Result<()> {
        let listener = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
        let any_port = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
        listener.bind(&any_port.into())?;
        listener.listen(0)?;
        let address = listener.local_addr()?.as_socket();
        let address = address.ok_or(ErrorKind::AddrNotAvailable)?;
        let addresses = [SocketAddress::Tcp(address)];

        // Nobody accepts; once the backlog is full, the kernel does not answer any more.
        let mut poll = Poll::new()?;
        let timeout = Duration::from_millis(50);
        let mut waiting = Vec::new();
        let error = loop {
            match connect_to_any(addresses.to_vec(), &mut poll, timeout) {
                Ok(socket) => waiting.push(socket),
                Err(error) => break error,
            }
            assert!(waiting.len() < 10, "the backlog takes everybody");
        };
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        Ok(())
    }
}
