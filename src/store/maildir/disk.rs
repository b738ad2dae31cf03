//! What a store of Maildir folders asks of a file system. The store knows nothing else of it, so that a model of
//! one can take its place in tests and lose what a power cut would lose.

use std::collections::HashMap;
use std::fs::{DirBuilder, File};
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{
    AtFlags, Dir, Mode, OFlags, Timespec, Timestamps, UTIME_NOW, futimens, linkat, mkdirat, openat,
    renameat, unlinkat,
};
use rustix::io::Errno;
use rustix::path::Arg;

/// The root of the store, as a path.
pub const ROOT: &str = ".";

/// A file system below the root of a store. Paths are relative to that root, and no component of one may be a
/// symbolic link.
pub trait Disk {
    /// A file that is being written.
    type File;
    /// A lock, which is held until this is dropped.
    type Lock;

    /// Makes a folder, and says whether it was missing.
    ///
    /// # Errors
    /// What the system says.
    fn make_folder(&mut self, path: &str) -> io::Result<bool>;

    /// Removes an empty folder.
    ///
    /// # Errors
    /// What the system says.
    fn remove_folder(&mut self, path: &str) -> io::Result<()>;

    /// Whether there is a folder.
    ///
    /// # Errors
    /// What the system says, unless that there is none.
    fn has_folder(&mut self, path: &str) -> io::Result<bool>;

    /// The names in a folder, less those with a leading dot.
    ///
    /// # Errors
    /// What the system says.
    fn list(&mut self, path: &str) -> io::Result<Vec<String>>;

    /// Creates a file to be written, which must not be there yet.
    ///
    /// # Errors
    /// What the system says.
    fn create(&mut self, path: &str) -> io::Result<Self::File>;

    /// Appends to a file.
    ///
    /// # Errors
    /// What the system says.
    fn write(&mut self, file: &mut Self::File, bytes: &[u8]) -> io::Result<()>;

    /// Gives a file a second name.
    ///
    /// # Errors
    /// What the system says.
    fn link(&mut self, from: &str, to: &str) -> io::Result<()>;

    /// Gives a file another name.
    ///
    /// # Errors
    /// What the system says.
    fn rename(&mut self, from: &str, to: &str) -> io::Result<()>;

    /// Takes a name of a file away.
    ///
    /// # Errors
    /// What the system says.
    fn remove_file(&mut self, path: &str) -> io::Result<()>;

    /// Whether [`sync_all`](Self::sync_all) tells of every error.
    fn tells_all_errors(&self) -> bool;

    /// Whether [`sync_all`](Self::sync_all) covers a file.
    fn is_covered(&self, file: &Self::File) -> bool;

    /// Makes the data of a file durable.
    ///
    /// # Errors
    /// Any of it may be lost.
    fn sync_file(&mut self, file: &Self::File) -> io::Result<()>;

    /// Makes the names in a folder durable.
    ///
    /// # Errors
    /// Any of them may be lost.
    fn sync_folder(&mut self, path: &str) -> io::Result<()>;

    /// Makes everything durable that was written to the file system of the root, and sees that this still takes
    /// changes, by touching the file that was locked with `lock`.
    ///
    /// # Errors
    /// Any of it may be lost, whoever wrote it.
    fn sync_all(&mut self, lock: &Self::Lock) -> io::Result<()>;

    /// Locks a file, which is created if it is missing. It never waits: the loop may be what asks.
    ///
    /// # Errors
    /// `WouldBlock` if somebody else holds the lock; otherwise what the system says.
    fn lock(&mut self, path: &str) -> io::Result<Self::Lock>;

    /// Locks a file that is there, unless somebody else does.
    ///
    /// # Errors
    /// What the system says.
    fn try_lock(&mut self, path: &str) -> io::Result<Option<Self::Lock>>;

    /// Looks at folders anew from here on: others may have moved them.
    fn forget(&mut self) {}
}

