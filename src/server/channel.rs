//! A transport with its write buffer and what it has told about itself: the rules of edge-triggered I/O.
//!
//! An edge tells once. So what an event said stays true here until an operation has met `WouldBlock`, and
//! nobody waits for an event before that.

use std::io::{self, ErrorKind};

use bytes::BytesMut;

use super::tls::Acceptor;
use super::transport::{Link, Transport};
use crate::smtp::security::Security;

/// Readiness of a socket, as one event tells it.
#[derive(Clone, Copy, Debug)]
pub struct Readiness {
    /// A read may find something.
    pub readable: bool,
    /// A write may find room.
    pub writable: bool,
    /// A read that gives less than it could is not the last one: the peer has closed its side, and that is still
    /// to be read, or it has sent urgent data, at which a read stops.
    pub read_on: bool,
}

/// What a read told about the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    /// It is empty: only an event tells of more.
    Drained,
    /// There may be more.
    BufferFull,
    /// There will never be more.
    Eof,
}

/// One of the ways in which a transport writes.
type Write<T> = fn(&mut T, &[u8]) -> io::Result<usize>;

/// A transport, and the output that it had no room for.
#[derive(Debug)]
pub struct Channel<T> {
    transport: T,
    ready: Readiness,
    output: Vec<u8>,
    bytes_in: u64,
    bytes_out: u64,
}

impl<T: Transport> Channel<T> {
    /// A channel of which nothing is known: everything is worth a try.
    pub fn new(transport: T) -> Self {
        let ready = Readiness {
            readable: true,
            writable: true,
            read_on: false,
        };
        Self {
            transport,
            ready,
            output: Vec::new(),
            bytes_in: 0,
            bytes_out: 0,
        }
    }

    /// A channel whose transport is still being connected: nothing is worth a try before an event.
    #[cfg(feature = "load")]
    pub fn connecting(transport: T) -> Self {
        let mut channel = Self::new(transport);
        channel.ready = Readiness {
            readable: false,
            writable: false,
            read_on: false,
        };
        channel
    }

    /// Notes what an event told.
    pub fn note(&mut self, event: Readiness) {
        self.ready.readable |= event.readable || event.read_on;
        self.ready.writable |= event.writable;
        self.ready.read_on |= event.read_on;
    }

    /// Whether a read may find something.
    pub fn is_readable(&self) -> bool {
        self.ready.readable
    }

    /// Whether a write may find room.
    pub fn is_writable(&self) -> bool {
        self.ready.writable
    }

    /// What it is over.
    pub fn transport(&self) -> &T {
        &self.transport
    }

    /// Gives the transport back.
    pub fn into_transport(self) -> T {
        self.transport
    }

    /// Reads once, and tells how many octets that gave.
    ///
    /// # Errors
    /// What the socket said, unless it only was not the time.
    pub fn fill(&mut self, buffer: &mut [u8]) -> io::Result<(usize, Fill)> {
        let received = match self.transport.read(buffer) {
            Ok(received) => received,
            // A signal, or a record of TLS without text, came instead.
            Err(error) if error.kind() == ErrorKind::Interrupted => {
                return Ok((0, Fill::BufferFull));
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.ready.readable = false;
                return Ok((0, Fill::Drained));
            }
            Err(error) => return Err(error),
        };
        if received == 0 {
            return Ok((0, Fill::Eof));
        }
        self.bytes_in += received as u64;
        let drained =
            received < buffer.len() && self.transport.short_read_drains() && !self.ready.read_on;
        self.ready.readable = !drained;
        Ok((
            received,
            if drained {
                Fill::Drained
            } else {
                Fill::BufferFull
            },
        ))
    }

    /// Writes what is left from before, then `replies`, which is empty afterwards; what the socket has no room
    /// for is kept. A channel that keeps nothing owns no memory for it.
    ///
    /// # Errors
    /// What the socket said, unless it only was not the time.
    pub fn send(&mut self, replies: &mut BytesMut) -> io::Result<()> {
        self.send_by(T::write, replies)
    }

