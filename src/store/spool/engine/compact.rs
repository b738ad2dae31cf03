//! Compaction: segments in which nothing lives are used again, and what lives for long is moved out of their way.

use std::io;

use super::SpoolEngine;
use crate::store::spool::disk::SpoolDisk;
use crate::store::spool::drafts::big_path;
use crate::store::spool::group::SpoolGroup;
use crate::store::spool::id::{MailId, SpoolPlace};
use crate::store::spool::log::{LogSegment, SpoolLog};
use crate::store::spool::pool::SegmentNeed;
use crate::store::spool::record::{RecordHead, RecordKind, RecordParts};
use crate::store::spool::segment::{RECORDS_START, SegmentHead, SegmentUse, segment_path};
use crate::store::spool::segment_reader::SegmentReader;

/// Files that a piece removes.
const PIECE_FILES: usize = 64;
/// Records that a piece looks at.
const PIECE_RECORDS: usize = 4096;
/// A segment of new mail is mostly dead when less than one octet in so many lives.
const MOSTLY_DEAD: u64 = 4;
/// One in which all is over ends early only if it has such a part of its octets.
const DEAD_MIN: u64 = 16;
/// Seconds after which a disk that failed is tried again.
const RETRY_SECONDS: u32 = 10;

/// The state of the compaction.
#[derive(Debug)]
pub(super) struct Compaction<F> {
    /// Messages that are over, whose files are to be removed.
    pub(super) over_big: Vec<MailId>,
    source: Option<CopySource<F>>,
    /// Not before this time.
    retry_at: u32,
}

impl<F> Default for Compaction<F> {
    fn default() -> Self {
        Self {
            over_big: Vec::new(),
            source: None,
            retry_at: 0,
        }
    }
}

/// A segment whose messages are being moved.
#[derive(Debug)]
struct CopySource<F> {
    used: SegmentUse,
    number: u32,
    reader: SegmentReader<F>,
    at: u64,
}

/// A message that is copied: its name, its new place, the octets of its record.
type Copied = (MailId, SpoolPlace, u64);

impl<D: SpoolDisk> SpoolEngine<D> {
    /// Does a bounded piece of work, and says whether there is more to do at once.
    pub(super) fn compact_piece(&mut self) -> bool {
        let is_early = self.now_seconds < self.compaction.retry_at;
        if self.scan.is_some() || is_early || !self.logs.are_sound() {
            return false;
        }
        if !self.compaction.over_big.is_empty() {
            self.remove_big();
            return true;
        }
        let done = self.retire_oldest().and_then(|is_retired| {
            // Room is made before more is written.
            Ok(is_retired || self.end_dead()? || self.copy_piece()?)
        });
        done.unwrap_or_else(|error| {
            log::warn!("spool=no-room-made error=\"{error}\"");
            self.compaction.source = None;
            self.compaction.retry_at = self.now_seconds.saturating_add(RETRY_SECONDS);
            false
        })
    }

