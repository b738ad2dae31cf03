//! What carries the bytes of a connection.

use std::io::{self, Read, Write};
use std::net::Shutdown;

use bytes::BytesMut;
use mio::event::Source;
use mio::net::{TcpStream, UnixStream};
use mio::{Interest, Registry, Token};
#[cfg(target_os = "linux")]
use rustix::net::SendFlags;

use super::tls::{Acceptor, Tls};
use crate::smtp::security::Security;

/// A non-blocking stream of bytes. `WouldBlock` is its normal way to say "not now"; the loop tells when to try
/// again.
pub trait Transport {
    /// Whether a read that returned less than was asked for has drained it, so that no second read is needed to hear
    /// `WouldBlock`. It is so on Linux for sockets (epoll(7), question 9), unless
    /// [`Readiness::read_on`](super::channel::Readiness::read_on) was told.
    fn short_read_drains(&self) -> bool;

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

    /// Writes as [`write`](Self::write) does, and will not be asked to write again before
    /// [`shutdown_write`](Self::shutdown_write): the end may travel with the last octets.
    ///
    /// # Errors
    /// As [`Write::write`].
    fn write_last(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write(bytes)
    }

    /// Tells the peer that nothing more will be written; reading goes on.
    ///
    /// # Errors
    /// What the socket said.
    fn shutdown_write(&mut self) -> io::Result<()>;

    /// Octets that it has taken but that wait for the socket to have room.
    fn held(&self) -> usize {
        0
    }

    /// Writes what is [`held`](Self::held).
    ///
    /// # Errors
    /// As [`Write::write`].
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Takes it in that this was all. If it has a word for that, it is [`held`](Self::held).
    ///
    /// # Errors
    /// It cannot be said.
    fn take_leave(&mut self) -> io::Result<()> {
        Ok(())
    }
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

    /// The kernel keeps what does not fill a packet back until the end is there as well, and sends both in one.
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

impl Plain {
    /// Registers the socket, once and for both directions: edge-triggered, it is quiet while nothing changes.
    /// Where short reads are trusted it has to be known of urgent data, at which a read stops.
    pub(crate) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
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

/// What a connection is carried by: a transport in the clear, and from some point on TLS over it.
pub struct Link<T> {
    socket: T,
    tls: Option<Box<Tls>>,
}

impl<T: Transport> Link<T> {
    /// In the clear.
    pub(super) fn new(socket: T) -> Self {
        Self { socket, tls: None }
    }

    /// Begins TLS, which the peer may have done as well: `early` is what it has sent of that. What is `unsent` goes out
    /// before, in the clear.
    ///
    /// # Errors
    /// The system refuses what TLS needs.
    pub(super) fn begin_tls(
        &mut self,
        acceptor: &Acceptor,
        early: BytesMut,
        unsent: BytesMut,
    ) -> io::Result<()> {
        self.tls = Some(Box::new(acceptor.begin(early, unsent)?));
        Ok(())
    }

    /// Goes on with the handshake after one more read, and takes off the `rounds` which that cost; what protects the connection
    /// once it is done.
    ///
    /// # Errors
    /// As [`Transport::read`], and what is wrong with what the peer said.
    pub(super) fn handshake(&mut self, rounds: &mut u32) -> io::Result<Option<Security>> {
        match &mut self.tls {
            Some(tls) => tls.handshake(&mut self.socket, rounds),
            None => Ok(None),
        }
    }
}

impl<T: Transport> Transport for Link<T> {
    fn short_read_drains(&self) -> bool {
        match &self.tls {
            Some(tls) => tls.is_drained(),
            None => self.socket.short_read_drains(),
        }
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.tls {
            Some(tls) => tls.read(&mut self.socket, buffer),
            None => self.socket.read(buffer),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.tls {
            Some(tls) => tls.write(bytes),
            None => self.socket.write(bytes),
        }
    }

    fn write_last(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.tls {
            Some(tls) => tls.write(bytes),
            None => self.socket.write_last(bytes),
        }
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.socket.shutdown_write()
    }

    fn held(&self) -> usize {
        self.tls.as_ref().map_or(0, |tls| tls.held())
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.tls {
            Some(tls) => tls.flush(&mut self.socket),
            None => Ok(()),
        }
    }

    fn take_leave(&mut self) -> io::Result<()> {
        self.tls.as_mut().map_or(Ok(()), |tls| tls.take_leave())
    }
}
