//! A spool that is looked at, while no server works on it: the engine's scan, over a disk that changes nothing.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use super::disk::SpoolDisk;
use super::drafts::big_path;
use super::engine::SpoolEngine;
use super::handover::{FoundMail, SpoolOptions};
use super::id::{MailId, SpoolPlace};
use super::record::{RecordHead, RecordKind};
use super::segment::{SEGMENTS, SegmentHead, segment_path};
use super::segment_reader::SegmentReader;
use super::system::SpoolSystem;

/// A spool that is only read. It is not locked: a server may start meanwhile.
#[derive(Debug)]
pub struct SpoolInspection {
    engine: SpoolEngine<ReadOnlyDisk<SpoolSystem>>,
}

impl SpoolInspection {
    /// Opens the spool in the folder `root`.
    ///
    /// # Errors
    /// `NotFound` if there is no such folder; `InvalidInput` if it is no spool; `Unsupported` if a newer mailoop wrote it; otherwise any error of the disk.
    pub fn open(root: &Path) -> io::Result<Self> {
        Self::check(root)?;
        let disk = ReadOnlyDisk::new(SpoolSystem::open(root)?);
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |since| since.as_secs());
        let now_seconds = u32::try_from(now).unwrap_or(u32::MAX);
        let engine = SpoolEngine::start(disk, SpoolOptions::default(), now_seconds)?;
        Ok(Self { engine })
    }

    /// Checks that this folder is a spool: whoever opens one to work on it makes it; here it has to be there.
    ///
    /// # Errors
    /// `NotFound`, `NotADirectory`, `InvalidInput`: it is none. Any other error of the system.
    pub fn check(root: &Path) -> io::Result<()> {
        if !root.metadata()?.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        if !root.join(SEGMENTS).is_dir() {
            let why = "it has no folder `segments`, so it is no spool";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        Ok(())
    }

    /// Looks at a bounded piece, and pushes the messages in it that are not over. Returns whether there is more.
    pub fn scan(&mut self, found: &mut Vec<FoundMail>) -> bool {
        self.engine.scan(found)
    }

    /// The number of records and segments that were not as they were written.
    #[must_use]
    pub fn damaged(&self) -> u64 {
        self.engine.stats().damaged
    }

    /// The start of the text of a message, at most `max` octets.
    ///
    /// # Errors
    /// `InvalidData` if it is not there any more; otherwise any error of the disk.
    pub fn text_start(
        &mut self,
        mail: MailId,
        place: SpoolPlace,
        max: usize,
    ) -> io::Result<Vec<u8>> {
        let disk = self.engine.disk();
        let file = disk.open(&segment_path(place.segment))?;
        let mut start = [0; SegmentHead::BYTES];
        disk.read_at(&file, 0, &mut start)?;
        let segment = SegmentHead::decode(&start)?;
        let end = disk.size(&file)?;
        let mut reader = SegmentReader::new(file, segment.seed(), end);
        let at = u64::from(place.offset);
        let head: Option<RecordHead> = reader.head(disk, at);
        let Some(head) = head.filter(|head| head.mail == mail) else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        if head.kind == RecordKind::BigMail {
            let file = disk.open(&big_path(mail))?;
            let mut text = vec![0; max];
            let read = disk.read_at(&file, 0, &mut text)?;
            text.truncate(read);
            return Ok(text);
        }
        let bytes = usize::try_from(head.text_bytes).unwrap_or(usize::MAX);
        let text = reader.bytes(disk, at + head.text_start(), bytes.min(max));
        Ok(text.to_vec())
    }
}

/// A disk whose files stay as they are. A change seems to succeed, so that the work that makes it goes on; later calls see what
/// it did to names.
#[derive(Debug)]
struct ReadOnlyDisk<D> {
    disk: D,
    /// The files behind paths at which something was changed: that at another path, or nothing.
    changed: HashMap<String, Option<String>>,
}

/// A file that stays as it is.
#[derive(Debug)]
enum ReadOnlyFile<F> {
    /// One that is there.
    Real(F),
    /// One that was made only here, and is empty.
    Empty,
}

impl<D: SpoolDisk> ReadOnlyDisk<D> {
    fn new(disk: D) -> Self {
        Self {
            disk,
            changed: HashMap::new(),
        }
    }
}

impl<D: SpoolDisk> SpoolDisk for ReadOnlyDisk<D> {
    type File = ReadOnlyFile<D::File>;
    type Lock = ();

    fn make_folder(&mut self, _path: &str) -> io::Result<()> {
        Ok(())
    }

    fn lock(&mut self, _path: &str) -> io::Result<()> {
        Ok(())
    }

    /// The names in a folder; none where it is one that was made only here.
    fn list(&mut self, path: &str) -> io::Result<Vec<String>> {
        match self.disk.list(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            listed => listed,
        }
    }

    fn create(&mut self, path: &str) -> io::Result<Self::File> {
        self.changed.insert(path.to_owned(), None);
        Ok(ReadOnlyFile::Empty)
    }

