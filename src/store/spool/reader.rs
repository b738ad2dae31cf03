//! Reads of messages in the event loop, from the page cache: what would wait for the disk is asked of the spool process first.
//!
//! Invariant: no text is taken for another's. A record is what its checksums say, which begin with the salt of the segment, and
//! has the name of the message; a file of its own has that name as well.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io::{self, IoSliceMut};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rustix::fs::{Mode, OFlags, openat};
use rustix::io::{Errno, ReadWriteFlags, preadv2};

use super::drafts::big_path;
use super::envelope::SpoolEnvelope;
use super::id::{MailId, SpoolPlace};
use super::ipc::ReadSource;
use super::record::{RecordHead, RecordKind};
use super::segment::{SegmentHead, segment_path};
use super::store::TEXT_AT_ONCE_BYTES_MAX;
use crate::store::Failure;
use crate::store::disk_error::DiskError;

/// The most files that are held open.
const FILES_MAX: usize = 16;
/// Octets that are read with a record for what its place does not tell: the state of a few recipients.
const STATE_GUESS_BYTES: usize = 64;
/// The most checksums of texts that are being read piece by piece.
const SUMS_MAX: usize = 4096;
/// The number of times that a read is asked for before it waits for the disk: then nothing keeps its octets in the cache.
const ASKED_MAX: u32 = 3;

/// The files of a spool that are read.
#[derive(Debug)]
pub(super) struct SpoolReader {
    /// The folder, to which all paths are relative.
    folder: File,
    path: PathBuf,
    /// Files that are open, the one used last at the end.
    files: Vec<ReadFile>,
    /// How often each message was asked for whose octets are not in the cache.
    asked: HashMap<MailId, u32>,
    sums: PieceSums,
}

/// Checksums of texts up to where they were read, piece by piece. The oldest ones are forgotten.
#[derive(Debug, Default)]
struct PieceSums {
    sums: HashMap<(MailId, u64), u32>,
    order: VecDeque<(MailId, u64)>,
}

#[derive(Debug)]
struct ReadFile {
    source: ReadSource,
    file: File,
    /// The state that checksums of its records begin with, once that is known of a segment.
    seed: Option<u32>,
}

/// The reasons why octets were not read.
#[derive(Debug)]
pub(super) enum SpoolReadError {
    /// They are not in the page cache: so many octets of a file, from an offset on.
    NotCached(ReadSource, u64, u64),
    /// The message is not there any more.
    Gone,
    /// They cannot be read.
    Failed(Failure),
}

/// The record of a message, as it was read.
#[derive(Debug)]
pub(super) struct ReadRecord {
    pub(super) envelope: SpoolEnvelope,
    pub(super) head: RecordHead,
    /// The text, if it lies in the record and was read.
    pub(super) text: Option<Rc<[u8]>>,
}

impl SpoolReader {
    /// Opens the folder of a spool, which is there.
    pub(super) fn open(root: &Path) -> io::Result<Self> {
        Ok(Self {
            folder: File::open(root)?,
            path: root.canonicalize().unwrap_or_else(|_| root.to_owned()),
            files: Vec::new(),
            asked: HashMap::new(),
            sums: PieceSums::default(),
        })
    }

    /// Reads the envelope of a message, and its text where that has few octets.
    pub(super) fn read(
        &mut self,
        mail: MailId,
        place: SpoolPlace,
    ) -> Result<ReadRecord, SpoolReadError> {
        let read = self.read_whole(mail, place);
        self.note(mail, &read);
        read
    }

    /// Reads the envelope of a message, and none of its text.
    pub(super) fn read_envelope(
        &mut self,
        mail: MailId,
        place: SpoolPlace,
    ) -> Result<SpoolEnvelope, SpoolReadError> {
        let read = self.record(mail, place, 0);
        self.note(mail, &read);
        read.map(|record| record.envelope)
    }

    fn read_whole(
        &mut self,
        mail: MailId,
        place: SpoolPlace,
    ) -> Result<ReadRecord, SpoolReadError> {
        let mut record = self.record(mail, place, TEXT_AT_ONCE_BYTES_MAX)?;
        if record.head.kind == RecordKind::BigMail && place.text_bytes <= TEXT_AT_ONCE_BYTES_MAX {
            let mut text = Vec::new();
            let wanted = usize::try_from(place.text_bytes).unwrap_or(usize::MAX);
            self.text(mail, &record.head, place, 0, wanted, &mut text)?;
            record.text = Some(text.into());
        }
        if let Some(text) = &record.text
            && crc32c::crc32c(text) != record.head.text_crc
        {
            return Err(self.damaged(mail));
        }
        Ok(record)
    }

