//! What is read from the spool, and for which purpose.

use std::time::Instant;

use super::mail_event::AddressedReport;
use crate::outbound::desk::TextTicket;
use crate::outbound::opening::HostFailure;
use crate::outbound::queue::{OutgoingId, StartedJob};
use crate::store::spool::{MailId, SpoolPlace};

/// The purpose for which a mail is read.
#[derive(Debug)]
pub(super) enum ReadFor {
    /// A connection sends it.
    Sending(OutgoingId, StartedJob),
    /// No host of its site takes it, and the log is told.
    Unreached(OutgoingId, StartedJob, HostFailure),
    /// These recipients are given up.
    Expiry(MailId, Vec<u16>),
    /// Its sender is told that these recipients have not got it.
    Delay(MailId, Vec<u16>),
}

impl ReadFor {
    /// The mail.
    pub(super) fn mail(&self) -> MailId {
        match self {
            Self::Sending(_, started) | Self::Unreached(_, started, _) => started.mail,
            Self::Expiry(mail, _) | Self::Delay(mail, _) => *mail,
        }
    }
}

/// What waits for the spool process to read something.
#[derive(Debug)]
pub(super) enum AwaitedRead {
    Mail(ReadFor),
    Piece(WantedPiece),
    /// The start of its message.
    Report(Box<AddressedReport>),
    /// The envelope, since routes are others now.
    Route(MailId),
}

/// A read that failed for now: there is no spool process, or the mail is not where it was and nobody has told yet where it is.
#[derive(Debug)]
pub(super) struct ParkedRead {
    pub(super) read: AwaitedRead,
    /// When it is given up.
    pub(super) until: Instant,
}

/// A piece of text that a connection wants.
#[derive(Clone, Copy, Debug)]
pub(super) struct WantedPiece {
    pub(super) ticket: TextTicket,
    pub(super) mail: MailId,
    pub(super) place: SpoolPlace,
    pub(super) at: u64,
    pub(super) bytes_max: usize,
}
