//! The engine of the spool: the work on its disk. It may block, and so runs in a process of its own.
//!
//! There are two logs. The hot one takes new mail, most of which is over before its segment is full, so that whole segments
//! are used again unread. What is still queued when all around it is over is copied once to the cold log.
//!
//! # Invariants
//! - A record counts once a sync has covered it: then a message is settled, a change applied to the index, a report known.
//! - A change goes to the log that has its message, so that it never outlives or precedes it there.
//! - Each log drops its oldest segment first: a change is never dropped before what it changes.
//! - A segment of the cold log is dropped only while no segment of the hot log has an older record of any moved message; what
//!   is over in the cold log is not found again in the hot one.

mod commit;
mod compact;
mod recover;
mod scan;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

use std::collections::VecDeque;
use std::{io, vec};

use super::disk::SpoolDisk;
use super::drafts::SpoolDrafts;
use super::handover::{EncodedChange, FoundMail, SettledMail, SpoolOptions, SpoolStats};
use super::id::{MailId, SpoolPlace};
use super::index::{IndexEntry, SpoolIndex};
use super::log::SpoolLogs;
use super::pool::{SegmentNeed, SegmentPool};
use crate::store::{Failure, Ticket};
use compact::Compaction;
use scan::SpoolScan;

/// The work on the disk of a spool: takes messages and changes of their state, makes them durable in groups, finds again what
/// was there before, and makes room.
#[derive(Debug)]
pub struct SpoolEngine<D: SpoolDisk> {
    disk: D,
    /// Tells other processes that this one is alive.
    _lock: D::Lock,
    options: SpoolOptions,
    now_seconds: u32,
    /// The number of the last record.
    sequence: u64,
    pool: SegmentPool,
    logs: SpoolLogs<D::File>,
    index: SpoolIndex,
    drafts: SpoolDrafts<D::File>,
    /// Changes that are not durable yet.
    changes: VecDeque<EncodedChange>,
    changes_durable: u64,
    settled: Vec<SettledMail>,
    reported: Vec<(MailId, SpoolPlace)>,
    moved: Vec<(MailId, SpoolPlace)>,
    /// What was there at the start and is not looked at yet.
    scan: Option<SpoolScan<D::File>>,
    compaction: Compaction<D::File>,
    /// When the reserve could not be made, and why.
    reserve_failure: Option<(u32, Failure)>,
    /// Whether the log says already that changes cannot be written.
    is_told_of_trouble: bool,
    stats: SpoolStats,
}

impl<D: SpoolDisk> SpoolEngine<D> {
    /// Starts work on `disk`: locks it, chooses an instance later than all before, and opens a new segment, so that mail is
    /// accepted at once. What was there before is found by [`scan`](Self::scan).
    ///
    /// # Errors
    /// `WouldBlock` while another process works on it; `Unsupported` if a newer mailoop wrote it; otherwise any error of the
    /// disk.
    pub fn start(mut disk: D, options: SpoolOptions, now_seconds: u32) -> io::Result<Self> {
        let lock = recover::claim(&mut disk)?;
        let mut found = recover::look(&mut disk, now_seconds, &options)?;
        let mut logs = SpoolLogs::new(found.hot, found.cold);
        logs.hot
            .prepare(&mut disk, &mut found.pool, 0, SegmentNeed::Needed)?;
        // Where that fails mail is refused until it does not.
        let _ = found.pool.fill_reserve(&mut disk);
        Ok(Self {
            disk,
            _lock: lock,
            options,
            now_seconds,
            sequence: u64::from(found.pool.instance()) << 32,
            pool: found.pool,
            logs,
            index: SpoolIndex::default(),
            drafts: SpoolDrafts::new(options.drafts_bytes, options.big_bytes),
            changes: VecDeque::new(),
            changes_durable: 0,
            settled: Vec::new(),
            reported: Vec::new(),
            moved: Vec::new(),
            scan: Some(found.scan),
            compaction: Compaction::default(),
            reserve_failure: None,
            is_told_of_trouble: false,
            stats: SpoolStats::default(),
        })
    }

    /// The instance, with which the names of all messages begin that are taken in now.
    #[must_use]
    pub fn instance(&self) -> u32 {
        self.pool.instance()
    }

    /// Sets the time, by which segments become old.
    pub fn set_time(&mut self, now_seconds: u32) {
        self.now_seconds = now_seconds;
    }

    /// Looks at a bounded piece of what was there at the start, the newest segments first, and pushes the messages that are
    /// not over. Returns whether there is more. What cannot be read is logged, counted and kept.
    pub fn scan(&mut self, found: &mut Vec<FoundMail>) -> bool {
        self.scan_piece(found)
    }

    /// Whether [`scan`](Self::scan) has something to look at now: not so after its end, nor in the second after the disk has
    /// failed.
    #[must_use]
    pub fn can_scan(&self) -> bool {
        let scan = self.scan.as_ref();
        scan.is_some_and(|scan| !scan.is_waiting(self.now_seconds))
    }

