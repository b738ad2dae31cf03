//! The files of segments: their numbers, and those that wait to be used again.

use std::collections::VecDeque;
use std::io;

use super::disk::SpoolDisk;
use super::handover::SpoolOptions;
use super::segment::{RECORDS_START, SEGMENTS, SegmentHead, SegmentUse, segment_path};

/// The folder of segments in which something was not as it was written. They are never used again.
pub(super) const DAMAGED: &str = "damaged";

/// A file of the reserve is so many times smaller than a segment may be: there is room in it for some ten thousand changes.
const RESERVE_SHARE: u32 = 64;

/// How much a segment matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SegmentNeed {
    /// It is for new mail, which can be refused.
    Wanted,
    /// It is for what has happened already. The reserve is there for it.
    Needed,
}

/// The files of segments, of both logs.
///
/// The reserve is what a full disk cannot take away: files of zeros, of which each becomes a segment where none can be made
/// anew. So a start works there, and what becomes of the mail in the queue can be noted, which makes room again.
#[derive(Debug)]
pub(super) struct SegmentPool {
    instance: u32,
    next_number: u32,
    /// The names, by their numbers, of files that may be used again.
    spares: VecDeque<u32>,
    spares_max: usize,
    /// Files that are shorter are not worth to be used again.
    spare_bytes_min: u64,
    /// The names of the files of the reserve.
    reserve: VecDeque<u32>,
    reserve_max: usize,
    reserve_bytes: u64,
    segment_bytes: u64,
}

impl SegmentPool {
    pub(super) fn new(instance: u32, next_number: u32, options: &SpoolOptions) -> Self {
        let reserve_bytes = (options.segment_bytes / RESERVE_SHARE).max(2 * RECORDS_START);
        Self {
            instance,
            next_number,
            spares: VecDeque::new(),
            spares_max: options.spare_segments,
            spare_bytes_min: u64::from(options.segment_bytes) / 2,
            reserve: VecDeque::new(),
            reserve_max: options.reserve_segments,
            reserve_bytes: reserve_bytes.into(),
            segment_bytes: options.segment_bytes.into(),
        }
    }

    pub(super) fn instance(&self) -> u32 {
        self.instance
    }

    pub(super) fn segment_bytes(&self) -> u64 {
        self.segment_bytes
    }

    /// Octets of files that may be used again, at least.
    pub(super) fn spare_bytes(&self) -> u64 {
        self.spares.len() as u64 * self.spare_bytes_min
    }

    /// Takes a file of so many octets that is in no use, with the number that it is called by. Its head says that already,
    /// perhaps only in the memory of the machine: it is written once more.
    ///
    /// # Errors
    /// Any error of the disk: what was in the file may be found again.
    pub(super) fn add_spare(
        &mut self,
        disk: &mut impl SpoolDisk,
        name: u32,
        bytes: u64,
    ) -> io::Result<()> {
        let path = segment_path(name);
        let is_long = bytes >= self.spare_bytes_min && self.spares.len() < self.spares_max;
        if !is_long && (bytes < self.reserve_bytes || !self.is_reserve_short()) {
            disk.remove(&path)?;
            return disk.sync_folder(SEGMENTS);
        }
        let file = disk.open(&path)?;
        self.write_spare(disk, &file, name)?;
        if is_long {
            self.spares.push_back(name);
        } else {
            self.reserve.push_back(name);
        }
        Ok(())
    }

    /// Says in a file, durably, that it is in no use.
    fn write_spare<D: SpoolDisk>(
        &self,
        disk: &mut D,
        file: &D::File,
        number: u32,
    ) -> io::Result<()> {
        let head = self.spare_head(disk.random(), number);
        disk.write_at(file, 0, &head.encode())?;
        disk.sync_file(file)
    }

    fn spare_head(&self, salt: u64, number: u32) -> SegmentHead {
        SegmentHead {
            used: SegmentUse::Spare,
            number,
            instance: self.instance,
            salt,
            closed: Vec::new(),
        }
    }

    fn is_reserve_short(&self) -> bool {
        self.reserve.len() < self.reserve_max
    }

