//! Who is told of the outcome of a message. Nobody outside of this server ever is: the sender of a message from outside may be
//! forged, and a report to it would be backscatter.

use core::fmt;

use super::{ReportAction, ReportedRecipient};
use crate::smtp::dsn::Notify;
use crate::smtp::path::ReversePath;
use crate::store::spool::SpoolEnvelope;

/// The most reports to the postmaster within [`POSTMASTER_INTERVAL_MS`].
pub(super) const POSTMASTER_REPORTS_MAX: usize = 10;
/// An hour.
const POSTMASTER_INTERVAL_MS: u64 = 3_600_000;

/// The one who is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportAddressee {
    /// The sender, who is a user of ours.
    Sender,
    /// The postmaster of this server, since the sender is a stranger.
    Postmaster {
        /// Reports that were left out since the last one.
        left_out: u64,
    },
}

/// Why nobody is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoReport {
    /// The sender did not ask for it (RFC 3461 §4.1).
    NotAskedFor,
    /// The message is itself a report, or another one that must not be answered (RFC 5321 §4.5.5).
    NullSender,
    /// It was no failure, and the sender is a stranger.
    Stranger,
    /// The postmaster had many already; the next report counts it.
    TooMany,
}

impl fmt::Display for NoReport {
    /// The reason, for the log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAskedFor => "the sender did not ask for it",
            Self::NullSender => "the message has no sender",
            Self::Stranger => "the sender is no address of ours",
            Self::TooMany => "the postmaster had many within the hour",
        })
    }
}

/// Decides who is told of what, and remembers how many reports the postmaster had.
#[derive(Clone, Debug, Default)]
pub struct ReportPolicy {
    /// The times of the last reports to the postmaster, in milliseconds of the epoch; the oldest is written over.
    sent_ms: [Option<u64>; POSTMASTER_REPORTS_MAX],
    /// The place of the oldest.
    next: usize,
    /// Reports that were left out since the last one.
    left_out: u64,
}

impl ReportPolicy {
    /// Takes those out of `reported` of whom nobody is told, and says who is told of the others. It counts once it is
    /// [made](Self::note_made).
    ///
    /// # Errors
    /// Why nobody is told of anything.
    pub fn decide(
        &mut self,
        envelope: &SpoolEnvelope,
        reported: &mut Vec<ReportedRecipient<'_>>,
        now_ms: u64,
    ) -> Result<ReportAddressee, NoReport> {
        reported.retain(|told| is_asked_for(envelope, told.index, told.action));
        if reported.is_empty() {
            return Err(NoReport::NotAskedFor);
        }
        if envelope.sender == ReversePath::Null {
            return Err(NoReport::NullSender);
        }
        if envelope.sender_is_ours {
            return Ok(ReportAddressee::Sender);
        }
        reported.retain(|recipient| recipient.action == ReportAction::Failed);
        if reported.is_empty() {
            return Err(NoReport::Stranger);
        }
        self.postmaster(now_ms)
    }

    /// The postmaster, unless there were too many reports to that one.
    ///
    /// # Errors
    /// [`NoReport::TooMany`].
    pub fn postmaster(&mut self, now_ms: u64) -> Result<ReportAddressee, NoReport> {
        let oldest = self.sent_ms[self.next];
        // A clock that was set back makes nobody wait for longer than the interval.
        let is_recent = |at: u64| now_ms.abs_diff(at) < POSTMASTER_INTERVAL_MS;
        if oldest.is_some_and(is_recent) {
            self.left_out += 1;
            return Err(NoReport::TooMany);
        }
        let left_out = self.left_out;
        Ok(ReportAddressee::Postmaster { left_out })
    }

    /// Notes that a report was made, and how many left out ones it tells of.
    pub fn note_made(&mut self, addressee: ReportAddressee, now_ms: u64) {
        if let ReportAddressee::Postmaster { left_out } = addressee {
            self.sent_ms[self.next] = Some(now_ms);
            self.next = (self.next + 1) % POSTMASTER_REPORTS_MAX;
            self.left_out = self.left_out.saturating_sub(left_out);
        }
    }
}

/// Whether the sender wants to know of such an event of this recipient.
pub(in crate::outbound) fn is_asked_for(
    envelope: &SpoolEnvelope,
    index: u16,
    action: ReportAction,
) -> bool {
    let recipient = envelope.recipients.get(usize::from(index));
    let dsn = recipient.and_then(|recipient| recipient.dsn.as_ref());
    let notify = dsn.and_then(|dsn| dsn.notify).unwrap_or(Notify::UNSAID);
    match action {
        ReportAction::Failed => notify.failure,
        ReportAction::Delayed => notify.delay,
        ReportAction::Delivered | ReportAction::Relayed => notify.success,
    }
}
