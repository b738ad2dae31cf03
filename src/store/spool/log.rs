//! A log: segments one after another, of which the last takes records.
//!
//! Invariant: no segment is appended to after a sync of it has failed, and none that a former process had open. The records of
//! a group whose sync failed were refused. The head of the log's next segment says so before anything else is written; until
//! then a restart could find them.

use std::collections::VecDeque;
use std::io;

use super::disk::SpoolDisk;
use super::id::MailId;
use super::pool::{SegmentNeed, SegmentPool};
use super::record::{self, RecordHead, RecordKind, RecordParts};
use super::segment::{CLOSED_MAX, RECORDS_START, SegmentUse};

/// A segment of a log.
#[derive(Clone, Debug)]
pub(super) struct LogSegment {
    pub(super) number: u32,
    /// Octets up to the end of its records.
    pub(super) bytes: u64,
    /// Messages in it that are not over, and the octets of their records.
    pub(super) live: u32,
    pub(super) live_bytes: u64,
    /// Messages in it of which there is a newer record in the cold log: that must stay as long as this does.
    pub(super) superseded: u32,
    /// When it took its last record, in seconds of the epoch.
    pub(super) closed_at: u32,
    /// Whether something in it is not as it was written, so that the file is kept.
    pub(super) is_damaged: bool,
    /// Whether a message in it cannot be moved.
    pub(super) is_stuck: bool,
}

impl LogSegment {
    pub(super) fn new(number: u32, bytes: u64, closed_at: u32) -> Self {
        Self {
            number,
            bytes,
            live: 0,
            live_bytes: 0,
            superseded: 0,
            closed_at,
            is_damaged: false,
            is_stuck: false,
        }
    }
}

/// The segment that takes records.
#[derive(Debug)]
struct OpenSegment<F> {
    file: F,
    seed: u32,
    end: u64,
}

/// The place in a log that the next group goes to.
#[derive(Clone, Copy, Debug)]
pub(super) struct LogEnd {
    pub(super) number: u32,
    pub(super) seed: u32,
    pub(super) offset: u64,
    /// Octets that the segment has room for.
    pub(super) room: u64,
}

/// One of the two logs.
#[derive(Debug)]
pub(super) struct SpoolLog<F> {
    used: SegmentUse,
    /// In the order of their numbers. The last one is that which takes records, if there is one.
    segments: VecDeque<LogSegment>,
    open: Option<OpenSegment<F>>,
    /// Segments that a failed sync has closed, which no durable head names yet.
    closed: Vec<(u32, u32)>,
}

impl<F> SpoolLog<F> {
    pub(super) fn new(used: SegmentUse, segments: VecDeque<LogSegment>) -> Self {
        Self {
            used,
            segments,
            open: None,
            closed: Vec::new(),
        }
    }

    /// Makes room for a record of `bytes` octets, in a new segment where the present one is full, and says where it would be.
    ///
    /// # Errors
    /// There can be no new segment.
    pub(super) fn prepare<D: SpoolDisk<File = F>>(
        &mut self,
        disk: &mut D,
        pool: &mut SegmentPool,
        bytes: u64,
        need: SegmentNeed,
    ) -> io::Result<LogEnd> {
        let is_full = self.open.as_ref().is_some_and(|open| {
            open.end > u64::from(RECORDS_START) && open.end + bytes > pool.segment_bytes()
        });
        if is_full {
            self.seal(disk);
        }
        if self.open.is_none() {
            self.open_next(disk, pool, need)?;
        }
        let number = self.segments.back().map_or(0, |last| last.number);
        let (seed, offset) = self
            .open
            .as_ref()
            .map_or((0, 0), |open| (open.seed, open.end));
        Ok(LogEnd {
            number,
            seed,
            offset,
            room: pool.segment_bytes().saturating_sub(offset),
        })
    }

    /// Has a durable head name the segments that a failed sync has closed, if there are any.
    ///
    /// # Errors
    /// There can be no new segment.
    pub(super) fn name_closed<D: SpoolDisk<File = F>>(
        &mut self,
        disk: &mut D,
        pool: &mut SegmentPool,
    ) -> io::Result<()> {
        if self.closed.is_empty() {
            return Ok(());
        }
        self.open_next(disk, pool, SegmentNeed::Needed)
    }

    fn open_next<D: SpoolDisk<File = F>>(
        &mut self,
        disk: &mut D,
        pool: &mut SegmentPool,
        need: SegmentNeed,
    ) -> io::Result<()> {
        let (file, head) = pool.make(disk, self.used, &self.closed, need)?;
        self.closed.clear();
        let end = u64::from(RECORDS_START);
        self.segments
            .push_back(LogSegment::new(head.number, end, u32::MAX));
        self.open = Some(OpenSegment {
            file,
            seed: head.seed(),
            end,
        });
        Ok(())
    }

