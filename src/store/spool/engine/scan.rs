//! The scan: finds what was there at the start, a bounded piece at a time, while mail is accepted.
//!
//! Of each log the newest segment comes first, and the cold log before the hot one. So all that is newer than a message is
//! known when the message is found: what is over of it, and whether it was moved.

mod segment;

use std::collections::{HashMap, HashSet, VecDeque};
use std::{io, mem};

use super::SpoolEngine;
use crate::store::spool::checkpoint;
use crate::store::spool::disk::SpoolDisk;
use crate::store::spool::drafts::big_path;
use crate::store::spool::group::place;
use crate::store::spool::handover::FoundMail;
use crate::store::spool::id::MailId;
use crate::store::spool::index::{IndexEntry, read_state};
use crate::store::spool::segment::{SegmentUse, segment_path};
use crate::store::spool::segment_reader::SegmentReader;
use segment::{ScannedMail, SegmentScan};

/// How often the disk is asked, a second apart, before a segment is left as it is.
const TRIES_MAX: u32 = 60;
/// Messages that a piece finds.
const PIECE_MAILS: usize = 2048;
/// The work on a message, as if so many octets were read.
const RESOLVE_BYTES: u64 = 512;
/// Files that a piece removes.
const PIECE_FILES: usize = 64;

/// A segment that is to be looked at.
#[derive(Clone, Debug)]
pub(super) struct ScanTarget {
    pub(super) used: SegmentUse,
    pub(super) number: u32,
    pub(super) seed: u32,
    /// Where its records end, at most.
    pub(super) end: u64,
    /// Whether all up to there was synced. Otherwise a process that was killed, or whose sync failed, may have left records
    /// that only the memory of the machine holds.
    pub(super) is_synced: bool,
    /// How often the disk failed with it.
    pub(super) failures: u32,
}

/// What is still to be looked at, and what was found that other messages need.
#[derive(Debug)]
pub(super) struct SpoolScan<F> {
    /// Taken from the end.
    targets: Vec<ScanTarget>,
    present: Option<PresentSegment<F>>,
    /// Changes of messages that are not found yet.
    states: HashMap<MailId, FoundState>,
    /// Messages that are over, of which there may be older records.
    over: HashSet<MailId>,
    /// The messages that have a file for their text.
    big: HashSet<MailId>,
    /// Files that belong to no message, once all are found.
    leftover: Option<Vec<MailId>>,
    /// Not before this time.
    retry_at: u32,
    queued: usize,
    damaged: u64,
}

/// The segment that is being looked at.
#[derive(Debug)]
enum PresentSegment<F> {
    /// Its records are being read.
    Reading(Box<SegmentScan<F>>),
    /// The messages in it that are not over are being told, these still.
    Telling(ScanTarget, SegmentReader<F>, VecDeque<ScannedMail>),
}

/// Changes of a message.
#[derive(Debug, Default)]
pub(super) struct FoundState {
    pub(super) over: Vec<u16>,
    /// The newest record that said whether it is held, by its number, and for whom it is.
    pub(super) held: Option<(u64, Option<Vec<u16>>)>,
    pub(super) is_noticed: bool,
}

impl<F> SpoolScan<F> {
    /// A scan of `targets`, besides which so many segments cannot be read at all.
    pub(super) fn new(targets: Vec<ScanTarget>, big: HashSet<MailId>, damaged: u64) -> Self {
        Self {
            targets,
            present: None,
            states: HashMap::new(),
            over: HashSet::new(),
            big,
            leftover: None,
            retry_at: 0,
            queued: 0,
            damaged,
        }
    }

    /// Whether the disk is to be tried again only later.
    pub(super) fn is_waiting(&self, now_seconds: u32) -> bool {
        now_seconds < self.retry_at
    }

    /// Notes that a message is over: an older record of it may still be found.
    pub(super) fn note_over(&mut self, mail: MailId) {
        self.over.insert(mail);
    }
}

impl<D: SpoolDisk> SpoolEngine<D> {
    /// Looks at a bounded piece, and says whether there is more.
    pub(super) fn scan_piece(&mut self, found: &mut Vec<FoundMail>) -> bool {
        let Some(mut scan) = self.scan.take() else {
            return false;
        };
        let (mut read, mails) = (0, found.len());
        while read < self.options.scan_bytes
            && found.len() - mails < PIECE_MAILS
            && !scan.is_waiting(self.now_seconds)
        {
            let Some(present) = scan.present.take() else {
                if let Some(target) = scan.targets.pop() {
                    scan.present = self.open_target(&mut scan, target);
                    // To open one counts as well: there may be many that are nearly empty.
                    read += self.options.scan_bytes / 64;
                    continue;
                }
                if self.remove_leftover(&mut scan) {
                    break;
                }
                self.end_scan(&scan);
                return false;
            };
            scan.present = match present {
                PresentSegment::Reading(segment) => self.read_on(&mut scan, segment, &mut read),
                PresentSegment::Telling(target, reader, mails) => {
                    self.tell_on(&mut scan, (target, reader, mails), found, &mut read)
                }
            };
        }
        self.scan = Some(scan);
        true
    }

