//! A link with its unsent output and its readiness: the rules of edge-triggered I/O.
//!
//! An edge tells once. So what an event said stays true here until an operation has met `WouldBlock`, and nobody waits for an
//! event before that. Output that the socket has no room for is kept, and bounded by backpressure: a driver does not go on
//! while the channel [is full](Channel::is_full).

use std::io::{self, ErrorKind};
use std::mem;

use bytes::BytesMut;
use mio::event::Event;

use super::link::{Handshake, HandshakeStep, Link, StartTls};
use super::transport::{Read, Transport};

/// The high-water mark of backpressure: with so many octets unsent a driver gets no more input. It bounds the output, together
/// with the longest reply.
pub const OUTPUT_HIGH_WATER_BYTES: usize = 16 * 1024;

/// Readiness of a socket, as one event tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// A read may find something.
    pub readable: bool,
    /// A write may find room.
    pub writable: bool,
    /// A short read does not drain the socket: the peer has closed its side, which is still to be read, or has sent urgent data,
    /// at which a read stops.
    pub read_on: bool,
}

impl From<&Event> for Readiness {
    fn from(event: &Event) -> Self {
        Self {
            readable: event.is_readable() || event.is_error(),
            writable: event.is_writable() || event.is_error(),
            read_on: event.is_read_closed() || event.is_priority(),
        }
    }
}

/// One of the ways in which a link writes.
type Write<T> = fn(&mut Link<T>, &[u8]) -> io::Result<usize>;

/// A link, the output that it had no room for, and what events have told of it.
#[derive(Debug)]
pub struct Channel<T> {
    link: Link<T>,
    ready: Readiness,
    /// Unsent output, in as much memory as it has octets: most connections have none, and there are many.
    output: Box<[u8]>,
    /// Whether a write has failed, and reading goes on.
    is_broken: bool,
    bytes_in: u64,
    bytes_out: u64,
}

impl<T: Transport> Channel<T> {
    /// A channel in the clear, over a connected transport. Nothing is known of it, so every operation is worth a try.
    pub fn new(transport: T) -> Self {
        Self::with_readiness(transport, true)
    }

    /// A channel over a transport that is still being connected: no operation is worth a try before an event.
    pub fn connecting(transport: T) -> Self {
        Self::with_readiness(transport, false)
    }

    fn with_readiness(transport: T, is_ready: bool) -> Self {
        let ready = Readiness {
            readable: is_ready,
            writable: is_ready,
            read_on: false,
        };
        Self {
            link: Link::new(transport),
            ready,
            output: Box::default(),
            is_broken: false,
            bytes_in: 0,
            bytes_out: 0,
        }
    }

    /// Notes what an event told.
    pub fn note(&mut self, event: Readiness) {
        self.ready.readable |= event.readable || event.read_on;
        self.ready.writable |= event.writable && !self.is_broken;
        self.ready.read_on |= event.read_on;
    }

    /// Whether its transport is connected, once an event has told of it.
    ///
    /// # Errors
    /// As [`Transport::is_connected`].
    pub fn is_connected(&self) -> io::Result<bool> {
        self.link.is_connected()
    }

    /// Whether a read may find something.
    pub fn is_readable(&self) -> bool {
        self.ready.readable
    }

    /// Whether a write may find room.
    pub fn is_writable(&self) -> bool {
        self.ready.writable
    }

    /// The transport below it.
    pub fn transport(&self) -> &T {
        self.link.transport()
    }

    /// The transport below it, to be put into another one.
    pub fn transport_mut(&mut self) -> &mut T {
        self.link.transport_mut()
    }

    /// Gives the transport back. Unsent output is dropped.
    pub fn into_transport(self) -> T {
        self.link.into_transport()
    }