    fn remove_big(&mut self) {
        let over = &mut self.compaction.over_big;
        let keep = over.len().saturating_sub(PIECE_FILES);
        for mail in over.drain(keep..) {
            match self.disk.remove(&big_path(mail)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    // The scan of the next start finds it.
                    log::warn!("spool=leftover error=\"{error}\"");
                }
                _ => {}
            }
        }
    }

    /// Takes the oldest segment of a log out of it if nothing lives there, and says whether it did.
    fn retire_oldest(&mut self) -> io::Result<bool> {
        let hot = self.logs.hot.oldest().filter(|oldest| oldest.live == 0);
        // As long as an older record of a moved message can be found, so must be the newer one, or that it is over.
        let superseded = self
            .logs
            .hot
            .segments()
            .iter()
            .any(|segment| segment.superseded > 0);
        let cold = self
            .logs
            .cold
            .oldest()
            .filter(|oldest| oldest.live == 0 && !superseded);
        let (used, oldest) = match (hot, cold) {
            (Some(oldest), _) => (SegmentUse::Hot, oldest),
            (None, Some(oldest)) => (SegmentUse::Cold, oldest),
            (None, None) => return Ok(false),
        };
        let (number, is_damaged) = (oldest.number, oldest.is_damaged);
        self.pool.retire(&mut self.disk, number, is_damaged)?;
        self.logs.of(used).drop_oldest();
        self.stats.retired += 1;
        if self
            .compaction
            .source
            .as_ref()
            .is_some_and(|source| source.number == number)
        {
            self.compaction.source = None;
        }
        Ok(true)
    }

    /// Ends the segment that takes new mail where nothing in it lives and the disk is nearly full: mail is refused perhaps, and
    /// would never fill it up. Says whether it did.
    fn end_dead(&mut self) -> io::Result<bool> {
        let segment_bytes = self.pool.segment_bytes();
        let is_worth_it = self.logs.hot.dead_bytes() >= segment_bytes / DEAD_MIN
            && self.pool.spare_bytes() == 0
            && self.disk.free_bytes() < 2 * segment_bytes;
        if is_worth_it {
            let log = &mut self.logs.hot;
            let need = SegmentNeed::Needed;
            log.prepare(&mut self.disk, &mut self.pool, segment_bytes, need)?;
        }
        Ok(is_worth_it)
    }

    /// The segment whose messages are to be moved.
    fn source(&self) -> Option<(SegmentUse, u32)> {
        let can_move = |oldest: &&LogSegment| oldest.live > 0 && !oldest.is_stuck;
        let hot = self.logs.hot.oldest().filter(can_move).filter(|oldest| {
            let age = self.now_seconds.saturating_sub(oldest.closed_at);
            let is_mostly_dead = oldest.live_bytes * MOSTLY_DEAD < oldest.bytes;
            let is_long = all_bytes(&self.logs.hot) > self.options.hot_bytes;
            is_long || is_mostly_dead && age >= self.options.settle_seconds
        });
        if let Some(oldest) = hot {
            return Some((SegmentUse::Hot, oldest.number));
        }
        let cold = self.logs.cold.oldest().filter(can_move)?;
        let live: u64 = self
            .logs
            .cold
            .segments()
            .iter()
            .map(|segment| segment.live_bytes)
            .sum();
        let heads = self.logs.cold.segments().len() as u64 * u64::from(RECORDS_START);
        // Without the heads, which are as many in a log of nothing but live messages.
        let is_half_dead = live * 2 < all_bytes(&self.logs.cold).saturating_sub(heads);
        is_half_dead.then_some((SegmentUse::Cold, cold.number))
    }

    /// Moves some messages of the oldest segment, where that is worth it, and says whether there is more to do.
    fn copy_piece(&mut self) -> io::Result<bool> {
        let Some((used, number)) = self.source() else {
            return Ok(false);
        };
        let mut source = match self.compaction.source.take() {
            Some(source) if source.number == number => source,
            _ => self.open_source(used, number)?,
        };
        let (copied, group) = self.gather_copies(&mut source)?;
        let is_read = source.at >= source.reader.limit();
        if let Some(group) = group {
            let bytes = group.bytes();
            self.stats.written_bytes += bytes.len() as u64;
            self.stats.copied_bytes += bytes.len() as u64;
            let log = &mut self.logs.cold;
            log.append(&mut self.disk, bytes, self.now_seconds)?;
        }
        for (mail, place, bytes) in copied {
            self.note_moved(mail, place, bytes, used);
        }
        if !is_read {
            self.compaction.source = Some(source);
        } else if let Some(segment) = self.logs.of(used).segment_mut(number) {
            // What is left could not be read, and goes with the segment when it is over.
            segment.is_stuck = segment.live > 0;
        }
        Ok(true)
    }

    fn open_source(&mut self, used: SegmentUse, number: u32) -> io::Result<CopySource<D::File>> {
        let file = self.disk.open(&segment_path(number))?;
        let mut start = [0; SegmentHead::BYTES];
        self.disk.read_at(&file, 0, &mut start)?;
        let seed = SegmentHead::decode(&start)?.seed();
        let limit = self
            .logs
            .segment_mut(number)
            .map_or(0, |segment| segment.bytes);
        Ok(CopySource {
            used,
            number,
            reader: SegmentReader::new(file, seed, limit),
            at: u64::from(RECORDS_START),
        })
    }

    /// Encodes copies of the next messages that live in a segment.
    fn gather_copies(
        &mut self,
        source: &mut CopySource<D::File>,
    ) -> io::Result<(Vec<Copied>, Option<SpoolGroup>)> {
        let mut copied = Vec::new();
        let mut group: Option<SpoolGroup> = None;
        for _ in 0..PIECE_RECORDS {
            if source.at >= source.reader.limit() {
                break;
            }
            let Some(head) = source.reader.head(&mut self.disk, source.at) else {
                source.at += 16;
                continue;
            };
            if let Some((offset, mail)) = self.living(source, &head) {
                // The record as it will be has the state folded in.
                let bytes =
                    mail.step() + self.index.state(mail.mail).len().next_multiple_of(16) as u64;
                if group.is_none() {
                    let (log, wanted) = (&mut self.logs.cold, SegmentNeed::Wanted);
                    let end = log.prepare(&mut self.disk, &mut self.pool, bytes, wanted)?;
                    group = Some(SpoolGroup::new(end, self.options.copy_bytes));
                }
                let Some(group) = group.as_mut().filter(|group| group.has_room(bytes)) else {
                    break;
                };
                copied.extend(self.copy_record(source, offset, mail, group));
            }
            source.at += head.step();
        }
        Ok((copied, group.filter(|group| !group.bytes().is_empty())))
    }

    /// The message that a record is, or that lies within a change, if it is the one that the index knows.
    fn living(
        &mut self,
        source: &mut CopySource<D::File>,
        head: &RecordHead,
    ) -> Option<(u64, RecordHead)> {
        let (offset, head) = match head.kind {
            RecordKind::Mail | RecordKind::BigMail => (source.at, *head),
            RecordKind::Nested | RecordKind::End => return None,
            _ if head.text_bytes == 0 => return None,
            _ => {
                let offset = source.at + head.text_start();
                (offset, source.reader.head(&mut self.disk, offset)?)
            }
        };
        let entry = self.index.get(head.mail)?;
        let is_it = entry.segment == source.number && entry.offset() == offset;
        is_it.then_some((offset, head))
    }

    /// Encodes a copy of a message with the state that it has now. One that cannot be read stays where it is.
    fn copy_record(
        &mut self,
        source: &mut CopySource<D::File>,
        offset: u64,
        head: RecordHead,
        group: &mut SpoolGroup,
    ) -> Option<Copied> {
        let Some((envelope, _)) = source.reader.payload(&mut self.disk, offset, &head) else {
            log::error!("spool=unreadable id={} moved=false", head.mail);
            self.stats.damaged += 1;
            if let Some(segment) = self.logs.of(source.used).segment_mut(source.number) {
                segment.is_damaged = true;
            }
            return None;
        };
        let envelope = envelope.to_vec();
        // A bad text is moved as it is, with its checksum: whoever reads it tells the sender.
        let text = source.reader.raw_text(&mut self.disk, offset, &head);
        let entry = self.index.get(head.mail)?;
        let mail = head.mail;
        let kind = match head.kind {
            RecordKind::BigMail => RecordKind::BigMail,
            _ => RecordKind::Mail,
        };
        let head = RecordHead {
            kind,
            is_held: entry.is_held(),
            is_noticed: entry.is_noticed(),
            ..head
        };
        let parts = RecordParts {
            envelope: &envelope,
            state: &self.index.state(mail),
            text,
        };
        let before = group.bytes().len();
        let place = group.push(&mut self.sequence, head, &parts);
        Some((mail, place, (group.bytes().len() - before) as u64))
    }

    /// Notes the new place of a message.
    fn note_moved(&mut self, mail: MailId, place: SpoolPlace, bytes: u64, from: SegmentUse) {
        let Some(entry) = self.index.get_mut(mail) else {
            return;
        };
        let (old, old_bytes) = (entry.segment, entry.bytes());
        entry.move_to(place.segment, place.offset.into(), bytes);
        if let Some(segment) = self.logs.of(from).segment_mut(old) {
            segment.live = segment.live.saturating_sub(1);
            segment.live_bytes = segment.live_bytes.saturating_sub(old_bytes);
            segment.superseded += u32::from(from == SegmentUse::Hot);
        }
        if let Some(segment) = self.logs.cold.segment_mut(place.segment) {
            segment.live += 1;
            segment.live_bytes += bytes;
        }
        self.moved.push((mail, place));
    }
}

fn all_bytes<F>(log: &SpoolLog<F>) -> u64 {
    log.segments().iter().map(|segment| segment.bytes).sum()
}