    /// Opens the next segment.
    fn open_target(
        &mut self,
        scan: &mut SpoolScan<D::File>,
        mut target: ScanTarget,
    ) -> Option<PresentSegment<D::File>> {
        match self.disk.open(&segment_path(target.number)) {
            Ok(file) => {
                let reader = SegmentReader::new(file, target.seed, target.end);
                let segment = SegmentScan::new(target, reader);
                Some(PresentSegment::Reading(Box::new(segment)))
            }
            Err(error) => {
                if self.tries_again(scan, &mut target, &error) {
                    scan.targets.push(target);
                }
                None
            }
        }
    }

    /// Notes an error of the disk with a segment, and says whether it is tried again, in a second. What is older is only
    /// looked at after it, so an error is waited for, some time.
    fn tries_again(
        &mut self,
        scan: &mut SpoolScan<D::File>,
        target: &mut ScanTarget,
        error: &io::Error,
    ) -> bool {
        log::error!(
            "spool=unreadable segment={:08X} error=\"{error}\"",
            target.number
        );
        target.failures += 1;
        if target.failures < TRIES_MAX {
            scan.retry_at = self.now_seconds.saturating_add(1);
            return true;
        }
        self.note_damage(scan, target.number, 1);
        false
    }

    /// Notes that something in a segment is not as it was written, so that its file is kept.
    fn note_damage(&mut self, scan: &mut SpoolScan<D::File>, number: u32, count: u64) {
        if count == 0 {
            return;
        }
        scan.damaged += count;
        self.stats.damaged += count;
        if let Some(segment) = self.logs.segment_mut(number) {
            segment.is_damaged = true;
        }
    }

    /// Reads records of the present segment.
    fn read_on(
        &mut self,
        scan: &mut SpoolScan<D::File>,
        mut segment: Box<SegmentScan<D::File>>,
        read: &mut u64,
    ) -> Option<PresentSegment<D::File>> {
        let before = segment.work();
        let until = before + self.options.scan_bytes.saturating_sub(*read);
        while segment.work() < until {
            if segment.read_record(&mut self.disk, &mut scan.states) {
                continue;
            }
            *read += segment.work() - before;
            if let Err(error) = segment.sync_end(&mut self.disk)
                && self.tries_again(scan, &mut segment.target, &error)
            {
                return Some(PresentSegment::Reading(segment));
            }
            let scanned = segment.finish(&mut self.disk);
            self.note_damage(scan, scanned.target.number, scanned.damaged);
            if let Some(segment) = self.logs.segment_mut(scanned.target.number) {
                segment.bytes = scanned.end;
            }
            return Some(PresentSegment::Telling(
                scanned.target,
                scanned.reader,
                scanned.mails.into(),
            ));
        }
        *read += segment.work() - before;
        Some(PresentSegment::Reading(segment))
    }

    /// Takes a message into the index, unless it is over or a newer record of it was found; and says whether it did.
    fn resolve(
        &mut self,
        scan: &mut SpoolScan<D::File>,
        target: &ScanTarget,
        mail: &ScannedMail,
    ) -> bool {
        let state = scan.states.remove(&mail.mail).unwrap_or_default();
        let is_cold = target.used == SegmentUse::Cold;
        if self.index.get(mail.mail).is_some() || scan.over.contains(&mail.mail) {
            if !is_cold && let Some(segment) = self.logs.hot.segment_mut(target.number) {
                segment.superseded += 1;
            }
            return false;
        }
        let mut entry = IndexEntry::new(target.number, mail.offset, mail.bytes, mail.recipients);
        let (over, held) = read_state(&mail.state, mail.recipients);
        let newer = state.held.filter(|(sequence, _)| *sequence > mail.sequence);
        let held = newer.map_or(mail.is_held.then_some(held), |(_, held)| held);
        if mail.is_noticed || state.is_noticed {
            entry.set_noticed();
        }
        if mail.is_big {
            entry.set_big();
        }
        self.add_mail(mail.mail, entry);
        if let Some(held) = held {
            self.index.hold(mail.mail, &held);
        }
        let recipients = over.into_iter().chain(state.over.iter().copied());
        if self.index.end(mail.mail, recipients) {
            self.end_mail(mail.mail);
            if is_cold {
                scan.over.insert(mail.mail);
            }
            return false;
        }
        if mail.is_big && !scan.big.contains(&mail.mail) {
            // It is told nevertheless: its sender is to hear of it from whoever reads it.
            log::error!("spool=damaged id={} error=\"its text is gone\"", mail.mail);
            self.note_damage(scan, target.number, 1);
        }
        true
    }