/// The most folders that are held open.
const FOLDERS_HELD_MAX: usize = 64;

/// The file system of this machine below a folder.
///
/// Every folder is opened one component at a time from the root, which is held open, and no symbolic link is
/// followed: one that was planted in the store is an error and leads nowhere.
#[derive(Debug)]
pub struct System {
    root: Arc<File>,
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
        let root = File::open(root)?;
        Ok(Self {
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
    fn folder(&mut self, path: &str) -> io::Result<Arc<File>> {
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
    fn parent<'p>(&mut self, path: &'p str) -> io::Result<(Arc<File>, &'p str)> {
        let (parent, name) = path.rsplit_once('/').unwrap_or((ROOT, path));
        Ok((self.folder(parent)?, name))
    }

    fn open_file(&mut self, path: &str, flags: OFlags) -> io::Result<File> {
        let (folder, name) = self.parent(path)?;
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(openat(&folder, name, flags, Mode::RUSR | Mode::WUSR)?.into())
    }
}

impl Disk for System {
    type File = File;
    type Lock = File;

    fn make_folder(&mut self, path: &str) -> io::Result<bool> {
        let (parent, name) = self.parent(path)?;
        match mkdirat(&parent, name, Mode::RWXU) {
            Ok(()) => Ok(true),
            Err(Errno::EXIST) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn remove_folder(&mut self, path: &str) -> io::Result<()> {
        let (parent, name) = self.parent(path)?;
        self.held.clear();
        Ok(unlinkat(&parent, name, AtFlags::REMOVEDIR)?)
    }

    fn has_folder(&mut self, path: &str) -> io::Result<bool> {
        match self.folder(path) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn list(&mut self, path: &str) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.folder(path)?)? {
            let entry = entry?;
            // Whatever has a name that is no text is nothing of ours.
            if let Ok(name) = entry.file_name().as_str()
                && !name.starts_with('.')
            {
                names.push(name.to_owned());
            }
        }
        Ok(names)
    }

    fn create(&mut self, path: &str) -> io::Result<File> {
        self.open_file(path, OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL)
    }

    fn write(&mut self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    fn link(&mut self, from: &str, to: &str) -> io::Result<()> {
        let ((from, name), (to, new_name)) = (self.parent(from)?, self.parent(to)?);
        Ok(linkat(&from, name, &to, new_name, AtFlags::empty())?)
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let ((from, name), (to, new_name)) = (self.parent(from)?, self.parent(to)?);
        Ok(renameat(&from, name, &to, new_name)?)
    }

    fn remove_file(&mut self, path: &str) -> io::Result<()> {
        let (folder, name) = self.parent(path)?;
        Ok(unlinkat(&folder, name, AtFlags::empty())?)
    }

    fn tells_all_errors(&self) -> bool {
        self.tells_all_errors
    }

    fn is_covered(&self, file: &File) -> bool {
        // A mailbox may be on a file system of its own.
        file.metadata().is_ok_and(|file| file.dev() == self.device)
    }

    fn sync_file(&mut self, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    fn sync_folder(&mut self, path: &str) -> io::Result<()> {
        self.folder(path)?.sync_all()
    }

    #[cfg(target_os = "linux")]
    fn sync_all(&mut self, lock: &File) -> io::Result<()> {
        // The kernel tells each descriptor of an error once, from its opening on; the root is open since before
        // the first write.
        rustix::fs::syncfs(&self.root)?;
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
        Ok(futimens(lock, &times)?)
    }

    #[cfg(not(target_os = "linux"))]
    fn sync_all(&mut self, _: &File) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn lock(&mut self, path: &str) -> io::Result<File> {
        let file = self.open_file(path, OFlags::WRONLY | OFlags::CREATE)?;
        file.try_lock()?;
        Ok(file)
    }

    fn try_lock(&mut self, path: &str) -> io::Result<Option<File>> {
        let file = self.open_file(path, OFlags::WRONLY)?;
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