    /// Reads once.
    ///
    /// # Errors
    /// Any I/O error except `WouldBlock` and `Interrupted`; in TLS also `InvalidData`, and `UnexpectedEof` for a client whose
    /// server was cut off.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<Read> {
        let read = match self.link.read(buffer)? {
            // No edge will tell of what lies beyond a short read now.
            Read::Drained(count) if self.ready.read_on => Read::Data(count),
            read => read,
        };
        if self.is_broken && read == Read::WouldBlock {
            return Err(ErrorKind::BrokenPipe.into());
        }
        self.bytes_in += read.count() as u64;
        match read {
            Read::Data(_) => self.ready.readable = true,
            Read::Drained(_) | Read::WouldBlock => self.ready.readable = false,
            Read::Progress | Read::Eof => {}
        }
        Ok(read)
    }

    /// Writes the output that is left from before, then `replies`, which is empty afterwards. The output that the socket has no
    /// room for is kept. A channel that keeps none owns no memory for it.
    ///
    /// # Errors
    /// Any I/O error except `WouldBlock` and `Interrupted`.
    pub fn send(&mut self, replies: &mut BytesMut) -> io::Result<()> {
        self.send_by(Link::write, replies)
    }

    /// Sends the last replies of a connection. They may be kept back until [`shutdown_write`](Self::shutdown_write), so that they
    /// go with the end, in one packet.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_last(&mut self, replies: &mut BytesMut) -> io::Result<()> {
        self.send_by(Link::write_last, replies)
    }

    /// Keeps `replies`, which is empty afterwards, for the next [`send`](Self::send).
    pub fn hold(&mut self, replies: &mut BytesMut) {
        let mut output = mem::take(&mut self.output).into_vec();
        output.extend_from_slice(replies);
        self.output = output.into_boxed_slice();
        replies.clear();
    }

    fn send_by(&mut self, write: Write<T>, replies: &mut BytesMut) -> io::Result<()> {
        if self.is_broken && !replies.is_empty() {
            return Err(ErrorKind::BrokenPipe.into());
        }
        if self.output.is_empty() {
            let written = self.write_by(write, replies)?;
            self.output = replies[written..].into();
            replies.clear();
            return Ok(());
        }
        self.hold(replies);
        let output = mem::take(&mut self.output);
        let written = self.write_by(write, &output)?;
        self.output = if written == 0 {
            output
        } else {
            output[written..].into()
        };
        Ok(())
    }

    /// Writes as much of `bytes` as the socket takes, and returns how much that was. The rest is not kept: many connections may
    /// share these octets. What [`send`](Self::send) has left unsent goes first: meanwhile there is no room.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        debug_assert!(
            self.output.is_empty() || !self.ready.writable,
            "what is unsent goes first"
        );
        self.write_by(Link::write, bytes)
    }

    fn write_by(&mut self, write: Write<T>, bytes: &[u8]) -> io::Result<usize> {
        let mut written = 0;
        while let Some(count) = self.write_once(write, &bytes[written..])? {
            written += count;
        }
        Ok(written)
    }

    /// Writes once: what TLS holds, or else some of `bytes`, of which it returns how many. `None` means that there is nothing
    /// to write, or no room.
    fn write_once(&mut self, write: Write<T>, bytes: &[u8]) -> io::Result<Option<usize>> {
        if !self.ready.writable {
            return Ok(None);
        }
        let written = if self.link.held() > 0 {
            self.link.flush().map(|()| 0)
        } else if bytes.is_empty() || !self.link.takes_text() {
            return Ok(None);
        } else {
            match write(&mut self.link, bytes) {
                Ok(0) => Err(ErrorKind::WriteZero.into()),
                written => written,
            }
        };
        match written {
            Ok(count) => {
                self.bytes_out += count as u64;
                Ok(Some(count))
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(Some(0)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.ready.writable = false;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Octets that wait for room in the socket.
    pub fn unsent(&self) -> usize {
        self.output.len() + self.link.held()
    }

    /// Whether the output, with so many octets that are `gathered` for it, has reached the high-water mark: backpressure, until
    /// the peer has read.
    pub fn is_full(&self, gathered: usize) -> bool {
        self.unsent() + gathered >= OUTPUT_HIGH_WATER_BYTES
    }

    /// Gives up to write, which has failed. What the peer has sent before is still read; the read that finds no more of it fails
    /// with `BrokenPipe`.
    pub fn give_output_up(&mut self) {
        self.is_broken = true;
        self.discard_output();
        // No event tells of what the peer sent before it hung up.
        self.ready = Readiness {
            readable: true,
            writable: false,
            read_on: true,
        };
    }

    /// Drops output that will not be sent.
    pub fn discard_output(&mut self) {
        self.output = Box::default();
    }

    /// Begins TLS, after the output that is unsent. The peer has sent `early` of it already.
    ///
    /// # Errors
    /// The system refuses what TLS needs.
    pub fn begin_tls(&mut self, tls: &dyn StartTls, early: BytesMut) -> io::Result<()> {
        let unsent = BytesMut::from(&*mem::take(&mut self.output));
        // The socket may be drained; no event tells of octets that were taken out of it before.
        self.ready.readable |= !early.is_empty();
        self.link.begin_tls(tls, early, unsent)
    }

    /// Reads once, and goes on with the handshake of TLS.
    pub fn handshake(&mut self) -> HandshakeStep {
        let step = self.link.handshake();
        if let Ok(Handshake::WouldBlock) = step.outcome {
            self.ready.readable = false;
            if self.is_broken {
                let outcome = Err(ErrorKind::BrokenPipe.into());
                return HandshakeStep { outcome, ..step };
            }
        }
        step
    }

    /// Says in TLS that no more text will come. The alert may be [`unsent`](Self::unsent) at first as all output; it is to be
    /// called when nothing else is.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn close_notify(&mut self) -> io::Result<()> {
        self.link.close_notify()?;
        self.write(&[]).map(drop)
    }

    /// Ends the output; reading goes on.
    ///
    /// # Errors
    /// As shutdown(2).
    pub fn shutdown_write(&mut self) -> io::Result<()> {
        self.link.shutdown_write()
    }

    /// Octets read so far; in TLS those of the text.
    pub fn bytes_in(&self) -> u64 {
        self.bytes_in
    }

    /// Octets written so far; in TLS those of the text.
    pub fn bytes_out(&self) -> u64 {
        self.bytes_out
    }
}

#[cfg(test)]
mod tests;