    /// Opens the message `ticket`, which is to be called `mail`, for so many recipients. The envelope is for whoever reads it.
    pub fn open(&mut self, ticket: Ticket, mail: MailId, recipients: u16, envelope: &[u8]) {
        self.drafts.open(ticket, mail, recipients, envelope);
    }

    /// Has an open message held from the moment on at which it is durable, until it is released. One record has both.
    pub fn hold(&mut self, ticket: Ticket) {
        self.drafts.hold(ticket);
    }

    /// Appends to an open message. A failure is told when it is submitted.
    pub fn write(&mut self, ticket: Ticket, text: &[u8]) {
        self.drafts.write(&mut self.disk, ticket, text);
    }

    /// Drops an open message and all traces of it.
    pub fn abort(&mut self, ticket: Ticket) {
        self.drafts.abort(&mut self.disk, ticket);
    }

    /// Closes a complete message, which a later round will settle.
    pub fn submit(&mut self, ticket: Ticket) {
        if let Err(failure) = self.drafts.submit(ticket) {
            let result = Err(failure);
            self.settled.push(SettledMail { ticket, result });
        }
    }

    /// Takes a change, which joins the next group. It is never refused: where a sync fails, it is written once more. A change
    /// of a message that the scan has still to find waits for that; one that the spool knows already is durable.
    pub fn change(&mut self, change: EncodedChange) {
        self.changes.push_back(change);
    }

    /// Commits one group: appends what is complete, syncs it, and settles it. Returns whether anything came of it: not so
    /// where there is nothing to do, and where changes wait for the scan or for a disk that takes no more.
    pub fn round(&mut self) -> bool {
        self.commit_group()
    }

    /// Whether [`round`](Self::round) or [`settled`](Self::settled) has something to do, or to try again.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        self.drafts.has_complete() || !self.changes.is_empty() || !self.settled.is_empty()
    }

    /// Takes the messages that were settled since the last call.
    pub fn settled(&mut self) -> vec::Drain<'_, SettledMail> {
        self.settled.drain(..)
    }

    /// The number of changes that are durable: so many of the first that were given.
    #[must_use]
    pub fn changes_durable(&self) -> u64 {
        self.changes_durable
    }

    /// Takes the places of reports that became durable, with the changes they came with, since the last call.
    pub fn reported(&mut self) -> vec::Drain<'_, (MailId, SpoolPlace)> {
        self.reported.drain(..)
    }

    /// Takes the new places of messages that were moved since the last call.
    pub fn moved(&mut self) -> vec::Drain<'_, (MailId, SpoolPlace)> {
        self.moved.drain(..)
    }

    /// Does a bounded piece of the work that makes room: removes what is over, moves what stays. Called between rounds.
    /// Returns whether there is more to do at once.
    pub fn compact(&mut self) -> bool {
        self.compact_piece()
    }

    /// Whether a group was refused that a restart could still find, since the disk takes no word of that. Changes wait
    /// meanwhile.
    #[must_use]
    pub fn is_stuck(&self) -> bool {
        !self.logs.are_sound()
    }

    /// Ends the work: says in the segments that they end here, so that the next start need not look for it.
    pub fn close(mut self) {
        self.logs.hot.seal(&mut self.disk);
        self.logs.cold.seal(&mut self.disk);
    }

    /// The number of octets that may still be written: what is free, and what is to be used again.
    pub fn free_bytes(&mut self) -> u64 {
        let own = self.pool.spare_bytes() + self.logs.hot.dead_bytes();
        self.disk.free_bytes().saturating_add(own)
    }

    /// The number of messages that are not over, as far as they are found.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.index.len()
    }

    /// Counts of what was done since the start.
    #[must_use]
    pub fn stats(&self) -> SpoolStats {
        self.stats
    }

    /// The disk that the work is done on.
    pub fn disk(&mut self) -> &mut D {
        &mut self.disk
    }

    /// Notes a message that is durable.
    fn add_mail(&mut self, mail: MailId, entry: IndexEntry) {
        if let Some(segment) = self.logs.segment_mut(entry.segment) {
            segment.live += 1;
            segment.live_bytes += entry.bytes();
        }
        self.index.insert(mail, entry);
    }

    /// Notes that a message is over for all.
    fn end_mail(&mut self, mail: MailId) {
        let Some(entry) = self.index.get(mail).copied() else {
            return;
        };
        self.index.remove(mail);
        if let Some(scan) = &mut self.scan {
            scan.note_over(mail);
        }
        if let Some(segment) = self.logs.segment_mut(entry.segment) {
            segment.live = segment.live.saturating_sub(1);
            segment.live_bytes = segment.live_bytes.saturating_sub(entry.bytes());
        }
        if entry.is_big() {
            self.compaction.over_big.push(mail);
        }
    }
}
