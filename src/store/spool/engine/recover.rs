//! The start: which segments there are. What is in them is found by the scan, while mail is accepted.

use std::collections::{HashMap, HashSet, VecDeque};
use std::io;

use rustix::io::Errno;

use super::scan::{ScanTarget, SpoolScan};
use crate::store::disk_error::errno;
use crate::store::spool::checkpoint;
use crate::store::spool::disk::{SPOOL_ROOT, SpoolDisk};
use crate::store::spool::drafts::BIG;
use crate::store::spool::handover::SpoolOptions;
use crate::store::spool::id::MailId;
use crate::store::spool::log::LogSegment;
use crate::store::spool::pool::{DAMAGED, SegmentPool};
use crate::store::spool::record::RecordHead;
use crate::store::spool::segment::{SEGMENTS, SegmentHead, SegmentUse, number_of, segment_path};

/// The file that is locked while an engine works.
const LOCK: &str = "lock";

/// What was there at the start.
pub(super) struct FoundSpool<F> {
    pub(super) hot: VecDeque<LogSegment>,
    pub(super) cold: VecDeque<LogSegment>,
    pub(super) pool: SegmentPool,
    pub(super) scan: SpoolScan<F>,
}

/// A file of a segment, as it was found.
struct FoundFile {
    /// The number that its name says.
    name: u32,
    head: SegmentHead,
    bytes: u64,
    is_damaged: bool,
}

/// The files of segments, as they were found.
#[derive(Default)]
struct FoundFiles {
    /// Those with a head.
    files: Vec<FoundFile>,
    /// The highest number that a name says.
    number_max: Option<u32>,
    /// The number of files that have no head, or none that can be read: what is in them is not known.
    damaged: u64,
}

/// Locks the spool, so that no other process works on it.
///
/// # Errors
/// `WouldBlock` if one does; otherwise any error of the disk.
pub(super) fn claim<D: SpoolDisk>(disk: &mut D) -> io::Result<D::Lock> {
    disk.lock(LOCK).map_err(|error| {
        if error.kind() == io::ErrorKind::WouldBlock {
            let why = "another process works on this spool";
            return io::Error::new(io::ErrorKind::WouldBlock, why);
        }
        error
    })
}

/// Makes what is missing, and looks which segments there are.
///
/// # Errors
/// `Unsupported` if a newer mailoop wrote any of it; otherwise any error of the disk.
pub(super) fn look<D: SpoolDisk>(
    disk: &mut D,
    now_seconds: u32,
    options: &SpoolOptions,
) -> io::Result<FoundSpool<D::File>> {
    for folder in [SEGMENTS, BIG, DAMAGED] {
        disk.make_folder(folder)?;
    }
    disk.sync_folder(SPOOL_ROOT)?;
    let big = big_files(disk)?;
    let FoundFiles {
        mut files,
        number_max,
        damaged,
    } = segment_files(disk)?;
    files.sort_by_key(|file| file.head.number);

    let instances = files.iter().map(|file| file.head.instance);
    let instances = instances.chain(big.iter().map(|mail| mail.instance));
    let instance = next_instance(instances.max(), now_seconds)?;
    let numbers = files.iter().map(|file| file.head.number);
    let number = numbers
        .chain(number_max)
        .max()
        .map_or(Some(1), |number| number.checked_add(1));
    let number = number.ok_or_else(|| io::Error::other("no number is left for a segment"))?;
    let pool = SegmentPool::new(instance, number, options);

    let mut found = FoundSpool {
        hot: VecDeque::new(),
        cold: VecDeque::new(),
        pool,
        scan: SpoolScan::new(targets(disk, &files), big, damaged),
    };
    for file in files {
        let segments = match file.head.used {
            SegmentUse::Spare => {
                found.pool.add_spare(disk, file.name, file.bytes)?;
                continue;
            }
            SegmentUse::Hot => &mut found.hot,
            SegmentUse::Cold => &mut found.cold,
        };
        let mut segment = LogSegment::new(file.head.number, file.bytes, now_seconds);
        segment.is_damaged = file.is_damaged;
        segments.push_back(segment);
    }
    Ok(found)
}

/// What is to be looked at, the last first: all of the cold log before the hot one, in each the newest segment first.
fn targets(disk: &mut impl SpoolDisk, files: &[FoundFile]) -> Vec<ScanTarget> {
    let closed = files.iter().flat_map(|file| file.head.closed.clone());
    let closed: HashMap<u32, u32> = closed.collect();
    let known = checkpoint::read(disk);
    let mut targets = Vec::new();
    for used in [SegmentUse::Hot, SegmentUse::Cold] {
        for file in files.iter().filter(|file| file.head.used == used) {
            let ends = [&closed, &known].map(|ends| ends.get(&file.head.number));
            let end = ends.into_iter().flatten().map(|end| u64::from(*end)).min();
            targets.push(ScanTarget {
                used,
                number: file.head.number,
                seed: file.head.seed(),
                end: end.unwrap_or(u64::MAX).min(file.bytes),
                is_synced: end.is_some(),
                failures: 0,
            });
        }
    }
    targets
}

