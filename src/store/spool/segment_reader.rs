//! Reads the records of a segment, through a window, so that neither each record costs a call nor a segment its memory.

use std::io;

use super::disk::SpoolDisk;
use super::record::RecordHead;

/// Octets that are read at once.
const WINDOW_BYTES: usize = 256 * 1024;
/// Octets around a place that cannot be read, which count as zeros.
const UNREADABLE_BYTES: usize = 4096;

/// A segment that is being read.
#[derive(Debug)]
pub(super) struct SegmentReader<F> {
    file: F,
    seed: u32,
    /// The end of its records, as far as that is known.
    limit: u64,
    window: Vec<u8>,
    window_start: u64,
    /// Octets that were read.
    read_bytes: u64,
    has_failed: bool,
}

impl<F> SegmentReader<F> {
    pub(super) fn new(file: F, seed: u32, limit: u64) -> Self {
        Self {
            file,
            seed,
            limit,
            window: Vec::new(),
            window_start: 0,
            read_bytes: 0,
            has_failed: false,
        }
    }

    pub(super) fn limit(&self) -> u64 {
        self.limit
    }

    /// Octets that were read so far.
    pub(super) fn read_bytes(&self) -> u64 {
        self.read_bytes
    }

    /// Whether any of it could not be read.
    pub(super) fn has_failed(&self) -> bool {
        self.has_failed
    }

    /// The octets from `at` on, so many or up to the end.
    pub(super) fn bytes<D: SpoolDisk<File = F>>(
        &mut self,
        disk: &mut D,
        at: u64,
        count: usize,
    ) -> &[u8] {
        let left = usize::try_from(self.limit.saturating_sub(at)).unwrap_or(usize::MAX);
        let count = count.min(left);
        let within = at.checked_sub(self.window_start);
        let within = within.and_then(|start| usize::try_from(start).ok());
        if let Some(start) = within
            && start + count <= self.window.len()
        {
            return &self.window[start..start + count];
        }
        self.fill(disk, at, count.max(WINDOW_BYTES).min(left));
        &self.window[..count.min(self.window.len())]
    }

    /// Reads the window anew. Where the disk reads nothing, zeros stand for what is there: no record is made of them.
    fn fill<D: SpoolDisk<File = F>>(&mut self, disk: &mut D, at: u64, count: usize) {
        self.window.clear();
        self.window.resize(count, 0);
        self.window_start = at;
        self.read_bytes += count as u64;
        match disk.read_at(&self.file, at, &mut self.window) {
            Ok(read) => self.window.truncate(read),
            Err(error) => {
                log::error!("spool=unreadable offset={at} error=\"{error}\"");
                self.has_failed = true;
                for (part, bytes) in self.window.chunks_mut(UNREADABLE_BYTES).enumerate() {
                    let at = at + (part * UNREADABLE_BYTES) as u64;
                    if read_exactly(disk, &self.file, at, bytes).is_err() {
                        bytes.fill(0);
                    }
                }
            }
        }
    }

    /// Writes what lies between two places once more where it is, and syncs it.
    ///
    /// # Errors
    /// Any error of the disk.
    pub(super) fn write_again<D: SpoolDisk<File = F>>(
        &mut self,
        disk: &mut D,
        from: u64,
        to: u64,
    ) -> io::Result<()> {
        let mut bytes = vec![0; WINDOW_BYTES];
        let mut at = from;
        while at < to {
            let left = usize::try_from(to - at).unwrap_or(usize::MAX);
            let read = disk.read_at(&self.file, at, &mut bytes[..left.min(WINDOW_BYTES)])?;
            if read == 0 {
                break;
            }
            disk.write_at(&self.file, at, &bytes[..read])?;
            at += read as u64;
        }
        disk.sync_file(&self.file)
    }

    /// The head of the record at `at`, if there is one that ends before the limit.
    pub(super) fn head<D: SpoolDisk<File = F>>(
        &mut self,
        disk: &mut D,
        at: u64,
    ) -> Option<RecordHead> {
        let seed = self.seed;
        let head = RecordHead::decode(seed, self.bytes(disk, at, RecordHead::BYTES))?;
        (at.checked_add(head.bytes())? <= self.limit).then_some(head)
    }

    /// Envelope and state of the record at `at`, if they are as they were written.
    pub(super) fn payload<D: SpoolDisk<File = F>>(
        &mut self,
        disk: &mut D,
        at: u64,
        head: &RecordHead,
    ) -> Option<(&[u8], &[u8])> {
        let start = at + RecordHead::BYTES as u64;
        let count = usize::try_from(head.text_start()).ok()?;
        head.payload(self.bytes(disk, start, count - RecordHead::BYTES))
    }

    /// The text within the record at `at`, if that is as it was written.
    pub(super) fn text<D: SpoolDisk<File = F>>(
        &mut self,
        disk: &mut D,
        at: u64,
        head: &RecordHead,
    ) -> Option<&[u8]> {
        let count = usize::try_from(head.inline_bytes()).ok()?;
        let text = self.bytes(disk, at + head.text_start(), count);
        let is_good = text.len() == count && crc32c::crc32c(text) == head.text_crc;
        is_good.then_some(text)
    }

    /// The text within the record at `at`, whatever it is.
    pub(super) fn raw_text<D: SpoolDisk<File = F>>(
        &mut self,
        disk: &mut D,
        at: u64,
        head: &RecordHead,
    ) -> &[u8] {
        let count = usize::try_from(head.inline_bytes()).unwrap_or(usize::MAX);
        self.bytes(disk, at + head.text_start(), count)
    }
}

fn read_exactly<D: SpoolDisk>(
    disk: &mut D,
    file: &D::File,
    at: u64,
    into: &mut [u8],
) -> io::Result<()> {
    let read = disk.read_at(file, at, into)?;
    if let Some(rest) = into.get_mut(read..) {
        rest.fill(0);
    }
    Ok(())
}
