//! The file system of this machine, as the store sees it.

use std::collections::HashMap;
use std::fs::{DirBuilder, File};
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{
    AtFlags, Dir, Mode, OFlags, Timespec, Timestamps, UTIME_NOW, futimens, linkat, mkdirat, openat,
    renameat, unlinkat,
};
use rustix::io::Errno;
use rustix::path::Arg;

use super::disk::{Disk, ROOT};
use crate::store::trouble::Trouble;

/// What to do when the root is gone while it is worked in.
const ROOT_GONE: &str = "the folder of the store was removed: restart mailoop, which makes it anew";
/// The most folders that are held open.
const FOLDERS_HELD_MAX: usize = 64;

/// The file system of this machine below a folder.
///
/// Every folder is opened one component at a time from the root, which is held open, and no symbolic link is
/// followed: one that was planted in the store is an error and leads nowhere.
#[derive(Debug)]
pub struct System {
    root: Arc<File>,
    /// Where the root is, for the operator.
    path: PathBuf,
    device: u64,
    tells_all_errors: bool,
    /// Folders that were opened since [`Disk::forget`], so that a group of messages for a mailbox opens it once.
    held: HashMap<Box<str>, Arc<File>>,
}

impl System {
    /// What is below the folder `root`, which is made, durably, if it is missing.
    ///
    /// # Errors
    /// It can be neither opened nor made.
    pub fn open(root: &Path) -> io::Result<Self> {
        create_root(root)?;
        // Another process may be told, which works in another folder.
        let path = root.canonicalize().unwrap_or_else(|_| root.to_owned());
        let root = File::open(root)?;
        Ok(Self {
            path,
            device: root.metadata()?.dev(),
            tells_all_errors: sync_tells_all_errors(&root),
            root: Arc::new(root),
            held: HashMap::new(),
        })
    }

    /// The root, to ask about its file system.
    #[must_use]
    pub fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// The folder at `path`, and nothing but a folder.
    fn folder(&mut self, path: &str) -> rustix::io::Result<Arc<File>> {
        if path == ROOT {
            return Ok(Arc::clone(&self.root));
        }
        if let Some(folder) = self.held.get(path) {
            return Ok(Arc::clone(folder));
        }
        let (parent, name) = self.parent(path)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let folder = Arc::new(File::from(openat(&parent, name, flags, Mode::empty())?));
        if self.held.len() >= FOLDERS_HELD_MAX {
            self.held.clear();
        }
        self.held.insert(path.into(), Arc::clone(&folder));
        Ok(folder)
    }

    /// The folder that `path` is in, and its name there.
    fn parent<'p>(&mut self, path: &'p str) -> rustix::io::Result<(Arc<File>, &'p str)> {
        let (parent, name) = path.rsplit_once('/').unwrap_or((ROOT, path));
        Ok((self.folder(parent)?, name))
    }

    fn open_file(&mut self, path: &str, flags: OFlags) -> rustix::io::Result<File> {
        let (folder, name) = self.parent(path)?;
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(openat(&folder, name, flags, Mode::RUSR | Mode::WUSR)?.into())
    }

    /// The same, for a call of the standard library.
    fn failed(&self, what: &'static str, path: &str, error: &io::Error) -> io::Error {
        let errno = Errno::from_io_error(error).unwrap_or(Errno::IO);
        self.refused(what, path, errno)
    }

    /// The error that the system refused to do `what` with `path`.
    fn refused(&self, what: &'static str, path: &str, errno: Errno) -> io::Error {
        let at = self.path.join(path);
        let trouble = Trouble::new(what, if path == ROOT { &self.path } else { &at }, errno);
        if errno == Errno::NOENT && !path.contains('/') {
            // Nothing but the root is above it.
            return trouble.advise(ROOT_GONE).into();
        }
        trouble.into()
    }
}

/// A message that is being written, and where.
#[derive(Debug)]
pub struct MessageFile {
    file: File,
    path: Box<str>,
}

impl Disk for System {
    type File = MessageFile;
    type Lock = File;

    fn make_folder(&mut self, path: &str) -> io::Result<bool> {
        let made = self.parent(path);
        match made.and_then(|(parent, name)| mkdirat(&parent, name, Mode::RWXU)) {
            Ok(()) => Ok(true),
            Err(Errno::EXIST) => Ok(false),
            Err(errno) => Err(self.refused("make", path, errno)),
        }
    }

    fn remove_folder(&mut self, path: &str) -> io::Result<()> {
        let parent = self.parent(path);
        self.held.clear();
        let removed = parent.and_then(|(parent, name)| unlinkat(&parent, name, AtFlags::REMOVEDIR));
        removed.map_err(|errno| self.refused("remove", path, errno))
    }

    fn has_folder(&mut self, path: &str) -> io::Result<bool> {
        match self.folder(path) {
            Ok(_) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(errno) => Err(self.refused("open", path, errno)),
        }
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

    fn create(&mut self, path: &str) -> io::Result<MessageFile> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        match self.open_file(path, flags) {
            Ok(file) => Ok(MessageFile {
                file,
                path: path.into(),
            }),
            Err(errno) => Err(self.refused("create", path, errno)),
        }
    }

