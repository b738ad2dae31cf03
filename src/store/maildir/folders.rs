//! Where mailboxes are, and how their folders are opened, made and removed.
//!
//! Every folder is opened one component at a time from the root, which is held open, and no symbolic link is
//! followed: one that was planted in the store is an error and leads nowhere.

use std::collections::BTreeSet;
use std::ffi::CString;
use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;

use rustix::fs::{AtFlags, Dir, Mode, OFlags, mkdirat, openat, unlinkat};
use rustix::io::Errno;
use rustix::path::Arg;

use super::sync;
use crate::smtp::path::Mailbox;
use crate::store::Failure;

/// The most bytes of a folder name (NAME_MAX of every common file system).
const FOLDER_NAME_BYTES_MAX: usize = 255;
/// What a mailbox consists of.
const SUBFOLDERS: [&str; 3] = ["tmp", "new", "cur"];
/// The name of the root, relative to itself.
const ROOT: &str = ".";

/// Where a mailbox is under the root: `<domain>/<local-part>`, both as folder names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct MailboxPath {
    domain: Box<str>,
    local: Box<str>,
}

impl MailboxPath {
    /// The place of `mailbox`, the same for all its spellings.
    pub(super) fn new(mailbox: &Mailbox) -> Result<Self, Failure> {
        Ok(Self {
            domain: folder_name(mailbox.domain())?,
            local: folder_name(&mailbox.local_part_unquoted())?,
        })
    }

    fn folder(&self) -> String {
        format!("{}/{}", self.domain, self.local)
    }

    fn subfolder(&self, name: &str) -> String {
        format!("{}/{}/{name}", self.domain, self.local)
    }
}

/// The folder name of a domain or a local-part. It is no other's name, it has no `/`, and it does not begin
/// with a dot, so it is neither `.` nor `..` nor hidden.
fn folder_name(part: &str) -> Result<Box<str>, Failure> {
    let mut name = String::with_capacity(part.len());
    for byte in part.bytes() {
        match byte.to_ascii_lowercase() {
            b'.' if name.is_empty() => name.push_str("%2E"),
            plain @ (b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_' | b'+' | b'=') => {
                name.push(char::from(plain));
            }
            other => name.push_str(&format!("%{other:02X}")),
        }
    }
    if name.is_empty() || name.len() > FOLDER_NAME_BYTES_MAX {
        return Err(Failure::BadName);
    }
    Ok(name.into())
}

/// The mailbox folders under a root.
#[derive(Debug)]
pub(super) struct Folders {
    root: File,
    device: u64,
    /// How many mailboxes there are, and may be before no more are made.
    count: usize,
    max: usize,
    /// Mailboxes that were made here and hold no message that was reported stored. Their names are not
    /// durable yet, and they go again if their message does.
    fresh: BTreeSet<MailboxPath>,
}

impl Folders {
    /// The mailboxes under `root`, which are counted.
    pub(super) fn open(root: File, max: usize) -> io::Result<Self> {
        let mut count = 0;
        each_mailbox(&root, |_| {
            count += 1;
            Ok(())
        })?;
        Ok(Self {
            device: root.metadata()?.dev(),
            root,
            count,
            max,
            fresh: BTreeSet::new(),
        })
    }

    /// How many mailboxes may still be made.
    pub(super) fn room(&self) -> usize {
        self.max.saturating_sub(self.count)
    }

