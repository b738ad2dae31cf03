//! The scan of one segment: its messages, and the changes of those that lie before it.
//!
//! A record that begins a group tells that all before it was synced: what is not as it was written there is damage. After the
//! last such record, it is a group that a power cut has torn, and of which nobody was told.

use std::collections::{HashMap, HashSet};
use std::{io, mem};

use super::{FoundState, ScanTarget};
use crate::store::spool::disk::SpoolDisk;
use crate::store::spool::group::listed;
use crate::store::spool::id::MailId;
use crate::store::spool::record::{RecordHead, RecordKind};
use crate::store::spool::segment::RECORDS_START;
use crate::store::spool::segment_reader::SegmentReader;

/// Octets of a text up to which it is read where it lies: to skip it would cost more.
const TEXT_READ_MAX: u64 = 8 * 1024;
/// The distance of places where a record may begin.
const STEP: u64 = 16;

/// A segment that is being read.
#[derive(Debug)]
pub(super) struct SegmentScan<F> {
    pub(super) target: ScanTarget,
    reader: SegmentReader<F>,
    at: u64,
    /// The end of the last record.
    end: u64,
    /// The start of the present group: all before was synced.
    group: u64,
    mails: Vec<ScannedMail>,
    /// Records of the present group whose texts were not read, or are bad.
    suspects: Vec<Suspect>,
    /// Whether something in the present group is no record.
    has_gap: bool,
    damaged: u64,
    steps: u64,
}

/// A message that was found in a segment.
#[derive(Debug)]
pub(super) struct ScannedMail {
    pub(super) mail: MailId,
    pub(super) offset: u64,
    pub(super) bytes: u64,
    pub(super) sequence: u64,
    pub(super) recipients: u16,
    pub(super) is_big: bool,
    pub(super) is_held: bool,
    pub(super) is_noticed: bool,
    pub(super) state: Box<[u8]>,
}

/// A record whose text may be bad.
#[derive(Debug)]
struct Suspect {
    offset: u64,
    /// The head; none where the text is known to be bad.
    head: Option<RecordHead>,
}

/// A segment that was read to its end.
#[derive(Debug)]
pub(super) struct ScannedSegment<F> {
    pub(super) target: ScanTarget,
    pub(super) reader: SegmentReader<F>,
    pub(super) mails: Vec<ScannedMail>,
    pub(super) end: u64,
    /// Places at which something is not as it was written.
    pub(super) damaged: u64,
}

impl<F> SegmentScan<F> {
    pub(super) fn new(target: ScanTarget, reader: SegmentReader<F>) -> Self {
        let start = u64::from(RECORDS_START);
        Self {
            target,
            reader,
            at: start,
            end: start,
            group: start,
            mails: Vec::new(),
            suspects: Vec::new(),
            has_gap: false,
            damaged: 0,
            steps: 0,
        }
    }

    /// The work so far, in octets; each look for a record counts as its head.
    pub(super) fn work(&self) -> u64 {
        self.reader.read_bytes() + self.steps * STEP
    }

    /// Reads a record, or looks for the next one. Returns whether there may be more.
    pub(super) fn read_record<D: SpoolDisk<File = F>>(
        &mut self,
        disk: &mut D,
        states: &mut HashMap<MailId, FoundState>,
    ) -> bool {
        if self.at + RecordHead::BYTES as u64 > self.reader.limit() {
            return false;
        }
        self.steps += 1;
        let Some(head) = self.reader.head(disk, self.at) else {
            self.has_gap = true;
            self.at += STEP;
            return true;
        };
        if head.starts_group {
            self.confirm();
            self.group = self.at;
        }
        if head.kind == RecordKind::End {
            self.end = self.at;
            self.target.is_synced = true;
            self.at = self.reader.limit();
            return false;
        }
        let is_good = match head.kind {
            RecordKind::Mail | RecordKind::BigMail => self.read_mail(disk, self.at, &head),
            // The change around it is not whole.
            RecordKind::Nested => true,
            _ => self.read_change(disk, &head, states),
        };
        self.has_gap |= !is_good;
        self.at = self.at.saturating_add(head.step());
        self.end = self.at;
        true
    }

    /// Notes that all before was synced: what is bad there is damage.
    fn confirm(&mut self) {
        let bad = self
            .suspects
            .iter()
            .filter(|suspect| suspect.head.is_none());
        self.damaged += bad.count() as u64 + u64::from(self.has_gap);
        self.suspects.clear();
        self.has_gap = false;
    }

