//! The frames of mail filters: what sessions ask them and what they decide, and the texts on hold.
//!
//! A message that filters are to see is on hold until they have; what is read of it then, on its way to the store, is in the record, packed,
//! and hidden as the text of messages is. Replies, macros and addresses are as they are said.

use super::table::frames;
use crate::net::driver::ConnectionId;
use crate::observe::codec::RecordValue;
use crate::observe::outcome::{FailureCode, ReadCode, StepCode, VerdictCode};

frames! { FilterFrame
    /// New sessions ask these filters, from the start on or after a reload.
    1 Settings {
        /// The names of the filters.
        filters: &'a str,
        /// The names of those of listeners for submission, where they have others.
        of_submission: Option<&'a str>,
    }
    /// A session with filters begins.
    2 Opened {
        connection: ConnectionId,
    }
    /// The filters of a session are asked about a step.
    3 Asked {
        connection: ConnectionId,
        /// The step.
        step: StepCode<'a>,
        /// The macros that go with it: names and values, by turns.
        macros: &'a [u8],
    }
    /// The transaction of a session is over without a message.
    4 Aborted {
        connection: ConnectionId,
    }
    /// A session takes leave of its filters.
    5 Left {
        connection: ConnectionId,
    }
    /// The filters of a session have decided on the step that was asked about.
    6 Decided {
        connection: ConnectionId,
        /// The verdict.
        verdict: VerdictCode<'a>,
    }
    /// A text was begun on hold.
    7 Begun {
        connection: ConnectionId,
        /// Its number.
        text: usize,
    }
    /// Octets were appended to a text on hold.
    8 Text {
        connection: ConnectionId,
        /// Its number.
        text: usize,
        /// The number of octets.
        octets: usize,
        /// Their checksum, where text is kept.
        crc: Option<u32>,
        /// The result.
        result: Result<(), FailureCode<'a>>,
    }
    /// A text on hold was read.
    9 Read {
        connection: ConnectionId,
        /// Its number.
        text: usize,
        /// The first octet that was wanted.
        from: u64,
        /// The result.
        result: ReadCode<'a>,
        /// The octets, packed.
        octets: &'a [u8],
    }
    /// What was asked for of a text on hold was read, or could not be.
    10 ReadDone {
        connection: ConnectionId,
        /// The ticket under which it was asked for.
        ticket: u64,
        /// The octets, packed; or why there are none.
        result: Result<&'a [u8], FailureCode<'a>>,
    }
    /// A text on hold was dropped.
    11 Dropped {
        connection: ConnectionId,
        /// Its number.
        text: usize,
    }
}

impl FilterFrame<'_> {
    /// The connection that the frame is about, if it is about one.
    #[must_use]
    pub fn connection(&self) -> Option<ConnectionId> {
        match *self {
            Self::Settings { .. } => None,
            Self::Opened { connection }
            | Self::Asked { connection, .. }
            | Self::Aborted { connection }
            | Self::Left { connection }
            | Self::Decided { connection, .. }
            | Self::Begun { connection, .. }
            | Self::Text { connection, .. }
            | Self::Read { connection, .. }
            | Self::ReadDone { connection, .. }
            | Self::Dropped { connection, .. } => Some(connection),
        }
    }
}
