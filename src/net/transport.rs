//! Non-blocking streams of octets, and what a read of one tells.

use std::io::{self, ErrorKind};

/// A non-blocking stream of octets. An operation that cannot go on fails with `WouldBlock`; readiness events tell when to
/// try again.
pub trait Transport {
    /// Whether a read that returned less than was asked for has drained the stream, so that no second read is needed to meet
    /// `WouldBlock`. Sockets of Linux do so (epoll(7), question 9), unless
    /// [`Readiness::read_on`](super::channel::Readiness::read_on) is set.
    fn short_read_drains(&self) -> bool;

    /// Whether a stream that was dialed is connected, once an event has told of it.
    ///
    /// # Errors
    /// As connect(2), for why it will not be.
    fn is_connected(&self) -> io::Result<bool> {
        Ok(true)
    }

    /// Reads what is there; 0 is the end of the stream.
    ///
    /// # Errors
    /// As [`std::io::Read::read`].
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize>;

    /// Writes what there is room for.
    ///
    /// # Errors
    /// As [`std::io::Write::write`].
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// Writes the last octets before [`shutdown_write`](Self::shutdown_write). The end of the stream may travel in their packet.
    ///
    /// # Errors
    /// As [`std::io::Write::write`].
    fn write_last(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write(bytes)
    }

    /// Ends the output; reading goes on.
    ///
    /// # Errors
    /// As shutdown(2).
    fn shutdown_write(&mut self) -> io::Result<()>;
}

/// Outcome of one read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// So many octets; there may be more.
    Data(usize),
    /// So many octets, and the socket is empty: only an event tells of more.
    Drained(usize),
    /// No octets, yet there may be some at once: a signal interrupted the call, or a TLS record held no text.
    Progress,
    /// The socket is empty: only an event tells of more.
    WouldBlock,
    /// The end of the stream.
    Eof,
}

impl Read {
    /// Reads `transport` once.
    pub(super) fn from(transport: &mut impl Transport, buffer: &mut [u8]) -> io::Result<Self> {
        match transport.read(buffer) {
            Ok(0) => Ok(Self::Eof),
            Ok(count) => Ok(Self::of_text(
                count,
                count < buffer.len() && transport.short_read_drains(),
            )),
            Err(error) => Self::from_error(error),
        }
    }

    /// So many octets, after which the socket is empty or perhaps not.
    pub(super) fn of_text(count: usize, is_drained: bool) -> Self {
        if is_drained {
            Self::Drained(count)
        } else {
            Self::Data(count)
        }
    }

    /// Sorts out the errors that are no failure of the connection.
    pub(super) fn from_error(error: io::Error) -> io::Result<Self> {
        match error.kind() {
            ErrorKind::Interrupted => Ok(Self::Progress),
            ErrorKind::WouldBlock => Ok(Self::WouldBlock),
            _ => Err(error),
        }
    }

    /// Caps the number of octets at this many.
    #[must_use]
    pub fn at_most(self, octets: usize) -> Self {
        match self {
            Self::Data(count) => Self::Data(count.min(octets)),
            Self::Drained(count) => Self::Drained(count.min(octets)),
            Self::Progress | Self::WouldBlock | Self::Eof => self,
        }
    }

    /// The number of octets that were read.
    #[must_use]
    pub fn count(self) -> usize {
        match self {
            Self::Data(count) | Self::Drained(count) => count,
            Self::Progress | Self::WouldBlock | Self::Eof => 0,
        }
    }
}