    /// Appends a group and syncs it.
    ///
    /// # Errors
    /// Any of it may be lost, or may be there. The segment takes no more.
    pub(super) fn append<D: SpoolDisk<File = F>>(
        &mut self,
        disk: &mut D,
        group: &[u8],
        now_seconds: u32,
    ) -> io::Result<()> {
        let (Some(open), Some(segment)) = (&mut self.open, self.segments.back_mut()) else {
            return Err(io::Error::other("no segment is open"));
        };
        let written = disk.write_at(&open.file, open.end, group);
        let synced = written.and_then(|()| disk.sync_file(&open.file));
        segment.closed_at = now_seconds;
        if synced.is_ok() {
            open.end += group.len() as u64;
            segment.bytes = open.end;
            return Ok(());
        }
        let end = u32::try_from(open.end).unwrap_or(u32::MAX);
        debug_assert!(
            self.closed.len() < CLOSED_MAX,
            "each is named by the next head"
        );
        self.closed.push((segment.number, end));
        self.open = None;
        synced
    }

    /// Ends the present segment as one ends that is full: nobody needs to look for what comes after.
    pub(super) fn seal<D: SpoolDisk<File = F>>(&mut self, disk: &mut D) {
        let Some(open) = self.open.take() else {
            return;
        };
        let nobody = MailId {
            instance: 0,
            count: 0,
        };
        let mut head = RecordHead {
            starts_group: true,
            ..RecordHead::new(RecordKind::End, nobody)
        };
        let mut bytes = Vec::new();
        record::append(&mut bytes, open.seed, &mut head, &RecordParts::default());
        // Without it, the end is looked for.
        let _ = disk.write_at(&open.file, open.end, &bytes);
    }

    /// Whether all segments that a failed sync has closed are named by a durable head.
    pub(super) fn is_sound(&self) -> bool {
        self.closed.is_empty()
    }

    /// Whether the segment takes records.
    pub(super) fn is_open(&self, number: u32) -> bool {
        let last = self.segments.back();
        self.open.is_some() && last.is_some_and(|last| last.number == number)
    }

    pub(super) fn segments(&self) -> &VecDeque<LogSegment> {
        &self.segments
    }

    /// The segment `number`, if it is one of this log.
    pub(super) fn segment_mut(&mut self, number: u32) -> Option<&mut LogSegment> {
        let at = self.position(number)?;
        self.segments.get_mut(at)
    }

    fn position(&self, number: u32) -> Option<usize> {
        let at = self
            .segments
            .binary_search_by_key(&number, |segment| segment.number);
        at.ok()
    }

    /// The oldest segment, unless it takes records.
    pub(super) fn oldest(&self) -> Option<&LogSegment> {
        let oldest = self.segments.front()?;
        (!self.is_open(oldest.number)).then_some(oldest)
    }

    /// The octets of the segment that takes records if it is the only one and nothing in it lives, else none.
    pub(super) fn dead_bytes(&self) -> u64 {
        match (self.segments.front(), self.segments.len()) {
            (Some(only), 1) if only.live == 0 && self.is_open(only.number) => only.bytes,
            _ => 0,
        }
    }

    /// Forgets the oldest segment, which is durably out of the log.
    pub(super) fn drop_oldest(&mut self) {
        self.segments.pop_front();
    }
}

/// Both logs.
#[derive(Debug)]
pub(super) struct SpoolLogs<F> {
    pub(super) hot: SpoolLog<F>,
    pub(super) cold: SpoolLog<F>,
}

impl<F> SpoolLogs<F> {
    pub(super) fn new(hot: VecDeque<LogSegment>, cold: VecDeque<LogSegment>) -> Self {
        Self {
            hot: SpoolLog::new(SegmentUse::Hot, hot),
            cold: SpoolLog::new(SegmentUse::Cold, cold),
        }
    }

    pub(super) fn of(&mut self, used: SegmentUse) -> &mut SpoolLog<F> {
        match used {
            SegmentUse::Cold => &mut self.cold,
            SegmentUse::Hot | SegmentUse::Spare => &mut self.hot,
        }
    }

    /// The log that has the segment `number`.
    pub(super) fn use_of(&self, number: u32) -> SegmentUse {
        if self.cold.position(number).is_some() {
            SegmentUse::Cold
        } else {
            SegmentUse::Hot
        }
    }

    /// The segment `number`, in whichever log it is.
    pub(super) fn segment_mut(&mut self, number: u32) -> Option<&mut LogSegment> {
        let used = self.use_of(number);
        self.of(used).segment_mut(number)
    }

    /// Whether durable heads name all segments that a failed sync has closed.
    pub(super) fn are_sound(&self) -> bool {
        self.hot.is_sound() && self.cold.is_sound()
    }
}