    /// Tells messages of the present segment.
    fn tell_on(
        &mut self,
        scan: &mut SpoolScan<D::File>,
        present: (ScanTarget, SegmentReader<D::File>, VecDeque<ScannedMail>),
        found: &mut Vec<FoundMail>,
        read: &mut u64,
    ) -> Option<PresentSegment<D::File>> {
        let (target, mut reader, mut mails) = present;
        let before = reader.read_bytes();
        let until = before + self.options.scan_bytes.saturating_sub(*read);
        let mut count = 0;
        while reader.read_bytes() < until && count < PIECE_MAILS {
            let Some(mail) = mails.pop_front() else {
                break;
            };
            count += 1;
            if self.resolve(scan, &target, &mail) {
                let told = self.found_mail(&mut reader, &target, &mail);
                if told.is_none() {
                    log::error!("spool=unreadable id={}", mail.mail);
                    self.note_damage(scan, target.number, 1);
                }
                scan.queued += usize::from(told.is_some());
                found.extend(told);
            }
        }
        *read += reader.read_bytes() - before + count as u64 * RESOLVE_BYTES;
        let is_more = !mails.is_empty();
        is_more.then_some(PresentSegment::Telling(target, reader, mails))
    }

    /// A message with its envelope, and with the state that it has now; nothing if it cannot be read any more.
    fn found_mail(
        &mut self,
        reader: &mut SegmentReader<D::File>,
        target: &ScanTarget,
        mail: &ScannedMail,
    ) -> Option<FoundMail> {
        let entry = self.index.get(mail.mail)?;
        let head = reader.head(&mut self.disk, mail.offset)?;
        let (envelope, _) = reader.payload(&mut self.disk, mail.offset, &head)?;
        Some(FoundMail {
            mail: mail.mail,
            place: place(target.number, mail.offset, &head),
            envelope: envelope.to_vec(),
            recipients: mail.recipients,
            over: self.index.over(mail.mail),
            is_held: entry.is_held(),
            held: self.index.held(mail.mail),
            is_noticed: entry.is_noticed(),
        })
    }

    /// Removes files that belong to no message, and says whether there are more.
    fn remove_leftover(&mut self, scan: &mut SpoolScan<D::File>) -> bool {
        let own = self.instance();
        let mut leftover = scan.leftover.take().unwrap_or_else(|| {
            let is_left = |mail: &MailId| mail.instance < own && self.index.get(*mail).is_none();
            mem::take(&mut scan.big)
                .into_iter()
                .filter(is_left)
                .collect()
        });
        if scan.damaged > 0 && !leftover.is_empty() {
            // A record that cannot be read may be theirs.
            log::warn!("spool=leftover files={} kept=true", leftover.len());
            leftover.clear();
        }
        let keep = leftover.len().saturating_sub(PIECE_FILES);
        for mail in leftover.drain(keep..) {
            if let Err(error) = self.disk.remove(&big_path(mail)) {
                log::warn!("spool=leftover error=\"{error}\"");
            }
        }
        let is_more = !leftover.is_empty();
        scan.leftover = Some(leftover);
        is_more
    }

    /// Notes where the segments end, for the next start.
    fn end_scan(&mut self, scan: &SpoolScan<D::File>) {
        log::info!(
            "spool=scanned queued={} damaged={}",
            scan.queued,
            scan.damaged
        );
        let hot = self.logs.hot.segments().iter();
        let segments = hot.chain(self.logs.cold.segments());
        let ends: Vec<_> = segments
            .filter(|segment| !segment.is_damaged)
            .filter(|segment| {
                !self.logs.hot.is_open(segment.number) && !self.logs.cold.is_open(segment.number)
            })
            .filter_map(|segment| Some((segment.number, u32::try_from(segment.bytes).ok()?)))
            .collect();
        if ends.is_empty() {
            return;
        }
        if let Err(error) = checkpoint::write(&mut self.disk, ends.into_iter()) {
            log::warn!("spool=no-checkpoint error=\"{error}\"");
        }
    }
}
