//! A transport with its write buffer and what it has told about itself: the rules of edge-triggered I/O.
//!
//! An edge tells once. So what an event said stays true here until an operation has met `WouldBlock`, and
//! nobody waits for an event before that.

use std::io::{self, ErrorKind};

use bytes::{Buf, BytesMut};

use super::transport::Transport;

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

/// A transport, and the output that it had no room for.
#[derive(Debug)]
pub struct Channel<T> {
    transport: T,
    ready: Readiness,
    output: BytesMut,
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
            output: BytesMut::new(),
            bytes_in: 0,
            bytes_out: 0,
        }
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

    /// Reads once, and tells how many octets that gave.
    ///
    /// # Errors
    /// What the socket said, unless it only was not the time.
    pub fn fill(&mut self, buffer: &mut [u8]) -> io::Result<(usize, Fill)> {
        let received = loop {
            match self.transport.read(buffer) {
                Ok(received) => break received,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.ready.readable = false;
                    return Ok((0, Fill::Drained));
                }
                Err(error) => return Err(error),
            }
        };
        if received == 0 {
            return Ok((0, Fill::Eof));
        }
        self.bytes_in += received as u64;
        let drained = T::SHORT_READ_DRAINS && received < buffer.len() && !self.ready.read_on;
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
        if self.output.is_empty() {
            let written = self.write(replies)?;
            self.output.extend_from_slice(&replies[written..]);
            replies.clear();
            return Ok(());
        }
        self.output.extend_from_slice(replies);
        replies.clear();
        let mut output = std::mem::take(&mut self.output);
        let written = self.write(&output)?;
        if written < output.len() {
            output.advance(written);
            self.output = output;
        }
        Ok(())
    }

    /// Writes as much of `bytes` as the socket takes, and returns how much that was.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut written = 0;
        while written < bytes.len() && self.ready.writable {
            match self.transport.write(&bytes[written..]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(taken) => {
                    written += taken;
                    self.bytes_out += taken as u64;
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
        self.output.len()
    }

    /// Drops output that will not be sent.
    pub fn discard_output(&mut self) {
        self.output = BytesMut::new();
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