    /// The same for replies behind which there are no others: only [`shutdown_write`](Self::shutdown_write), once
    /// nothing is [`unsent`](Self::unsent), makes sure that the peer gets them all.
    ///
    /// # Errors
    /// What the socket said, unless it only was not the time.
    pub fn send_last(&mut self, replies: &mut BytesMut) -> io::Result<()> {
        self.send_by(T::write_last, replies)
    }

    /// Keeps `replies`, which is empty afterwards, for the next [`send`](Self::send).
    pub fn hold(&mut self, replies: &mut BytesMut) {
        self.output.extend_from_slice(replies);
        replies.clear();
    }

    fn send_by(&mut self, write: Write<T>, replies: &mut BytesMut) -> io::Result<()> {
        if self.output.is_empty() {
            let written = self.write_by(write, replies)?;
            self.output.extend_from_slice(&replies[written..]);
            replies.clear();
            return Ok(());
        }
        self.output.extend_from_slice(replies);
        replies.clear();
        let mut output = std::mem::take(&mut self.output);
        let written = self.write_by(write, &output)?;
        if written < output.len() {
            output.drain(..written);
            self.output = output;
        }
        Ok(())
    }

    /// Writes as much of `bytes` as the socket takes, and returns how much that was. What it does not take is not kept:
    /// this is for bytes that many connections share, and not to be mixed with [`send`](Self::send).
    ///
    /// # Errors
    /// What the socket said, unless it only was not the time.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_by(T::write, bytes)
    }

    fn write_by(&mut self, write: Write<T>, bytes: &[u8]) -> io::Result<usize> {
        let mut written = 0;
        while self.ready.writable && (self.transport.held() > 0 || written < bytes.len()) {
            let taken = if self.transport.held() > 0 {
                self.transport.flush().map(|()| None)
            } else {
                write(&mut self.transport, &bytes[written..]).map(Some)
            };
            match taken {
                Ok(Some(0)) => return Err(ErrorKind::WriteZero.into()),
                Ok(taken) => {
                    written += taken.unwrap_or_default();
                    self.bytes_out += taken.unwrap_or_default() as u64;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.ready.writable = false,
                Err(error) => return Err(error),
            }
        }
        Ok(written)
    }

    /// Octets that wait for the socket to have room.
    pub fn unsent(&self) -> usize {
        self.output.len() + self.transport.held()
    }

    /// Drops output that will not be sent.
    pub fn discard_output(&mut self) {
        self.output = Vec::new();
    }

    /// Tells the peer that this was all, if the transport has a word for it, which may be [`unsent`](Self::unsent) at
    /// first as everything else. To be called when nothing is.
    ///
    /// # Errors
    /// What the socket said, unless it only was not the time.
    pub fn take_leave(&mut self) -> io::Result<()> {
        self.transport.take_leave()?;
        self.write(&[]).map(drop)
    }

    /// Tells the peer that nothing more will be written.
    ///
    /// # Errors
    /// What the socket said.
    pub fn shutdown_write(&mut self) -> io::Result<()> {
        self.transport.shutdown_write()
    }

    /// Octets read so far.
    pub fn bytes_in(&self) -> u64 {
        self.bytes_in
    }

    /// Octets written so far.
    pub fn bytes_out(&self) -> u64 {
        self.bytes_out
    }
}

impl<T: Transport> Channel<Link<T>> {
    /// Begins TLS: with what the peer has sent `early` of it, and behind the replies that are not sent yet.
    ///
    /// # Errors
    /// The system refuses what TLS needs.
    pub(super) fn begin_tls(&mut self, acceptor: &Acceptor, early: BytesMut) -> io::Result<()> {
        let unsent = BytesMut::from(&*std::mem::take(&mut self.output));
        // The socket may be drained; of what was taken out of it before no event tells.
        self.ready.readable |= !early.is_empty();
        self.transport.begin_tls(acceptor, early, unsent)
    }

    /// Goes on with the handshake after one more read, and takes off the `rounds` which that cost; what protects the connection
    /// once it is done.
    ///
    /// # Errors
    /// What the socket said, unless it only was not the time, and what is wrong with what the peer said.
    pub(super) fn handshake(&mut self, rounds: &mut u32) -> io::Result<Option<Security>> {
        match self.transport.handshake(rounds) {
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(None),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.ready.readable = false;
                Ok(None)
            }
            done => done,
        }
    }
}
