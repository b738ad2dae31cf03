//! Texts on hold as files without a name, each of which vanishes with the process.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process;

use bytes::{Bytes, BytesMut};
use rustix::fs::{AtFlags, Mode, OFlags, openat, unlinkat};
use rustix::io::Errno;

use super::HELD_READ_BYTES_MAX;
use super::ipc::{HoldReport, HoldRequest, TextName};
use crate::store::Failure;
use crate::store::disk_error::DiskError;
use crate::store::process::StoreClient;
use crate::store::process::frame::next_frame;

/// Files are for the user that mailoop runs as.
const FILE_MODE: Mode = Mode::RUSR.union(Mode::WUSR);
/// Names that are tried for a file that has one for a moment.
const NAMES_MAX: u32 = 100;

/// Texts on hold in a folder.
#[derive(Debug)]
pub struct HeldFiles {
    folder: File,
    /// The path of the folder, for the operator.
    path: PathBuf,
    texts: HashMap<TextName, Result<HeldFile, Failure>>,
    /// Requests that were not handled, where they come from a client at once.
    input: BytesMut,
}

#[derive(Debug, Default)]
struct HeldFile {
    /// Made with the first octets.
    file: Option<File>,
    bytes: u64,
}

impl HeldFiles {
    /// Opens a folder.
    ///
    /// # Errors
    /// The folder cannot be opened.
    pub fn open(folder: &Path) -> io::Result<Self> {
        Ok(Self {
            folder: File::open(folder)?,
            // Whole, since the reader of an error may work in another folder.
            path: folder.canonicalize().unwrap_or_else(|_| folder.to_owned()),
            texts: HashMap::new(),
            input: BytesMut::new(),
        })
    }

    /// Handles all requests of a client at once, as a process would.
    ///
    /// # Errors
    /// `InvalidData` if that is no request.
    #[doc(hidden)]
    pub fn exchange(&mut self, client: &mut dyn StoreClient) -> io::Result<()> {
        self.input.extend_from_slice(client.output());
        client.sent(client.output().len());
        let mut reports = BytesMut::new();
        while let Some(frame) = next_frame(&mut self.input) {
            if let Some(report) = self.handle(&frame)? {
                report.write(&mut reports);
            }
        }
        client.received(&reports)
    }

    /// Handles a request, and returns what there is to report.
    pub(super) fn handle(&mut self, frame: &[u8]) -> io::Result<Option<HoldReport>> {
        let request = HoldRequest::read(frame).ok_or(ErrorKind::InvalidData)?;
        Ok(match request {
            HoldRequest::Text(text, octets) => self.append(text, octets),
            HoldRequest::Read {
                text,
                ticket,
                offset,
                octets,
            } => Some(match self.read(text, offset, octets) {
                Ok(octets) => HoldReport::Octets(ticket, octets),
                Err(failure) => HoldReport::Unread(ticket, failure),
            }),
            HoldRequest::Drop(text) => {
                self.texts.remove(&text);
                None
            }
        })
    }

    /// Appends to a text, which begins with the first octets of it. A failure is reported once.
    fn append(&mut self, text: TextName, octets: &[u8]) -> Option<HoldReport> {
        let slot = match self.texts.entry(text) {
            Entry::Occupied(slot) => slot.into_mut(),
            Entry::Vacant(slot) => slot.insert(Ok(HeldFile::default())),
        };
        let Ok(held) = slot else {
            return None;
        };
        let error = held.append(&self.folder, octets).err()?;
        let failure = failure("write a file in", &self.path, &error);
        // What was written of it is of no use any more.
        *slot = Err(failure.clone());
        Some(HoldReport::Failed(text, failure))
    }

    fn read(&self, text: TextName, offset: u64, octets: usize) -> Result<Bytes, Failure> {
        let file = match self.texts.get(&text) {
            Some(Ok(held)) => held.file.as_ref(),
            Some(Err(failure)) => return Err(failure.clone()),
            None => None,
        };
        let file = file.ok_or_else(|| Failure::Io("this text is not on hold".into()))?;
        let mut buffer = vec![0; octets.min(HELD_READ_BYTES_MAX)];
        let read = file.read_exact_at(&mut buffer, offset);
        read.map_err(|error| failure("read a file in", &self.path, &error))?;
        Ok(buffer.into())
    }
}

impl HeldFile {
    fn append(&mut self, folder: &File, octets: &[u8]) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(create(folder)?),
        };
        file.write_all_at(octets, self.bytes)?;
        self.bytes += octets.len() as u64;
        Ok(())
    }
}

/// The failure to do `what` (as in "write a file in") with the folder.
fn failure(what: &'static str, folder: &Path, error: &io::Error) -> Failure {
    let errno = Errno::from_io_error(error).unwrap_or(Errno::IO);
    io::Error::from(DiskError::new(what, folder, errno)).into()
}

/// Creates a file without a name; where the file system knows none, it loses its name at once.
fn create(folder: &File) -> rustix::io::Result<File> {
    let flags = OFlags::RDWR | OFlags::CLOEXEC;
    #[cfg(target_os = "linux")]
    match openat(folder, ".", flags | OFlags::TMPFILE, FILE_MODE) {
        // ext4 says EPERM for a folder that was removed; what that means a file with a name is told.
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::PERM) => {}
        created => return created.map(File::from),
    }
    create_named(folder, flags)
}

fn create_named(folder: &File, flags: OFlags) -> rustix::io::Result<File> {
    let flags = flags | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
    let mut error = Errno::EXIST;
    for number in 0..NAMES_MAX {
        let name = format!(".mailoop-hold.{}.{number}", process::id());
        match openat(folder, &*name, flags, FILE_MODE) {
            Ok(file) => {
                unlinkat(folder, &*name, AtFlags::empty())?;
                return Ok(file.into());
            }
            // Another process of this number was killed here, in another container.
            Err(errno @ Errno::EXIST) => error = errno,
            Err(errno) => return Err(errno),
        }
    }
    Err(error)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn where_all_files_have_names_one_loses_its_own_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let taken = format!(".mailoop-hold.{}.0", process::id());
        std::fs::write(folder.path().join(&taken), "of a process that was killed").unwrap();
        let open = File::open(folder.path()).unwrap();
        let file = create_named(&open, OFlags::RDWR | OFlags::CLOEXEC).unwrap();
        file.write_all_at(b"octets", 0).unwrap();
        let mut read = [0; 6];
        file.read_exact_at(&mut read, 0).unwrap();
        assert_eq!(&read, b"octets");
        let entries = std::fs::read_dir(folder.path()).unwrap();
        let names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, [taken.as_str()]);
    }
}
