//! A non-blocking stream to a server, on the network or on a unix socket.

use std::io::{self, ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use mio::net::{TcpStream, UnixStream};
use mio::{Events, Interest, Poll, Token};
use rustix::io::Errno;

use crate::net::endpoint::{Endpoint, SocketAddress};

/// The one socket of a client.
const SOCKET: Token = Token(0);

pub(super) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Socket {
    /// Connects to `server` and registers with `poll`, for reading and writing. The addresses of a host are tried in
    /// turn, each for at most `timeout`; if none answers, the error is the last one's.
    pub(super) fn connect(
        server: &Endpoint,
        poll: &mut Poll,
        timeout: Duration,
    ) -> io::Result<Self> {
        // Looking a name up blocks; one connection at a time can afford that.
        Self::connect_to_any(&server.resolve()?, poll, timeout)
    }

    fn connect_to_any(
        addresses: &[SocketAddress],
        poll: &mut Poll,
        timeout: Duration,
    ) -> io::Result<Self> {
        let mut last_error = io::Error::new(ErrorKind::NotFound, "the name has no address");
        for address in addresses {
            match Self::begin(address).and_then(|socket| socket.connected(poll, timeout)) {
                Ok(socket) => return Ok(socket),
                Err(error) => last_error = error,
            }
        }
        Err(last_error)
    }

    fn begin(address: &SocketAddress) -> io::Result<Self> {
        match address {
            SocketAddress::Unix(path) => UnixStream::connect(path).map(Self::Unix),
            SocketAddress::Tcp(address) => {
                let stream = TcpStream::connect(*address)?;
                // The end of a message must not wait for the acknowledgement of what is before it.
                stream.set_nodelay(true)?;
                Ok(Self::Tcp(stream))
            }
        }
    }

    /// Waits until the connection is there.
    fn connected(mut self, poll: &mut Poll, timeout: Duration) -> io::Result<Self> {
        let interest = Interest::READABLE | Interest::WRITABLE;
        match &mut self {
            Self::Tcp(stream) => poll.registry().register(stream, SOCKET, interest)?,
            Self::Unix(stream) => poll.registry().register(stream, SOCKET, interest)?,
        }
        let mut events = Events::with_capacity(1);
        let start = Instant::now();
        while !self.is_connected()? {
            let left = timeout.saturating_sub(start.elapsed());
            if left.is_zero() {
                return Err(ErrorKind::TimedOut.into());
            }
            wait(poll, &mut events, left)?;
        }
        Ok(self)
    }

    /// Whether the server is on this machine, so that nobody listens in between.
    pub(super) fn is_local(&self) -> bool {
        match self {
            Self::Tcp(stream) => stream
                .peer_addr()
                .is_ok_and(|peer| peer.ip().to_canonical().is_loopback()),
            Self::Unix(_) => true,
        }
    }

    /// Whether the connection is there: a socket without error and with a peer.
    fn is_connected(&self) -> io::Result<bool> {
        let (error, peer) = match self {
            Self::Tcp(stream) => (stream.take_error()?, stream.peer_addr().map(|_| ())),
            Self::Unix(stream) => (stream.take_error()?, stream.peer_addr().map(|_| ())),
        };
        match (error, peer) {
            (Some(error), _) => Err(error),
            (None, Ok(())) => Ok(true),
            (None, Err(error)) if error.kind() == ErrorKind::NotConnected => Ok(false),
            (None, Err(error)) if Errno::from_io_error(&error) == Some(Errno::INPROGRESS) => {
                Ok(false)
            }
            (None, Err(error)) => Err(error),
        }
    }
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

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            Self::Unix(stream) => stream.read(buffer),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
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
        assert!(Socket::connect_to_any(&both, &mut poll, timeout).is_ok());

        let refused = Socket::connect_to_any(&both[..1], &mut poll, timeout).map(|_| ());
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
            match Socket::connect_to_any(&addresses, &mut poll, timeout) {
                Ok(socket) => waiting.push(socket),
                Err(error) => break error,
            }
            assert!(waiting.len() < 10, "the backlog takes everybody");
        };
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        Ok(())
    }
}