    /// Appends up to `max` octets of the text of a message, from `at` on, and returns how many. A text that was read from its
    /// start, piece by piece, is compared with its checksum at the end.
    pub(super) fn read_piece(
        &mut self,
        mail: MailId,
        place: SpoolPlace,
        at: u64,
        max: usize,
        into: &mut Vec<u8>,
    ) -> Result<usize, SpoolReadError> {
        let start = into.len();
        let record = self.record(mail, place, 0);
        let read = record.and_then(|record| {
            let read = self.text(mail, &record.head, place, at, max, into)?;
            let sum = self.sums.add(mail, at, &into[start..]);
            let is_end = at + read as u64 >= record.head.text_bytes;
            if is_end && sum.is_some_and(|sum| sum != record.head.text_crc) {
                return Err(self.damaged(mail));
            }
            Ok(read)
        });
        self.note(mail, &read);
        read
    }

    /// Forgets that a message was asked for, unless it has to be asked for again.
    fn note<T>(&mut self, mail: MailId, read: &Result<T, SpoolReadError>) {
        match read {
            Err(SpoolReadError::NotCached(..)) => *self.asked.entry(mail).or_default() += 1,
            _ => drop(self.asked.remove(&mail)),
        }
    }

    /// Reads the record of a message, with its text if that lies in it and has at most so many octets.
    fn record(
        &mut self,
        mail: MailId,
        place: SpoolPlace,
        text_max: u64,
    ) -> Result<ReadRecord, SpoolReadError> {
        let source = ReadSource::Segment(place.segment);
        let inline = usize::try_from(place.text_bytes)
            .ok()
            .filter(|bytes| *bytes as u64 <= text_max);
        let envelope_bytes = place.envelope_bytes as usize;
        let mut wanted =
            RecordHead::BYTES + envelope_bytes + inline.unwrap_or(0) + STATE_GUESS_BYTES;
        let mut octets = Vec::new();
        loop {
            let seed = self.seed(mail, place.segment)?;
            self.octets(mail, source, u64::from(place.offset), wanted, &mut octets)?;
            let Some(head) = RecordHead::decode(seed, &octets)
                .filter(|head| head.mail == mail && head.kind.is_mail())
            else {
                // The file may have been used again, under another name.
                self.close(source);
                return Err(SpoolReadError::Gone);
            };
            let payload = usize::try_from(head.text_start()).unwrap_or(usize::MAX);
            let text = inline.filter(|_| head.kind != RecordKind::BigMail);
            let needed = payload.saturating_add(text.unwrap_or(0));
            if octets.len() < needed && wanted < needed {
                wanted = needed;
                continue;
            }
            let Some((envelope, _)) = head.payload(&octets[RecordHead::BYTES..]) else {
                return Err(self.damaged(mail));
            };
            let envelope =
                SpoolEnvelope::decode(envelope).map_err(|error| self.unreadable(mail, error))?;
            let text = match text {
                Some(text) => match octets.get(payload..payload + text) {
                    Some(text) => Some(text.into()),
                    None => return Err(self.damaged(mail)),
                },
                None => None,
            };
            return Ok(ReadRecord {
                envelope,
                head,
                text,
            });
        }
    }

    /// Appends octets of the text of a message whose head this is.
    fn text(
        &mut self,
        mail: MailId,
        head: &RecordHead,
        place: SpoolPlace,
        at: u64,
        max: usize,
        into: &mut Vec<u8>,
    ) -> Result<usize, SpoolReadError> {
        let left = usize::try_from(head.text_bytes.saturating_sub(at)).unwrap_or(usize::MAX);
        let wanted = max.min(left);
        let (source, start) = match head.kind {
            RecordKind::BigMail => (ReadSource::Big(mail), 0),
            _ => (
                ReadSource::Segment(place.segment),
                u64::from(place.offset) + head.text_start(),
            ),
        };
        let mut octets = Vec::new();
        self.octets(mail, source, start + at, wanted, &mut octets)?;
        if octets.len() < wanted {
            return Err(self.damaged(mail));
        }
        into.append(&mut octets);
        Ok(wanted)
    }