    /// Whether there is a folder for `mailbox`.
    pub(super) fn exists(&self, mailbox: &MailboxPath) -> io::Result<bool> {
        match self.open_folder(&mailbox.folder()) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The `tmp/` of `mailbox`, which must be there.
    pub(super) fn tmp(&self, mailbox: &MailboxPath) -> io::Result<File> {
        self.open_folder(&mailbox.subfolder("tmp"))
    }

    /// The `new/` of `mailbox`, which must be there.
    pub(super) fn new_mail(&self, mailbox: &MailboxPath) -> io::Result<File> {
        self.open_folder(&mailbox.subfolder("new"))
    }

    /// The `new/` of `mailbox`, which is made if it is missing.
    pub(super) fn make_new_mail(&mut self, mailbox: &MailboxPath) -> Result<File, Failure> {
        self.open_or_make(mailbox, "new")
    }

    /// Creates a file in the `tmp/` of `mailbox`, which is made if it is missing.
    pub(super) fn create_in_tmp(
        &mut self,
        mailbox: &MailboxPath,
        file_name: &str,
    ) -> Result<File, Failure> {
        let tmp = self.open_or_make(mailbox, "tmp")?;
        let created = create(&tmp, file_name);
        if created.is_err() {
            self.unmake(mailbox);
        }
        Ok(created?)
    }

    /// The folders that must be synced so that a name in the `new/` of `mailbox` is durable.
    pub(super) fn unsynced(&self, mailbox: &MailboxPath) -> Vec<String> {
        let mut folders = vec![mailbox.subfolder("new")];
        if self.fresh.contains(mailbox) {
            folders.extend([mailbox.folder(), mailbox.domain.to_string(), ROOT.into()]);
        }
        folders
    }

    /// Makes the names in the folder at `path` durable.
    pub(super) fn sync(&self, path: &str) -> io::Result<()> {
        self.open_folder(path)?.sync_all()
    }

    /// The file system that the root is on.
    pub(super) fn device(&self) -> u64 {
        self.device
    }

    /// Makes all that was written to that file system durable.
    pub(super) fn sync_all(&self) -> io::Result<()> {
        sync::together(&self.root)
    }

    /// Says that `mailbox` holds a durable message.
    pub(super) fn keep(&mut self, mailbox: &MailboxPath) {
        self.fresh.remove(mailbox);
    }

    /// Removes the folders of `mailbox` if they were made for a message that is gone, and as far as nothing
    /// else is in them.
    pub(super) fn unmake(&mut self, mailbox: &MailboxPath) {
        if self.fresh.contains(mailbox) && self.remove_empty(mailbox).is_ok() {
            self.fresh.remove(mailbox);
            self.count = self.count.saturating_sub(1);
        }
        // Refused unless it is empty, and then nobody misses it.
        let _ = remove_folder(&self.root, &mailbox.domain);
    }

    fn remove_empty(&self, mailbox: &MailboxPath) -> io::Result<()> {
        let gone = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
        let folder = match self.open_folder(&mailbox.folder()) {
            Err(error) if gone(&error) => return Ok(()),
            folder => folder?,
        };
        for name in SUBFOLDERS {
            match remove_folder(&folder, name) {
                Err(error) if !gone(&error) => return Err(error),
                _ => {}
            }
        }
        remove_folder(&self.open_folder(&mailbox.domain)?, &mailbox.local)
    }

    fn open_or_make(&mut self, mailbox: &MailboxPath, name: &str) -> Result<File, Failure> {
        let path = mailbox.subfolder(name);
        match self.open_folder(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            folder => return Ok(folder?),
        }
        if self.room() == 0 && !self.exists(mailbox)? {
            return Err(Failure::TooManyMailboxes);
        }
        let made = self.make(mailbox).and_then(|()| self.open_folder(&path));
        if made.is_err() {
            self.unmake(mailbox);
        }
        Ok(made?)
    }

    /// Makes what is missing of `mailbox`.
    fn make(&mut self, mailbox: &MailboxPath) -> io::Result<()> {
        make_folder(&self.root, &mailbox.domain)?;
        let domain = open_folder(&self.root, &*mailbox.domain)?;
        let made = make_folder(&domain, &mailbox.local)?;
        if made {
            self.count += 1;
            self.fresh.insert(mailbox.clone());
        }
        let folder = open_folder(&domain, &*mailbox.local)?;
        let mut completed = false;
        for name in SUBFOLDERS {
            completed |= make_folder(&folder, name)?;
        }
        // A fresh mailbox is synced at commit; one that somebody else made and left incomplete, here.
        if completed && !made {
            folder.sync_all()?;
        }
        Ok(())
    }

    /// Opens the folder at `path`, relative to the root.
    fn open_folder(&self, path: &str) -> io::Result<File> {
        let mut names = path.split('/');
        let mut folder = open_folder(&self.root, names.next().unwrap_or(ROOT))?;
        for name in names {
            folder = open_folder(&folder, name)?;
        }
        Ok(folder)
    }
}

/// Makes the folder `path` and what is missing above it, durably.
pub(super) fn create_root(path: &Path) -> io::Result<()> {
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

/// Shows every mailbox folder under `root` to `visit`. Names with a leading dot are no mailboxes, nor is
/// anything that is no folder.
pub(super) fn each_mailbox(
    root: &File,
    mut visit: impl FnMut(&File) -> io::Result<()>,
) -> io::Result<()> {
    for domain in names(root)? {
        let Some(domain) = open_if_folder(root, &domain)? else {
            continue;
        };
        for local in names(&domain)? {
            if let Some(mailbox) = open_if_folder(&domain, &local)? {
                visit(&mailbox)?;
            }
        }
    }
    Ok(())
}

/// The names in `folder`, less those with a leading dot.
pub(super) fn names(folder: &File) -> io::Result<Vec<CString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        if !entry.file_name().to_bytes().starts_with(b".") {
            names.push(entry.file_name().to_owned());
        }
    }
    Ok(names)
}

/// Opens the folder `name` in `parent`, and nothing but a folder.
pub(super) fn open_folder(parent: &File, name: impl Arg) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(parent, name, flags, Mode::empty())?.into())
}

/// Opens the folder `name` in `parent`, unless it is gone, something else, or somebody else's (as is the
/// `lost+found` of a file system of its own).
pub(super) fn open_if_folder(parent: &File, name: impl Arg) -> io::Result<Option<File>> {
    match open_folder(parent, name) {
        Ok(folder) => Ok(Some(folder)),
        Err(error) => match Errno::from_io_error(&error) {
            Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::ACCESS) => Ok(None),
            _ => Err(error),
        },
    }
}

/// Creates the file `name` in `folder`, to be written.
pub(super) fn create(folder: &File, name: &str) -> io::Result<File> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(folder, name, flags, Mode::RUSR | Mode::WUSR)?.into())
}

/// Makes the folder `name` in `parent`, and says whether it was missing.
pub(super) fn make_folder(parent: &File, name: &str) -> io::Result<bool> {
    match mkdirat(parent, name, Mode::RWXU) {
        Ok(()) => Ok(true),
        Err(Errno::EXIST) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn remove_folder(parent: &File, name: &str) -> io::Result<()> {
    Ok(unlinkat(parent, name, AtFlags::REMOVEDIR)?)
}
