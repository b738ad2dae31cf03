//! The carrier of a connection: mostly a socket, which is called without an indirection, or a transport that somebody watches.

use std::io;

use super::socket::Socket;
use super::transport::Transport;

/// The transport of a connection: its socket, or what stands around that.
pub enum Carrier {
    /// The socket.
    Socket(Socket),
    /// A transport that a probe watches, or one without any socket.
    Watched(Box<dyn Transport>),
}

impl Transport for Carrier {
    fn short_read_drains(&self) -> bool {
        match self {
            Self::Socket(socket) => socket.short_read_drains(),
            Self::Watched(transport) => transport.short_read_drains(),
        }
    }

    fn is_connected(&self) -> io::Result<bool> {
        match self {
            Self::Socket(socket) => Transport::is_connected(socket),
            Self::Watched(transport) => transport.is_connected(),
        }
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Socket(socket) => Transport::read(socket, buffer),
            Self::Watched(transport) => transport.read(buffer),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Socket(socket) => Transport::write(socket, bytes),
            Self::Watched(transport) => transport.write(bytes),
        }
    }

    fn write_last(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Socket(socket) => socket.write_last(bytes),
            Self::Watched(transport) => transport.write_last(bytes),
        }
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        match self {
            Self::Socket(socket) => Transport::shutdown_write(socket),
            Self::Watched(transport) => transport.shutdown_write(),
        }
    }
}
