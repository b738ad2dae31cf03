//! Stream sockets, of either family behind one type.

use std::io::{self, Read, Write};
use std::net::Shutdown;

use mio::event::Source;
use mio::net::{TcpStream, UnixStream};
use mio::{Interest, Registry, Token};
#[cfg(target_os = "linux")]
use rustix::net::SendFlags;

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
}

impl Transport for Socket {
    fn short_read_drains(&self) -> bool {
        cfg!(target_os = "linux")
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