    /// Reads up to so many octets of a file, fewer only at its end.
    fn octets(
        &mut self,
        mail: MailId,
        source: ReadSource,
        at: u64,
        count: usize,
        into: &mut Vec<u8>,
    ) -> Result<(), SpoolReadError> {
        let may_wait = self
            .asked
            .get(&mail)
            .is_some_and(|asked| *asked >= ASKED_MAX);
        into.clear();
        into.resize(count, 0);
        let mut read = 0;
        while read < count {
            let file = self.file(source)?;
            match read_at(&file.file, &mut into[read..], at + read as u64, may_wait) {
                Ok(0) => break,
                Ok(octets) => read += octets,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    return Err(SpoolReadError::NotCached(source, at, count as u64));
                }
                Err(errno) => return Err(self.refused(source, errno)),
            }
        }
        into.truncate(read);
        Ok(())
    }

    /// The state that checksums in a segment begin with.
    fn seed(&mut self, mail: MailId, number: u32) -> Result<u32, SpoolReadError> {
        let source = ReadSource::Segment(number);
        if let Some(seed) = self.file(source)?.seed {
            return Ok(seed);
        }
        let mut head = Vec::new();
        self.octets(mail, source, 0, SegmentHead::BYTES, &mut head)?;
        match SegmentHead::decode(&head) {
            Ok(head) if head.number == number => {
                let seed = head.seed();
                self.file(source)?.seed = Some(seed);
                Ok(seed)
            }
            _ => {
                self.close(source);
                Err(SpoolReadError::Gone)
            }
        }
    }

    /// The file, opened if it is not open. The one that was used longest ago is closed for it.
    fn file(&mut self, source: ReadSource) -> Result<&mut ReadFile, SpoolReadError> {
        match self.files.iter().position(|file| file.source == source) {
            Some(at) => self.files[at..].rotate_left(1),
            None => {
                let path = path_of(source);
                let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let file = match openat(&self.folder, path, flags, Mode::empty()) {
                    Ok(file) => file.into(),
                    Err(Errno::NOENT) => return Err(SpoolReadError::Gone),
                    Err(errno) => return Err(self.refused(source, errno)),
                };
                if self.files.len() >= FILES_MAX {
                    self.files.remove(0);
                }
                self.files.push(ReadFile {
                    source,
                    file,
                    seed: None,
                });
            }
        }
        self.files.last_mut().ok_or(SpoolReadError::Gone)
    }

    /// Closes a file that is not what it was.
    fn close(&mut self, source: ReadSource) {
        self.files.retain(|file| file.source != source);
    }

    fn refused(&self, source: ReadSource, errno: Errno) -> SpoolReadError {
        let path = self.path.join(path_of(source));
        let error: io::Error = DiskError::new("read", &path, errno).into();
        SpoolReadError::Failed(error.into())
    }

    /// The failure of a message that is not as it was written.
    fn damaged(&self, mail: MailId) -> SpoolReadError {
        self.unreadable(mail, "it is not as it was written")
    }

    fn unreadable(&self, mail: MailId, why: impl std::fmt::Display) -> SpoolReadError {
        let text = format!(
            "cannot read message {mail} in {}: {why}",
            self.path.display()
        );
        SpoolReadError::Failed(Failure::Io(text.into()))
    }
}

impl PieceSums {
    /// Adds a piece, and returns the checksum of the text up to its end, if all before it was read.
    fn add(&mut self, mail: MailId, at: u64, piece: &[u8]) -> Option<u32> {
        let before = match at {
            0 => 0,
            _ => *self.sums.get(&(mail, at))?,
        };
        let sum = crc32c::crc32c_append(before, piece);
        let end = (mail, at + piece.len() as u64);
        if self.sums.insert(end, sum).is_none() {
            self.order.push_back(end);
        }
        if self.order.len() > SUMS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.sums.remove(&oldest);
        }
        Some(sum)
    }
}

fn path_of(source: ReadSource) -> String {
    match source {
        ReadSource::Segment(number) => segment_path(number),
        ReadSource::Big(mail) => big_path(mail),
    }
}

/// Reads once, from the page cache unless it `may_wait` for the disk. A file system that does not know the difference is asked
/// without it.
fn read_at(file: &File, into: &mut [u8], at: u64, may_wait: bool) -> Result<usize, Errno> {
    #[cfg(target_os = "linux")]
    if !may_wait {
        let mut parts = [IoSliceMut::new(into)];
        match preadv2(file, &mut parts, at, ReadWriteFlags::NOWAIT) {
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => {}
            read => return read,
        }
    }
    rustix::io::pread(file, into, at)
}
