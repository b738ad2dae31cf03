//! The frames of mail that is sent on: connections to hops, names, and the spool.
//!
//! Connections to hops have ids of their own, and the frames of all connections. What the spool holds of a message is hidden as
//! the text of messages is; envelopes are as the spool writes them.

use super::table::frames;
use crate::net::channel::Readiness;
use crate::net::driver::ConnectionId;
use crate::net::epoch::Nanoseconds;
use crate::net::peer::PeerAddress;
use crate::observe::codec::RecordValue;
use crate::observe::outcome::{ErrorCode, FailureCode, NameCode, ReadCode};

frames! { RelayFrame
    /// Mail is sent on by these settings, from the start on or after a reload.
    1 Settings {
        /// The time.
        now: Nanoseconds,
        /// The wall clock, in nanoseconds of the epoch.
        wall: u64,
        /// Schedule, limits, and which hops are logged in to.
        settings: &'a [u8],
    }
    /// An event of a connection to a hop.
    2 Event {
        /// The key of the connection.
        key: usize,
        /// The readiness.
        readiness: Readiness,
    }
    /// A command of the operator about a message.
    3 Command {
        /// Its place in the list of commands.
        command: u8,
        /// The queue id.
        mail: &'a str,
        /// The recipients, by index; `None` for all.
        recipients: Option<&'a [u8]>,
    }
    /// What belongs to a tick of mail that is sent on is done.
    4 TickEnd {
        /// The instant at which connections or the queue want to be woken.
        wake: Option<Nanoseconds>,
        /// Messages in the queue.
        queued: usize,
    }
    /// A connection to a hop was begun.
    5 Dialed {
        /// Its key.
        key: usize,
        /// Its id.
        connection: ConnectionId,
        /// The address.
        address: &'a str,
        /// Whether a short read drains its transport.
        short_read_drains: bool,
        /// The peer, or why there is no connection.
        result: Result<PeerAddress, ErrorCode>,
    }
    /// Something was asked of a name.
    6 LookedUp {
        /// The number of its kind.
        kind: u8,
        /// The name.
        name: &'a str,
        /// The ticket under which the answer comes; `None` if it is here.
        ticket: Option<u64>,
        /// What was found, or why nothing was.
        answer: NameCode<'a>,
    }
    /// The answer to a question has come.
    7 NameAnswered {
        /// The ticket.
        ticket: u64,
        /// What was found, or why nothing was.
        answer: NameCode<'a>,
    }
    /// A message joined the queue.
    8 Joined {
        /// The queue id.
        mail: &'a str,
        /// Its place in the spool.
        place: PlaceCode,
        /// Its envelope.
        envelope: &'a [u8],
        /// The recipients that are over, by index.
        over: &'a [u8],
        /// Whether it was found in the spool at a start.
        is_found: bool,
        /// Whether it is held, for some recipients or all.
        is_held: bool,
        /// The recipients that are held, by index; none where it is all.
        held: &'a [u8],
        /// Whether its sender was told of the delay.
        is_noticed: bool,
    }
    /// A message lies elsewhere now.
    9 Moved {
        /// The queue id.
        mail: &'a str,
        /// Its place in the spool.
        place: PlaceCode,
    }
    /// A message was read.
    10 Read {
        /// The queue id.
        mail: &'a str,
        /// Its place in the spool.
        place: PlaceCode,
        /// The result.
        result: ReadCode<'a>,
        /// Its envelope, if it was read.
        envelope: &'a [u8],
        /// Its text, unless it is read in pieces.
        text: Option<&'a [u8]>,
    }
    /// A piece of the text of a message was read.
    11 Piece {
        /// The queue id.
        mail: &'a str,
        /// The first octet that was wanted.
        from: u64,
        /// The most octets that were wanted.
        bytes_max: usize,
        /// The result.
        result: ReadCode<'a>,
        /// The octets.
        octets: &'a [u8],
    }
    /// A read is worth another try.
    12 ReadReady {
        /// The ticket.
        ticket: u64,
    }
    /// The state of a message was changed.
    13 Changed {
        /// The queue id.
        mail: &'a str,
        /// The number of the kind of change.
        kind: u8,
        /// The recipients, by index.
        recipients: &'a [u8],
        /// The report that goes with it.
        report: Option<ReportCode<'a>>,
    }
    /// A message of ours was given a name.
    14 Named {
        /// The queue id.
        result: Result<&'a str, FailureCode<'a>>,
    }
    /// A message is to be delivered to a mailbox here.
    15 LocalAsked {
        /// The queue id.
        mail: &'a str,
        /// The recipient, by index.
        recipient: u16,
        /// The ticket for the result.
        ticket: u64,
    }
    /// A message was delivered to a mailbox here, or not.
    16 LocalDone {
        /// The ticket.
        ticket: u64,
        /// The result.
        result: Result<(), FailureCode<'a>>,
    }
    /// The spool is in another state.
    17 Spool {
        /// The state.
        state: SpoolState,
    }
    /// The message that was opened last goes to the spool, which is no final delivery.
    18 Spooled {
        /// The connection.
        connection: ConnectionId,
    }
}