    /// Reads the message at an offset, and says whether it is as it was written, but for its text.
    fn read_mail<D: SpoolDisk<File = F>>(
        &mut self,
        disk: &mut D,
        offset: u64,
        head: &RecordHead,
    ) -> bool {
        let Some((_, state)) = self.reader.payload(disk, offset, head) else {
            return false;
        };
        let state = state.into();
        self.mails.push(ScannedMail {
            mail: head.mail,
            offset,
            bytes: head.step(),
            sequence: head.sequence,
            recipients: head.recipients,
            is_big: head.kind == RecordKind::BigMail,
            is_held: head.is_held,
            is_noticed: head.is_noticed,
            state,
        });
        let is_read = head.inline_bytes() <= TEXT_READ_MAX;
        if is_read && self.is_text_good(disk, offset, head) {
            return true;
        }
        self.suspects.push(Suspect {
            offset,
            head: (!is_read).then_some(*head),
        });
        true
    }

    fn is_text_good<D: SpoolDisk<File = F>>(
        &mut self,
        disk: &mut D,
        offset: u64,
        head: &RecordHead,
    ) -> bool {
        head.kind == RecordKind::BigMail || self.reader.text(disk, offset, head).is_some()
    }

    /// Reads a change and the report within it, and says whether it is as it was written.
    fn read_change<D: SpoolDisk<File = F>>(
        &mut self,
        disk: &mut D,
        head: &RecordHead,
        states: &mut HashMap<MailId, FoundState>,
    ) -> bool {
        let Some((list, _)) = self.reader.payload(disk, self.at, head) else {
            return false;
        };
        let recipients = listed(head, list);
        if head.text_bytes > 0 {
            if self.reader.text(disk, self.at, head).is_none() {
                return false;
            }
            let within = self.at + head.text_start();
            let nested = self.reader.head(disk, within);
            let nested = nested.filter(|nested| nested.kind == RecordKind::Nested);
            if !nested.is_some_and(|nested| self.read_mail(disk, within, &nested)) {
                return false;
            }
        }
        let state = states.entry(head.mail).or_default();
        match head.kind {
            RecordKind::Done | RecordKind::Failed | RecordKind::Deleted => {
                state.over.extend(recipients);
            }
            RecordKind::Noticed => state.is_noticed = true,
            RecordKind::Held | RecordKind::Released => {
                let is_newer = state
                    .held
                    .as_ref()
                    .is_none_or(|(newest, _)| *newest < head.sequence);
                if is_newer {
                    let held = (head.kind == RecordKind::Held).then_some(recipients);
                    state.held = Some((head.sequence, held));
                }
            }
            RecordKind::Mail | RecordKind::BigMail | RecordKind::Nested | RecordKind::End => {}
        }
        true
    }

    /// Makes the last group durable, which nothing tells to be so: whoever hears of it relies on it. It is written once more,
    /// since a sync that failed may have dropped it from what is to be written.
    pub(super) fn sync_end<D: SpoolDisk<File = F>>(&mut self, disk: &mut D) -> io::Result<()> {
        if !self.target.is_synced {
            self.reader.write_again(disk, self.group, self.end)?;
            self.target.is_synced = true;
        }
        Ok(())
    }

    /// Ends the scan of a segment: of a last group that may be torn, messages whose texts are bad are left out.
    pub(super) fn finish<D: SpoolDisk<File = F>>(mut self, disk: &mut D) -> ScannedSegment<F> {
        let suspects = mem::take(&mut self.suspects);
        let number = self.target.number;
        let mut torn = HashSet::new();
        for Suspect { offset, head } in suspects {
            let is_good = head.is_some_and(|head| self.is_text_good(disk, offset, &head));
            if !is_good {
                torn.insert(offset);
            }
        }
        if !torn.is_empty() {
            self.mails.retain(|mail| !torn.contains(&mail.offset));
            log::warn!("spool=torn segment={number:08X} unsettled={}", torn.len());
        }
        if self.damaged > 0 || self.reader.has_failed() {
            log::error!("spool=damaged segment={number:08X} places={}", self.damaged);
        }
        ScannedSegment {
            target: self.target,
            mails: self.mails,
            end: self.end,
            damaged: self.damaged + u64::from(self.reader.has_failed()),
            reader: self.reader,
        }
    }
}
