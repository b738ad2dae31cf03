//! The file system of this machine, as the spool sees it.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::fs::File;
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{
    AtFlags, Dir, Mode, OFlags, fstatvfs, fsync, mkdirat, openat, renameat, unlinkat,
};
use rustix::io::Errno;
use rustix::path::Arg;

use super::disk::{SPOOL_ROOT, SpoolDisk};
use super::segment::SEGMENTS;
use crate::store::disk_error::DiskError;
use crate::store::root::create_root;

/// Files are for the user that mailoop runs as.
const FILE_MODE: Mode = Mode::RUSR.union(Mode::WUSR);

/// The advice where a file, or the folder that it belongs in, was taken away behind our back.
const REMOVED: &str = "it was removed while it was in use: start mailoop again";

/// The file system of this machine below a folder.
///
/// The folder and those in it are held open, and no symbolic link is followed: one that was planted in the spool is an error
/// and leads nowhere.
#[derive(Debug)]
pub struct SpoolSystem {
    root: Arc<File>,
    /// The path of the root, for the operator.
    path: PathBuf,
    /// Folders that are held open. There are few.
    folders: HashMap<Box<str>, Arc<File>>,
}

/// A file that is open, and its path for the operator.
#[derive(Debug)]
pub struct SpoolFile {
    file: File,
    path: Box<str>,
}

impl SpoolSystem {
    /// Opens the folder `root`, which is made, durably, if it is missing.
    ///
    /// # Errors
    /// The folder can be neither opened nor made.
    pub fn open(root: &Path) -> io::Result<Self> {
        create_root(root)?;
        // Whole, since the reader of an error may work in another folder.
        let path = root.canonicalize().unwrap_or_else(|_| root.to_owned());
        let root = Arc::new(File::open(root)?);
        Ok(Self {
            root,
            path,
            folders: HashMap::new(),
        })
    }

    /// The folder at `path`, and nothing but a folder.
    fn folder(&mut self, path: &str) -> rustix::io::Result<Arc<File>> {
        if path == SPOOL_ROOT {
            return Ok(Arc::clone(&self.root));
        }
        if let Some(folder) = self.folders.get(path) {
            return Ok(Arc::clone(folder));
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let folder = Arc::new(File::from(openat(&self.root, path, flags, Mode::empty())?));
        self.folders.insert(path.into(), Arc::clone(&folder));
        Ok(folder)
    }

    /// The folder that `path` is in, and its name there.
    fn parent<'p>(&mut self, path: &'p str) -> rustix::io::Result<(Arc<File>, &'p str)> {
        let (parent, name) = path.rsplit_once('/').unwrap_or((SPOOL_ROOT, path));
        Ok((self.folder(parent)?, name))
    }

    fn open_with(&mut self, what: &'static str, path: &str, how: OFlags) -> io::Result<SpoolFile> {
        let flags = how | OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let parent = self.parent(path);
        let opened = parent.and_then(|(folder, name)| openat(&folder, name, flags, FILE_MODE));
        let file = opened.map_err(|errno| self.refused(what, path, errno))?;
        Ok(SpoolFile {
            file: file.into(),
            path: path.into(),
        })
    }

    /// Makes the error of a call of the standard library that did `what` with a file.
    fn failed(&self, what: &'static str, file: &SpoolFile, error: &io::Error) -> io::Error {
        let errno = Errno::from_io_error(error).unwrap_or(Errno::IO);
        self.refused(what, &file.path, errno)
    }

    /// Makes the error of a system call that did `what` with `path`.
    fn refused(&self, what: &'static str, path: &str, errno: Errno) -> io::Error {
        let at = self.path.join(path);
        let at = if path == SPOOL_ROOT { &self.path } else { &at };
        let error = DiskError::new(what, at, errno);
        if errno == Errno::NOENT && matches!(what, "keep" | "create") {
            return error.advise(REMOVED).into();
        }
        error.into()
    }
}

impl SpoolDisk for SpoolSystem {
    type File = SpoolFile;
    type Lock = File;