    fn write(&mut self, file: &mut MessageFile, bytes: &[u8]) -> io::Result<()> {
        let written = file.file.write_all(bytes);
        written.map_err(|error| self.failed("write", &file.path, &error))
    }

    fn link(&mut self, from: &str, to: &str) -> io::Result<()> {
        let mut link = || {
            let ((from, name), (to, new_name)) = (self.parent(from)?, self.parent(to)?);
            linkat(&from, name, &to, new_name, AtFlags::empty())
        };
        link().map_err(|errno| self.refused("link a file to", to, errno))
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let mut rename = || {
            let ((from, name), (to, new_name)) = (self.parent(from)?, self.parent(to)?);
            renameat(&from, name, &to, new_name)
        };
        rename().map_err(|errno| self.refused("rename a file to", to, errno))
    }

    fn remove_file(&mut self, path: &str) -> io::Result<()> {
        let parent = self.parent(path);
        let removed = parent.and_then(|(folder, name)| unlinkat(&folder, name, AtFlags::empty()));
        removed.map_err(|errno| self.refused("remove", path, errno))
    }

    fn tells_all_errors(&self) -> bool {
        self.tells_all_errors
    }

    fn is_covered(&self, file: &MessageFile) -> bool {
        // A mailbox may be on a file system of its own.
        let metadata = file.file.metadata();
        metadata.is_ok_and(|file| file.dev() == self.device)
    }

    fn sync_file(&mut self, file: &MessageFile) -> io::Result<()> {
        let synced = file.file.sync_data();
        synced.map_err(|error| self.failed("sync", &file.path, &error))
    }

    fn sync_folder(&mut self, path: &str) -> io::Result<()> {
        let folder = self.folder(path);
        let synced = folder.and_then(rustix::fs::fsync);
        synced.map_err(|errno| self.refused("sync", path, errno))
    }

    #[cfg(target_os = "linux")]
    fn sync_all(&mut self, lock: &File) -> io::Result<()> {
        // The kernel tells each descriptor of an error once, from its opening on; the root is open since before
        // the first write.
        rustix::fs::syncfs(&self.root).map_err(|errno| self.refused("sync", ROOT, errno))?;
        // One that has given up (an aborted journal) may have nothing to sync any more, and say so with success:
        // ext4 did until Linux 6.12. It refuses changes.
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_NOW,
        };
        let times = Timestamps {
            last_access: now,
            last_modification: now,
        };
        let touched = futimens(lock, &times);
        touched.map_err(|errno| self.refused("change a file in", ROOT, errno))
    }

    #[cfg(not(target_os = "linux"))]
    fn sync_all(&mut self, _: &File) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn lock(&mut self, path: &str) -> io::Result<File> {
        let opened = self.open_file(path, OFlags::WRONLY | OFlags::CREATE);
        let file = opened.map_err(|errno| self.refused("open", path, errno))?;
        file.try_lock()?;
        Ok(file)
    }

    fn try_lock(&mut self, path: &str) -> io::Result<Option<File>> {
        let opened = self.open_file(path, OFlags::WRONLY);
        let file = opened.map_err(|errno| self.refused("open", path, errno))?;
        Ok(file.try_lock().is_ok().then_some(file))
    }

    fn forget(&mut self) {
        self.held.clear();
    }
}

/// Whether a sync of the whole file system of `root` tells of every error.
#[cfg(target_os = "linux")]
fn sync_tells_all_errors(root: &File) -> bool {
    /// Those that are known to; an overlay, for one, does not ask all that is below it.
    const FILE_SYSTEMS: [u64; 3] = [EXT4, XFS, BTRFS];
    const EXT4: u64 = 0xEF53;
    const XFS: u64 = 0x5846_5342;
    const BTRFS: u64 = 0x9123_683E;
    let known = rustix::fs::fstatfs(root)
        .is_ok_and(|root| FILE_SYSTEMS.contains(&root.f_type.cast_unsigned()));
    // syncfs(2), Versions: before, data of other files was lost in silence.
    known && is_release_at_least(5, 8)
}

/// There is no such sync here.
#[cfg(not(target_os = "linux"))]
fn sync_tells_all_errors(_: &File) -> bool {
    false
}

/// Whether the running kernel is not older than this.
fn is_release_at_least(major: u32, minor: u32) -> bool {
    let system = rustix::system::uname();
    let numbers = system.release().to_str().unwrap_or_default();
    let mut numbers = numbers
        .split(|character: char| !character.is_ascii_digit())
        .map_while(|number| number.parse().ok());
    (numbers.next(), numbers.next()) >= (Some(major), Some(minor))
}

/// Makes the folder `path` and what is missing above it, durably.
fn create_root(path: &Path) -> io::Result<()> {
    if path.as_os_str().is_empty() || path.is_dir() {
        return Ok(());
    }
    let parent = path.parent().unwrap_or(Path::new(""));
    create_root(parent)?;
    match DirBuilder::new().mode(0o700).create(path) {
        // A sibling that starts at the same time was faster.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
        made => made?,
    }
    File::open(Path::new(ROOT).join(parent))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_compare_by_number() {
        assert!(is_release_at_least(2, 6));
        assert!(!is_release_at_least(1000, 0));
    }
}