    /// Makes what is missing of the reserve. New mail is taken only while all of it is there.
    ///
    /// # Errors
    /// The disk is full, or fails.
    pub(super) fn fill_reserve(&mut self, disk: &mut impl SpoolDisk) -> io::Result<()> {
        let mut made = Vec::new();
        let mut filled = Ok(());
        while filled.is_ok() && self.reserve.len() + made.len() < self.reserve_max {
            let number = self.take_number()?;
            filled = self.make_reserve(disk, number);
            if filled.is_ok() {
                made.push(number);
            } else {
                // Should it stay, it is a spare one, or too short for that.
                let _ = disk.remove(&segment_path(number));
            }
        }
        if !made.is_empty() {
            disk.sync_folder(SEGMENTS)?;
            self.reserve.extend(made);
        }
        filled
    }

    /// Makes a file of the reserve, whose name is not durable yet.
    fn make_reserve(&self, disk: &mut impl SpoolDisk, number: u32) -> io::Result<()> {
        let mut bytes = self.spare_head(disk.random(), number).encode().to_vec();
        bytes.resize(usize::try_from(self.reserve_bytes).unwrap_or(0), 0);
        let file = disk.create(&segment_path(number))?;
        disk.write_at(&file, 0, &bytes)?;
        disk.sync_file(&file)
    }

    fn take_number(&mut self) -> io::Result<u32> {
        let number = self.next_number;
        self.next_number = number
            .checked_add(1)
            .ok_or_else(|| io::Error::other("no number is left for a segment"))?;
        Ok(number)
    }

    /// Makes a segment, durably: the next number, a file that was used before if there is one, and a head that names the
    /// segments which a failed sync has `closed`. Where that fails and it is needed, a file of the reserve becomes one.
    ///
    /// # Errors
    /// Any error of the disk. The number is not used again.
    pub(super) fn make<D: SpoolDisk>(
        &mut self,
        disk: &mut D,
        used: SegmentUse,
        closed: &[(u32, u32)],
        need: SegmentNeed,
    ) -> io::Result<(D::File, SegmentHead)> {
        let spare = self.spares.pop_front();
        let made = self.make_of(disk, spare, used, closed);
        if made.is_err()
            && need == SegmentNeed::Needed
            && let Some(reserve) = self.reserve.pop_front()
        {
            return self.make_of(disk, Some(reserve), used, closed);
        }
        made
    }

    /// Makes a segment of the file that is called by the number `spare`, or of a new one.
    fn make_of<D: SpoolDisk>(
        &mut self,
        disk: &mut D,
        spare: Option<u32>,
        used: SegmentUse,
        closed: &[(u32, u32)],
    ) -> io::Result<(D::File, SegmentHead)> {
        let number = self.take_number()?;
        let head = SegmentHead {
            used,
            number,
            instance: self.instance,
            salt: disk.random(),
            closed: closed.to_vec(),
        };
        let path = segment_path(number);
        let file = match spare {
            None => disk.create(&path),
            Some(spare) => disk
                .rename(&segment_path(spare), &path)
                .and_then(|()| disk.open(&path)),
        };
        let made = file.and_then(|file| {
            disk.write_at(&file, 0, &head.encode())?;
            disk.sync_file(&file)?;
            disk.sync_folder(SEGMENTS)?;
            Ok(file)
        });
        if made.is_err() {
            // Should it stay, it is a segment without records.
            let _ = disk.remove(&path);
        }
        Ok((made?, head))
    }

    /// Takes a segment out of its log, durably, so that nothing in it is ever found again.
    ///
    /// # Errors
    /// Any error of the disk: it may be found again.
    pub(super) fn retire(
        &mut self,
        disk: &mut impl SpoolDisk,
        number: u32,
        is_damaged: bool,
    ) -> io::Result<()> {
        let path = segment_path(number);
        if is_damaged {
            disk.rename(&path, &format!("{DAMAGED}/{number:08X}"))?;
            disk.sync_folder(DAMAGED)?;
            return disk.sync_folder(SEGMENTS);
        }
        let file = disk.open(&path)?;
        let is_long = disk.size(&file)? >= self.spare_bytes_min;
        // A disk that has no room for the reserve needs the room of this file.
        if self.spares.len() >= self.spares_max || !is_long || self.is_reserve_short() {
            drop(file);
            disk.remove(&path)?;
            return disk.sync_folder(SEGMENTS);
        }
        self.write_spare(disk, &file, number)?;
        self.spares.push_back(number);
        Ok(())
    }
}
