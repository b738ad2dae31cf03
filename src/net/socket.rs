//! Stream sockets, of either family behind one type.

use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::time::Duration;

use mio::event::Source;
use mio::net::{TcpStream, UnixStream};
use mio::{Interest, Registry, Token};
use rustix::io::Errno;
#[cfg(target_os = "linux")]
use rustix::net::SendFlags;
use socket2::SockRef;

use super::transport::Transport;

/// A connected stream socket, in the clear.
#[derive(Debug)]
pub enum Socket {
    /// A peer on the network.
    Tcp(TcpStream),
    /// A peer on this machine.
    Unix(UnixStream),
}

impl Socket {
    /// Registers the socket, once and for both directions: edge-triggered, it is quiet while nothing changes.
    /// Priority events are needed where short reads are trusted, since a read stops at urgent data.
    ///
    /// # Errors
    /// As epoll_ctl(2).
    pub fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        let source: &mut dyn Source = match self {
            Self::Tcp(stream) => stream,
            Self::Unix(stream) => stream,
        };
        let interest = Interest::READABLE | Interest::WRITABLE;
        #[cfg(target_os = "linux")]
        let interest = interest | Interest::PRIORITY;
        source.register(registry, token, interest)
    }

    /// Whether the connection is established, after the socket has become writable or failed.
    ///
    /// # Errors
    /// The connection failed: `SO_ERROR`, which is taken off the socket by that.
    pub fn is_connected(&self) -> io::Result<bool> {
        let (error, peer) = match self {
            Self::Tcp(stream) => (stream.take_error()?, stream.peer_addr().map(drop)),
            Self::Unix(stream) => (stream.take_error()?, stream.peer_addr().map(drop)),
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

    /// Has the connection end with a reset when it is closed.
    ///
    /// # Errors
    /// As setsockopt(2).
    pub fn reset_on_close(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => SockRef::from(stream).set_linger(Some(Duration::ZERO)),
            // A unix socket that is closed while there is something to read does so by itself.
            Self::Unix(_) => Ok(()),
        }
    }
}

impl Transport for Socket {
    fn short_read_drains(&self) -> bool {
        cfg!(target_os = "linux")
    }

    fn is_connected(&self) -> io::Result<bool> {
        Socket::is_connected(self)
    }

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

    /// Writes with `MSG_MORE`: the kernel keeps octets back that do not fill a packet, and sends them with the FIN.
    #[cfg(target_os = "linux")]
    fn write_last(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let flags = SendFlags::MORE | SendFlags::NOSIGNAL;
        match self {
            Self::Tcp(stream) => Ok(rustix::net::send(stream, bytes, flags)?),
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
