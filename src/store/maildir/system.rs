//! The file system of this machine, as the store sees it.

mod unnamed;

use std::cell::Cell;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{
    AtFlags, Dir, Mode, OFlags, Timespec, Timestamps, UTIME_NOW, fstatvfs, fsync, futimens,
    mkdirat, openat, renameat, unlinkat,
};
#[cfg(target_os = "linux")]
use rustix::fs::{RenameFlags, renameat_with};
use rustix::io::Errno;
use rustix::path::Arg;

use self::unnamed::{MessageFile, Naming, copy_all};
use super::disk::{Disk, ROOT};
use super::fsync::reports_all_errors;
use crate::store::disk_error::DiskError;
use crate::store::root::create_root;

/// Advice for a root that was removed while it is in use.
const ROOT_GONE: &str = "the folder of the store was removed: restart mailoop, which makes it anew";
/// Files are for the user that mailoop runs as.
const FILE_MODE: Mode = Mode::RUSR.union(Mode::WUSR);
/// The most folders that are held open.
const FOLDERS_HELD_MAX: usize = 64;

/// The file system of this machine below a folder.
///
/// Every folder is opened one component at a time from the root, which is held open, and no symbolic link is
/// followed: one that was planted in the store is an error and leads nowhere.
#[derive(Debug)]
pub struct System {
    root: Arc<File>,
    /// The path of the root, for the operator.
    path: PathBuf,
    device: u64,
    reports_all_errors: bool,
    naming: Naming,
    /// Folders that were opened since [`Disk::forget`], so that a group of messages for a mailbox opens it once.
    held: HashMap<Box<str>, Folder>,
    /// Whether the log says already that the free bytes are unknown, which are asked for again for every sender.
    is_told_of_unknown_room: Cell<bool>,
}

/// A folder that is open.
#[derive(Clone, Debug)]
struct Folder {
    file: Arc<File>,
    /// Whether it is on the root's file system. A mailbox may be on one of its own.
    is_at_root: bool,
}

impl System {
    /// Opens the folder `root`, which is made, durably, if it is missing.
    ///
    /// # Errors
    /// The folder can be neither opened nor made.
    pub fn open(root: &Path) -> io::Result<Self> {
        create_root(root)?;
        // Whole, since the reader of an error may work in another folder.
        let path = root.canonicalize().unwrap_or_else(|_| root.to_owned());
        let root = File::open(root)?;
        Ok(Self {
            path,
            device: root.metadata()?.dev(),
            reports_all_errors: reports_all_errors(&root),
            root: Arc::new(root),
            naming: Naming::AtOnce,
            held: HashMap::new(),
            is_told_of_unknown_room: Cell::new(false),
        })
    }

    /// The root, to ask about its file system.
    #[must_use]
    pub fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// The number of bytes that may still be written to the file system of the root. An unknown number is no limit: the disk
    /// says by itself what it does not take.
    #[must_use]
    pub fn free_bytes(&self) -> u64 {
        match fstatvfs(self.root()) {
            Ok(status) => {
                self.is_told_of_unknown_room.set(false);
                status.f_bavail.saturating_mul(status.f_frsize)
            }
            Err(error) => {
                if !self.is_told_of_unknown_room.replace(true) {
                    log::warn!("free=unknown error=\"{error}\"");
                }
                u64::MAX
            }
        }
    }

    /// Opens the folder at `path`, and nothing but a folder.
    fn folder(&mut self, path: &str) -> rustix::io::Result<Folder> {
        if path == ROOT {
            return Ok(Folder {
                file: Arc::clone(&self.root),
                is_at_root: true,
            });
        }
        if let Some(folder) = self.held.get(path) {
            return Ok(folder.clone());
        }
        let (parent, name) = self.parent(path)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = File::from(openat(&parent, name, flags, Mode::empty())?);
        let folder = Folder {
            // The files in it need not be asked, each by itself.
            is_at_root: file
                .metadata()
                .is_ok_and(|folder| folder.dev() == self.device),
            file: Arc::new(file),
        };
        if self.held.len() >= FOLDERS_HELD_MAX {
            self.held.clear();
        }
        self.held.insert(path.into(), folder.clone());
        Ok(folder)
    }

    /// Opens the folder that `path` is in, and returns its name there.
    fn parent<'p>(&mut self, path: &'p str) -> rustix::io::Result<(Arc<File>, &'p str)> {
        let (parent, name) = path.rsplit_once('/').unwrap_or((ROOT, path));
        Ok((self.folder(parent)?.file, name))
    }

    fn open_lock(&mut self, path: &str, flags: OFlags) -> io::Result<File> {
        let mut open = || {
            let (folder, name) = self.parent(path)?;
            let flags = flags | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            openat(&folder, name, flags, FILE_MODE)
        };
        let opened = open().map_err(|errno| self.refused("open", path, errno))?;
        Ok(opened.into())
    }

    /// Makes the error of a call of the standard library that did `what` with `path`.
    fn failed(&self, what: &'static str, path: &str, error: &io::Error) -> io::Error {
        let errno = Errno::from_io_error(error).unwrap_or(Errno::IO);
        self.refused(what, path, errno)
    }

    /// Makes the error of a system call that did `what` with `path`.
    fn refused(&self, what: &'static str, path: &str, errno: Errno) -> io::Error {
        let at = self.path.join(path);
        let error = DiskError::new(what, if path == ROOT { &self.path } else { &at }, errno);
        if errno == Errno::NOENT && !path.contains('/') {
            // Nothing but the root is above it.
            return error.advise(ROOT_GONE).into();
        }
        error.into()
    }
}

