//! What the engine of the spool is given, and what it gives back.

use super::id::{MailId, SpoolPlace};
use crate::store::{Failure, Ticket};

/// Settings of the engine of the spool.
#[derive(Clone, Copy, Debug)]
pub struct SpoolOptions {
    /// Octets after which a segment is full.
    pub segment_bytes: u32,
    /// Octets of text from which on a message has a file of its own.
    pub big_bytes: usize,
    /// The most octets of messages that are held in memory until they are complete.
    pub drafts_bytes: usize,
    /// The most octets that one group commit writes to a log.
    pub group_bytes: usize,
    /// The number of used segments that are kept to be used again.
    pub spare_segments: usize,
    /// The number of small segments that are written beforehand, so that changes can be noted on a disk that is full.
    pub reserve_segments: usize,
    /// The age in seconds from which on a segment of new mail that is mostly dead is emptied into the cold log.
    pub settle_seconds: u32,
    /// Octets of the hot log above which its oldest segment is emptied, however much of it lives.
    pub hot_bytes: u64,
    /// Octets that a piece of the scan reads.
    pub scan_bytes: u64,
    /// Octets that a piece of the compaction copies.
    pub copy_bytes: usize,
}

impl Default for SpoolOptions {
    fn default() -> Self {
        Self {
            segment_bytes: 64 << 20,
            big_bytes: 64 << 10,
            drafts_bytes: 16 << 20,
            group_bytes: 8 << 20,
            spare_segments: 4,
            reserve_segments: 4,
            settle_seconds: 600,
            hot_bytes: 1 << 30,
            scan_bytes: 4 << 20,
            copy_bytes: 256 << 10,
        }
    }
}

/// A message that is settled.
#[derive(Debug)]
pub struct SettledMail {
    /// The ticket under which it was opened.
    pub ticket: Ticket,
    /// Its place, now that it is durable; or why it was refused.
    pub result: Result<SpoolPlace, Failure>,
}

/// A message that was in the spool when the engine started, and that is over for some recipient less than all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundMail {
    /// Its name.
    pub mail: MailId,
    /// Its place.
    pub place: SpoolPlace,
    /// Its envelope, as it was given.
    pub envelope: Vec<u8>,
    /// The number of its recipients.
    pub recipients: u16,
    /// The recipients that are done, have failed or were taken off.
    pub over: Vec<u16>,
    /// Whether it is held, for some recipients or all.
    pub is_held: bool,
    /// The recipients for whom it is held; none where it is all.
    pub held: Vec<u16>,
    /// Whether its sender was told of the delay.
    pub is_noticed: bool,
}

/// A change of the state of a message, with the envelope of its report encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedChange {
    /// The message.
    pub mail: MailId,
    /// The kind of the change.
    pub code: ChangeCode,
    /// The recipients that `Done`, `Failed`, `Deleted` and `Held` name.
    pub recipients: Vec<u16>,
    /// The report that becomes durable with the change.
    pub report: Option<EncodedReport>,
}

/// Kinds of changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeCode {
    /// These recipients have it.
    Done,
    /// These will never have it.
    Failed,
    /// These were taken off.
    Deleted,
    /// The sender was told of the delay.
    Noticed,
    /// Nothing is sent to these recipients until they are released; nor to any if none is named.
    Held,
    /// It is sent again.
    Released,
}

/// A report with its envelope encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedReport {
    /// Its name.
    pub mail: MailId,
    /// The number of its recipients.
    pub recipients: u16,
    /// Its envelope.
    pub envelope: Vec<u8>,
    /// Its text.
    pub text: Vec<u8>,
}

/// Counts of the work of an engine, since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpoolStats {
    /// Octets of the envelopes and texts of messages that were settled as durable.
    pub received_bytes: u64,
    /// Octets that were appended to segments.
    pub written_bytes: u64,
    /// Octets of `written_bytes` that were copies of what was there before.
    pub copied_bytes: u64,
    /// Groups that were synced.
    pub groups: u64,
    /// Groups that were refused.
    pub failed_groups: u64,
    /// Places at which something is not as it was written.
    pub damaged: u64,
    /// Segments that are free again.
    pub retired: u64,
}