impl RelayFrame<'_> {
    /// The connection that the frame is about, if it is about one.
    #[must_use]
    pub fn connection(&self) -> Option<ConnectionId> {
        match *self {
            Self::Dialed {
                connection,
                result: Ok(_),
                ..
            }
            | Self::Spooled { connection } => Some(connection),
            _ => None,
        }
    }
}

/// The state of a spool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpoolState {
    /// Whether its process works.
    pub is_ready: bool,
    /// Whether it takes no more changes now.
    pub is_full: bool,
    /// Whether messages are still being found.
    pub is_scanning: bool,
    /// When a server of before was seen alive at last, in milliseconds of the epoch.
    pub alive_until_ms: Option<u64>,
}

impl RecordValue<'_> for SpoolState {
    fn put(&self, out: &mut Vec<u8>) {
        self.is_ready.put(out);
        self.is_full.put(out);
        self.is_scanning.put(out);
        self.alive_until_ms.put(out);
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        Some(Self {
            is_ready: bool::take(from)?,
            is_full: bool::take(from)?,
            is_scanning: bool::take(from)?,
            alive_until_ms: RecordValue::take(from)?,
        })
    }
}

/// The place of a message in the spool, as a record holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlaceCode {
    /// The number of the segment.
    pub segment: u32,
    /// The start of the record within the segment, in octets.
    pub offset: u32,
    /// Octets of the envelope.
    pub envelope_bytes: u32,
    /// Octets of the text.
    pub text_bytes: u64,
    /// Facts about the text.
    pub text_flags: u8,
}

impl RecordValue<'_> for PlaceCode {
    fn put(&self, out: &mut Vec<u8>) {
        self.segment.put(out);
        self.offset.put(out);
        self.envelope_bytes.put(out);
        self.text_bytes.put(out);
        self.text_flags.put(out);
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        Some(Self {
            segment: u32::take(from)?,
            offset: u32::take(from)?,
            envelope_bytes: u32::take(from)?,
            text_bytes: u64::take(from)?,
            text_flags: u8::take(from)?,
        })
    }
}

/// A report, as a record holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReportCode<'a> {
    /// Its queue id.
    pub mail: &'a str,
    /// Its envelope.
    pub envelope: &'a [u8],
    /// The number of octets of its text and their checksum, where text is kept: what it quotes is hidden elsewhere.
    pub text: Option<(u64, u32)>,
}

impl<'a> RecordValue<'a> for ReportCode<'a> {
    fn put(&self, out: &mut Vec<u8>) {
        self.mail.put(out);
        self.envelope.put(out);
        self.text.map(|(octets, _)| octets).put(out);
        self.text.map(|(_, crc)| crc).put(out);
    }

    fn take(from: &mut &'a [u8]) -> Option<Self> {
        Some(Self {
            mail: <&str>::take(from)?,
            envelope: <&[u8]>::take(from)?,
            text: Option::zip(RecordValue::take(from)?, RecordValue::take(from)?),
        })
    }
}