/// Renames a file, and replaces none if the file system can do that: another process may have delivered a message under the name
/// that each process gives it.
#[cfg(target_os = "linux")]
fn rename_to_new(from: &File, name: &str, to: &File, new_name: &str) -> rustix::io::Result<()> {
    match renameat_with(from, name, to, new_name, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS) => renameat(from, name, to, new_name),
        renamed => renamed,
    }
}

#[cfg(not(target_os = "linux"))]
fn rename_to_new(from: &File, name: &str, to: &File, new_name: &str) -> rustix::io::Result<()> {
    renameat(from, name, to, new_name)
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

    fn each_name(&mut self, path: &str, visit: &mut dyn FnMut(&str)) -> io::Result<()> {
        let folder = self.folder(path);
        let list = || {
            for entry in Dir::read_from(&folder?.file)? {
                let entry = entry?;
                // Whatever has a name that is no text is nothing of ours.
                if let Ok(name) = entry.file_name().as_str()
                    && !name.starts_with('.')
                {
                    visit(name);
                }
            }
            Ok(())
        };
        list().map_err(|errno| self.refused("list", path, errno))
    }

    fn create(&mut self, path: &str) -> io::Result<MessageFile> {
        let created = self.create_file(path);
        created.map_err(|errno| self.refused("create", path, errno))
    }

    fn create_ahead(&mut self, path: &str) -> Option<io::Result<MessageFile>> {
        let created = self.create_file_ahead(path).transpose()?;
        Some(created.map_err(|errno| self.refused("create", path, errno)))
    }

    fn write(&mut self, file: &mut MessageFile, bytes: &[u8]) -> io::Result<()> {
        let written = file.file.write_all(bytes);
        written.map_err(|error| self.failed("write", &file.path, &error))
    }

    fn copy(&mut self, file: &MessageFile, path: &str) -> io::Result<MessageFile> {
        let mut copy = self.create(path)?;
        let copied = copy_all(&file.file, &mut copy.file);
        if copied.is_err() {
            // Should it fail, the sweep of a later start gets it.
            let _ = self.discard(&copy);
        }
        copied.map_err(|error| self.failed("write", path, &error))?;
        Ok(copy)
    }

    fn link(&mut self, file: &MessageFile, to: &str) -> io::Result<()> {
        let linked = self.link_file(file, to);
        linked.map_err(|errno| self.refused("link a file to", to, errno))
    }

    fn rename(&mut self, file: &MessageFile, to: &str) -> io::Result<()> {
        if !file.is_named {
            return self.link(file, to);
        }
        let mut rename = || {
            let ((from, name), (to, new_name)) = (self.parent(&file.path)?, self.parent(to)?);
            rename_to_new(&from, name, &to, new_name)
        };
        rename().map_err(|errno| self.refused("rename a file to", to, errno))
    }

    fn discard(&mut self, file: &MessageFile) -> io::Result<()> {
        if file.is_named {
            self.remove_file(&file.path)
        } else {
            Ok(())
        }
    }

    fn remove_file(&mut self, path: &str) -> io::Result<()> {
        let parent = self.parent(path);
        let removed = parent.and_then(|(folder, name)| unlinkat(&folder, name, AtFlags::empty()));
        removed.map_err(|errno| self.refused("remove", path, errno))
    }

    fn reports_all_errors(&self) -> bool {
        self.reports_all_errors
    }

    fn is_covered(&self, file: &MessageFile) -> bool {
        file.is_at_root
    }

    fn sync_file(&mut self, file: &MessageFile) -> io::Result<()> {
        let synced = file.file.sync_data();
        synced.map_err(|error| self.failed("sync", &file.path, &error))
    }

    fn sync_folder(&mut self, path: &str) -> io::Result<()> {
        let folder = self.folder(path);
        let synced = folder.and_then(|folder| fsync(&folder.file));
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
        let file = self.open_lock(path, OFlags::CREATE)?;
        file.try_lock()?;
        Ok(file)
    }

    fn try_lock(&mut self, path: &str) -> io::Result<Option<File>> {
        let file = self.open_lock(path, OFlags::empty())?;
        Ok(file.try_lock().is_ok().then_some(file))
    }

    fn probe(&mut self, path: &str) {
        self.find_naming(path);
    }

    fn forget(&mut self) {
        self.held.clear();
    }
}