    fn open(&mut self, path: &str) -> io::Result<Self::File> {
        match self.changed.get(path) {
            Some(Some(real)) => self.disk.open(real).map(ReadOnlyFile::Real),
            Some(None) => Ok(ReadOnlyFile::Empty),
            None => self.disk.open(path).map(ReadOnlyFile::Real),
        }
    }

    fn size(&mut self, file: &Self::File) -> io::Result<u64> {
        match file {
            ReadOnlyFile::Real(file) => self.disk.size(file),
            ReadOnlyFile::Empty => Ok(0),
        }
    }

    fn read_at(&mut self, file: &Self::File, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        match file {
            ReadOnlyFile::Real(file) => self.disk.read_at(file, offset, into),
            ReadOnlyFile::Empty => Ok(0),
        }
    }

    fn write_at(&mut self, _file: &Self::File, _offset: u64, _bytes: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn sync_file(&mut self, _file: &Self::File) -> io::Result<()> {
        Ok(())
    }

    fn sync_folder(&mut self, _path: &str) -> io::Result<()> {
        Ok(())
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let real = self.changed.remove(from);
        let real = real.unwrap_or_else(|| Some(from.to_owned()));
        self.changed.insert(to.to_owned(), real);
        Ok(())
    }

    fn remove(&mut self, _path: &str) -> io::Result<()> {
        Ok(())
    }

    fn free_bytes(&mut self) -> u64 {
        u64::MAX
    }

    fn random(&mut self) -> u64 {
        self.disk.random()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::store::Ticket;
    use crate::store::spool::handover::{ChangeCode, EncodedChange};
    use std::collections::BTreeMap;
    use std::fs;

    /// Every file below a folder, with what is in it.
    fn contents(folder: &Path) -> BTreeMap<std::path::PathBuf, Vec<u8>> {
        let mut found = BTreeMap::new();
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                found.extend(contents(&path));
            } else {
                found.insert(path.clone(), fs::read(&path).unwrap());
            }
        }
        found
    }

    /// A spool with two mails left of three: one has a recipient less, the other is held and has much text.
    fn spool_with_changes(root: &Path) -> (SpoolEngine<SpoolSystem>, [MailId; 3]) {
        let options = SpoolOptions {
            big_bytes: 1000,
            ..SpoolOptions::default()
        };
        let disk = SpoolSystem::open(root).unwrap();
        let mut engine = SpoolEngine::start(disk, options, 1000).unwrap();
        let instance = engine.instance();
        let ids = [0, 1, 2].map(|count| MailId { instance, count });
        for (count, id) in ids.into_iter().enumerate() {
            let ticket = Ticket(count as u64);
            engine.open(ticket, id, 2, format!("envelope {count}").as_bytes());
            let bytes = if count == 2 { 5000 } else { 5 };
            let text = format!("text {count} {}", "x".repeat(bytes));
            engine.write(ticket, text.as_bytes());
            engine.submit(ticket);
        }
        while engine.round() {}
        engine
            .settled()
            .for_each(|settled| assert!(settled.result.is_ok()));
        for (mail, code, recipients) in [
            (ids[0], ChangeCode::Done, vec![0, 1]),
            (ids[1], ChangeCode::Done, vec![1]),
            (ids[2], ChangeCode::Held, vec![]),
        ] {
            engine.change(EncodedChange {
                mail,
                code,
                recipients,
                report: None,
            });
        }
        while engine.round() {}
        (engine, ids)
    }

    #[test]
    fn no_spool_is_made_where_there_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("spool");
        let missing = SpoolInspection::open(&root).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
        assert!(!root.exists());
    }

    #[test]
    fn a_spool_is_read_and_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("spool");
        // The engine still runs, and nothing of it is in the way.
        let (_engine, [_, partly_done, held]) = spool_with_changes(&root);
        let before = contents(&root);
        let mut inspection = SpoolInspection::open(&root).unwrap();
        let mut found = Vec::new();
        while inspection.scan(&mut found) {}
        found.sort_by_key(|found| found.mail);
        let told: Vec<_> = found
            .iter()
            .map(|found| (found.mail, &*found.envelope, &*found.over, found.is_held))
            .collect();
        assert_eq!(
            told,
            [
                (partly_done, &b"envelope 1"[..], &[1][..], false),
                (held, b"envelope 2", &[], true),
            ]
        );
        assert_eq!(inspection.damaged(), 0);
        let mut text = |at: usize, max| {
            inspection
                .text_start(found[at].mail, found[at].place, max)
                .unwrap()
        };
        assert_eq!(text(0, 100), b"text 1 xxxxx");
        assert_eq!(text(0, 6), b"text 1");
        assert_eq!(text(1, 8), b"text 2 x");
        assert_eq!(text(1, 10_000).len(), 5007);
        drop(inspection);
        assert_eq!(contents(&root), before);
    }
}