    fn make_folder(&mut self, path: &str) -> io::Result<()> {
        let made = self.parent(path);
        match made.and_then(|(parent, name)| mkdirat(&parent, name, Mode::RWXU)) {
            Ok(()) | Err(Errno::EXIST) => Ok(()),
            Err(errno) => Err(self.refused("make", path, errno)),
        }
    }

    fn lock(&mut self, path: &str) -> io::Result<File> {
        let lock = self.open_with("open", path, OFlags::CREATE)?.file;
        lock.try_lock()?;
        Ok(lock)
    }

    fn list(&mut self, path: &str) -> io::Result<Vec<String>> {
        let folder = self.folder(path);
        let list = || {
            let mut names = Vec::new();
            for entry in Dir::read_from(&folder?)? {
                let entry = entry?;
                // Whatever has a name that is no text is nothing of ours.
                if let Ok(name) = entry.file_name().as_str()
                    && !name.starts_with('.')
                {
                    names.push(name.to_owned());
                }
            }
            Ok(names)
        };
        list().map_err(|errno| self.refused("list", path, errno))
    }

    fn create(&mut self, path: &str) -> io::Result<SpoolFile> {
        self.open_with("create", path, OFlags::CREATE | OFlags::EXCL)
    }

    fn open(&mut self, path: &str) -> io::Result<SpoolFile> {
        self.open_with("open", path, OFlags::empty())
    }

    fn size(&mut self, file: &SpoolFile) -> io::Result<u64> {
        let metadata = file.file.metadata();
        let metadata = metadata.map_err(|error| self.failed("look at", file, &error))?;
        Ok(metadata.len())
    }

    fn read_at(&mut self, file: &SpoolFile, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let mut read = 0;
        while read < into.len() {
            match file.file.read_at(&mut into[read..], offset + read as u64) {
                Ok(0) => break,
                Ok(more) => read += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failed("read", file, &error)),
            }
        }
        Ok(read)
    }

    fn write_at(&mut self, file: &SpoolFile, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let written = file.file.write_all_at(bytes, offset);
        written.map_err(|error| self.failed("write", file, &error))
    }

    fn sync_file(&mut self, file: &SpoolFile) -> io::Result<()> {
        let synced = file.file.sync_data();
        synced.map_err(|error| self.failed("sync", file, &error))?;
        // What has no name any more is gone with the process, however well it is synced.
        let about = file.file.metadata();
        match about
            .map_err(|error| self.failed("look at", file, &error))?
            .nlink()
        {
            0 => Err(self.refused("keep", &file.path, Errno::NOENT)),
            _ => Ok(()),
        }
    }

    fn sync_folder(&mut self, path: &str) -> io::Result<()> {
        let folder = self.folder(path);
        let synced = folder.and_then(|folder| fsync(&folder));
        synced.map_err(|errno| self.refused("sync", path, errno))
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let mut rename = || {
            let ((old, name), (new, new_name)) = (self.parent(from)?, self.parent(to)?);
            renameat(&old, name, &new, new_name)
        };
        rename().map_err(|errno| self.refused("rename a file to", to, errno))
    }

    fn remove(&mut self, path: &str) -> io::Result<()> {
        let parent = self.parent(path);
        let removed = parent.and_then(|(folder, name)| unlinkat(&folder, name, AtFlags::empty()));
        removed.map_err(|errno| self.refused("remove", path, errno))
    }

    fn free_bytes(&mut self) -> u64 {
        fstatvfs(&self.root).map_or(u64::MAX, |status| {
            status.f_bavail.saturating_mul(status.f_frsize)
        })
    }

    fn random(&mut self) -> u64 {
        // The keys of a hash are random octets of the system, and the standard library has no other way to them.
        RandomState::new().build_hasher().finish()
    }
}

/// When the logs of a spool were last written to, in milliseconds of the epoch.
pub(super) fn last_written_ms(root: &Path) -> Option<u64> {
    let segments = std::fs::read_dir(root.join(SEGMENTS)).ok()?;
    let times = segments.filter_map(|segment| segment.ok()?.metadata().ok()?.modified().ok());
    let since = times.max()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    u64::try_from(since.as_millis()).ok()
}
