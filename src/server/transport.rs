//! What carries the bytes of a connection.

use std::io::{self, Read, Write};
use std::net::Shutdown;

use mio::event::Source;
use mio::net::{TcpStream, UnixStream};
use mio::{Interest, Registry, Token};

/// A non-blocking stream of bytes. `WouldBlock` is its normal way to say "not now"; the loop tells when to try
/// again.
pub trait Transport {
    /// Whether a read that returns less than was asked for has drained the socket, so that no second read is
    /// needed to hear `WouldBlock`. It is so on Linux for sockets (epoll(7), question 9), unless
    /// [`Readiness::read_on`](super::channel::Readiness::read_on) was told.
    const SHORT_READ_DRAINS: bool;

    /// Reads what is there; 0 means that the peer will send no more.
    ///
    /// # Errors
    /// As [`Read::read`].
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize>;

    /// Writes what there is room for.
    ///
    /// # Errors
    /// As [`Write::write`].
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// Tells the peer that nothing more will be written; reading goes on.
    ///
    /// # Errors
    /// What the socket said.
    fn shutdown_write(&mut self) -> io::Result<()>;
}

/// A socket as it is, in the clear.
#[derive(Debug)]
pub enum Plain {
    /// A client on the network.
    Tcp(TcpStream),
    /// A client on this machine.
    Unix(UnixStream),
}

impl Transport for Plain {
    const SHORT_READ_DRAINS: bool = cfg!(target_os = "linux");

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            Self::Unix(stream) => stream.read(buffer),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Unix(stream) => stream.write(bytes),
        }
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Self::Unix(stream) => stream.shutdown(Shutdown::Write),
        }
    }
}

impl Plain {
    /// Registers the socket, once and for both directions: edge-triggered, it is quiet while nothing changes.
    /// Where short reads are trusted it has to be known of urgent data, at which a read stops.
    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        let source: &mut dyn Source = match self {
            Self::Tcp(stream) => stream,
            Self::Unix(stream) => stream,
        };
        let interest = Interest::READABLE | Interest::WRITABLE;
        #[cfg(target_os = "linux")]
        let interest = interest | Interest::PRIORITY;
        source.register(registry, token, interest)
    }
}