/// An instance after all before: the time, unless the clock went back or two start in a second.
fn next_instance(highest: Option<u32>, now_seconds: u32) -> io::Result<u32> {
    let after = match highest {
        Some(highest) => highest
            .checked_add(1)
            .ok_or_else(|| io::Error::other("no instance number is left"))?,
        None => 0,
    };
    Ok(now_seconds.max(after))
}

/// The messages that have a file for their text.
fn big_files(disk: &mut impl SpoolDisk) -> io::Result<HashSet<MailId>> {
    let names = disk.list(BIG)?;
    let mails = names.iter().map(|name| MailId::from_queue_id(name));
    Ok(mails.flatten().collect())
}

/// The files of segments, with their heads.
fn segment_files(disk: &mut impl SpoolDisk) -> io::Result<FoundFiles> {
    let mut found = FoundFiles::default();
    for name in disk.list(SEGMENTS)? {
        let Some(number) = number_of(&name) else {
            log::warn!("spool=unknown file={SEGMENTS}/{name}");
            continue;
        };
        found.number_max = found.number_max.max(Some(number));
        match segment_file(disk, number)? {
            FileUse::Segment(file) => found.files.push(file),
            FileUse::Empty => {}
            FileUse::Damaged => found.damaged += 1,
        }
    }
    Ok(found)
}

/// Whether the disk cannot give back what it was given: to wait for that would keep all other mail from being taken.
fn is_bad_medium(error: &io::Error) -> bool {
    let errno = errno(error);
    matches!(errno, Some(Errno::IO | Errno::BADMSG))
}

/// What a file of a segment turned out to be.
enum FileUse {
    Segment(FoundFile),
    /// Nothing was written to it, and it was removed.
    Empty,
    /// It has no head, or none that can be read, and so none of its records can be told from noise.
    Damaged,
}

/// Looks at the file of a segment.
fn segment_file(disk: &mut impl SpoolDisk, name: u32) -> io::Result<FileUse> {
    let path = segment_path(name);
    let mut start = [0; SegmentHead::BYTES + RecordHead::BYTES];
    let (start, bytes) = match read_start(disk, &path, &mut start) {
        Ok((read, bytes)) => (&start[..read], bytes),
        Err(error) if is_bad_medium(&error) => {
            // It stays where it is: the next start may have more luck.
            log::error!("spool=damaged segment={name:08X} error=\"{error}\"");
            return Ok(FileUse::Damaged);
        }
        Err(error) => return Err(error),
    };
    let mut head = match SegmentHead::decode(start) {
        Ok(head) => head,
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            if start.iter().all(|byte| *byte == 0) {
                // The process that made it did not come to write its head, and no record before that.
                disk.remove(&path)?;
                disk.sync_folder(SEGMENTS)?;
                return Ok(FileUse::Empty);
            }
            set_aside(disk, name, &error.to_string())?;
            return Ok(FileUse::Damaged);
        }
        Err(error) => return Err(io::Error::new(error.kind(), format!("{path}: {error}"))),
    };
    if head.used != SegmentUse::Spare && head.number != name {
        // Its name and its head were not durable together, and so it was not used.
        let first = start.get(SegmentHead::BYTES..).unwrap_or_default();
        if RecordHead::decode(head.seed(), first).is_some() {
            set_aside(disk, name, "it has the head of another segment")?;
            return Ok(FileUse::Damaged);
        }
        head.used = SegmentUse::Spare;
    }
    let is_damaged = !SegmentHead::is_whole(start);
    if is_damaged {
        log::error!("spool=damaged segment={name:08X} error=\"a copy of its head is bad\"");
    }
    Ok(FileUse::Segment(FoundFile {
        name,
        head,
        bytes,
        is_damaged,
    }))
}

/// Reads the start of a file, and says how much was read, and how long the file is.
fn read_start(disk: &mut impl SpoolDisk, path: &str, start: &mut [u8]) -> io::Result<(usize, u64)> {
    let file = disk.open(path)?;
    let read = disk.read_at(&file, 0, start)?;
    Ok((read, disk.size(&file)?))
}

/// Moves a file that is no segment out of the way, and keeps it for the operator.
fn set_aside(disk: &mut impl SpoolDisk, name: u32, why: &str) -> io::Result<()> {
    log::error!("spool=damaged segment={name:08X} error=\"{why}\"");
    disk.rename(&segment_path(name), &format!("{DAMAGED}/{name:08X}"))?;
    disk.sync_folder(DAMAGED)?;
    disk.sync_folder(SEGMENTS)
}
