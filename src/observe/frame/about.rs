//! Facts about frames: whose they are, and names within them.

use super::{ClientFrame, FilterFrame, Frame, RelayFrame};
use crate::net::driver::ConnectionId;
use crate::observe::codec::RecordValue;

/// The names of a message that was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueuedAs<'a> {
    /// The queue id.
    pub id: &'a str,
    /// The number of the draft.
    pub draft: usize,
}

impl<'a> RecordValue<'a> for QueuedAs<'a> {
    fn put(&self, out: &mut Vec<u8>) {
        self.id.put(out);
        self.draft.put(out);
    }

    fn take(from: &mut &'a [u8]) -> Option<Self> {
        Some(Self {
            id: <&str>::take(from)?,
            draft: usize::take(from)?,
        })
    }
}

impl<'a> From<ClientFrame<'a>> for Frame<'a> {
    fn from(frame: ClientFrame<'a>) -> Self {
        Self::Client { frame }
    }
}

impl<'a> From<FilterFrame<'a>> for Frame<'a> {
    fn from(frame: FilterFrame<'a>) -> Self {
        Self::Filter { frame }
    }
}

impl<'a> From<RelayFrame<'a>> for Frame<'a> {
    fn from(frame: RelayFrame<'a>) -> Self {
        Self::Relay { frame }
    }
}

impl<'a> Frame<'a> {
    /// Reads the octets of one frame; `None` if they are none.
    #[must_use]
    pub fn read(mut octets: &'a [u8]) -> Option<Self> {
        let frame = Self::take(&mut octets)?;
        octets.is_empty().then_some(frame)
    }

    /// The connection that the frame is about, if it is about one.
    #[must_use]
    pub fn connection(&self) -> Option<ConnectionId> {
        match *self {
            Frame::Added { connection, .. }
            | Frame::Refused { connection, .. }
            | Frame::Read { connection, .. }
            | Frame::Write { connection, .. }
            | Frame::ShutdownWrite { connection, .. }
            | Frame::TlsStarted { connection, .. }
            | Frame::Handshake { connection, .. }
            | Frame::TlsRead { connection, .. }
            | Frame::TlsWrite { connection, .. }
            | Frame::TlsFlush { connection, .. }
            | Frame::CloseNotify { connection, .. }
            | Frame::Used { connection, .. }
            | Frame::Left { connection, .. }
            | Frame::Said { connection, .. }
            | Frame::State { connection, .. }
            | Frame::Entered { connection, .. }
            | Frame::Closed { connection, .. }
            | Frame::Turn { connection, .. }
            | Frame::LoginBegun { connection, .. }
            | Frame::LoginResponse { connection, .. }
            | Frame::LoginProgress { connection, .. }
            | Frame::KeyDerived { connection, .. }
            | Frame::UserLookedUp { connection, .. }
            | Frame::Admit { connection, .. }
            | Frame::Check { connection, .. }
            | Frame::Begin { connection, .. }
            | Frame::Readdress { connection, .. }
            | Frame::Text { connection, .. }
            | Frame::Abort { connection, .. }
            | Frame::Submit { connection, .. }
            | Frame::Decided { connection, .. } => Some(connection),
            Frame::Client { frame } => frame.connection(),
            Frame::Relay { frame } => frame.connection(),
            Frame::Filter { frame } => frame.connection(),
            _ => None,
        }
    }
}
