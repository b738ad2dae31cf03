//! Mailbox folders: their paths, and making and removing them.

use std::collections::BTreeSet;
use std::fmt;
use std::io;

use rustix::io::Errno;

use super::disk::{Disk, ROOT};
use crate::smtp::path::Mailbox;
use crate::store::Failure;
use crate::store::disk_error::errno;

/// The most bytes of a folder name (NAME_MAX of every common file system).
const FOLDER_NAME_BYTES_MAX: usize = 255;
/// The most mailboxes that are known to be durable; the folders of others are synced with every message.
const DURABLE_MAX: usize = 10_000;
/// The subfolders of a mailbox. An empty mailbox is removed in this order, `new` last: it must not be made anew while there
/// is mail in `cur` that a sibling has stored, which knows the mailbox for durable.
const SUBFOLDERS: [&str; 3] = ["tmp", "cur", "new"];

/// The path of a mailbox under the root: `<domain>/<local-part>`, both as folder names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MailboxPath(Box<str>);

impl MailboxPath {
    /// Makes the path of `mailbox`, the same for all its spellings.
    ///
    /// # Errors
    /// [`Failure::BadName`] if its parts have no folder names.
    pub fn new(mailbox: &Mailbox) -> Result<Self, Failure> {
        // Mostly as long as the address: a turn may make thousands of these.
        let mut path = String::with_capacity(mailbox.as_str().len());
        push_folder_name(&mut path, &mailbox.ascii_domain())?;
        path.push('/');
        push_folder_name(&mut path, &mailbox.local_part_unquoted())?;
        Ok(Self(path.into()))
    }

    /// Takes a path that came from another process, which made it by [`new`](Self::new).
    pub(super) fn from_wire(path: &str) -> Self {
        Self(path.into())
    }

    /// The folder of its domain.
    fn domain(&self) -> &str {
        self.0.split_once('/').map_or(&self.0, |(domain, _)| domain)
    }

    /// The path of `name` in its `tmp/`.
    pub(super) fn tmp(&self, name: &str) -> String {
        format!("{self}/tmp/{name}")
    }

    /// The path of `name` in its `new/`.
    pub(super) fn new_mail(&self, name: &str) -> String {
        format!("{self}/new/{name}")
    }
}

impl fmt::Display for MailboxPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Appends the folder name of a domain or a local-part. The name is no other part's, has no `/`, and does not begin with a
/// dot, so it is neither `.` nor `..` nor hidden.
fn push_folder_name(path: &mut String, part: &str) -> Result<(), Failure> {
    let start = path.len();
    for byte in part.bytes() {
        match byte.to_ascii_lowercase() {
            b'.' if path.len() == start => path.push_str("%2E"),
            plain @ (b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_' | b'+' | b'=') => {
                path.push(char::from(plain));
            }
            other => path.push_str(&format!("%{other:02X}")),
        }
    }
    if path.len() == start || path.len() - start > FOLDER_NAME_BYTES_MAX {
        return Err(Failure::BadName);
    }
    Ok(())
}

/// The mailbox folders under a root, as far as they are known.
#[derive(Debug)]
pub(super) struct Folders {
    /// The number of mailboxes, and the number from which on no more are made.
    count: usize,
    max: usize,
    /// Mailboxes that were made here and hold no message that was reported stored: they go again if their message
    /// does.
    fresh: BTreeSet<MailboxPath>,
    /// Mailboxes whose folders are durable, as messages in them were reported stored. Those that somebody else
    /// made, as a process that was killed, may not be.
    durable: BTreeSet<MailboxPath>,
}

impl Folders {
    /// Counts the mailboxes there are.
    pub(super) fn count(disk: &mut impl Disk, max: usize) -> io::Result<Self> {
        let mut count = 0;
        each_mailbox(disk, |_, _| {
            count += 1;
            Ok(())
        })?;
        Ok(Self {
            count,
            max,
            fresh: BTreeSet::new(),
            durable: BTreeSet::new(),
        })
    }

    /// The number of mailboxes that may still be made.
    pub(super) fn room(&self) -> usize {
        self.max.saturating_sub(self.count)
    }

    /// The folders that must be synced so that a name in the `new/` of `mailbox` is durable.
    pub(super) fn unsynced(&self, mailbox: &MailboxPath) -> Vec<String> {
        let mut folders = vec![format!("{mailbox}/new")];
        if !self.durable.contains(mailbox) {
            let above = [mailbox.to_string(), mailbox.domain().into(), ROOT.into()];
            folders.extend(above);
        }
        folders
    }

    /// Says that `mailbox` holds a durable message.
    pub(super) fn keep(&mut self, mailbox: &MailboxPath) {
        self.fresh.remove(mailbox);
        if self.durable.len() >= DURABLE_MAX {
            self.durable.clear();
        }
        self.durable.insert(mailbox.clone());
    }

    /// Removes the folders of `mailbox` if they were made for a message that is gone, and as far as nothing
    /// else is in them. Returns whether the mailbox is gone by that.
    pub(super) fn unmake(&mut self, disk: &mut impl Disk, mailbox: &MailboxPath) -> bool {
        let removed = self.fresh.contains(mailbox) && remove_empty(disk, mailbox).is_ok();
        if removed {
            self.fresh.remove(mailbox);
            self.count = self.count.saturating_sub(1);
        }
        // Refused unless it is empty, and then nobody misses it.
        let _ = disk.remove_folder(mailbox.domain());
        removed
    }
}

/// Access to mailboxes for one message: makes those that are missing.
pub(super) struct MailboxAccess<'a, D> {
    pub(super) disk: &'a mut D,
    pub(super) folders: &'a mut Folders,
    /// The number of mailboxes that may still be made for the message.
    pub(super) to_make: &'a mut usize,
}

impl<D: Disk> MailboxAccess<'_, D> {
    /// Acts on a file in `mailbox`; where something of that is missing it is made, and `act` tried again. After a failure the
    /// new mailbox is to be [unmade](Folders::unmake).
    pub(super) fn within<T>(
        &mut self,
        mailbox: &MailboxPath,
        mut act: impl FnMut(&mut D) -> io::Result<T>,
    ) -> Result<T, Failure> {
        match act(self.disk) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            done => return Ok(done?),
        }
        // A sibling may have removed what is held open.
        self.disk.forget();
        self.make(mailbox)?;
        Ok(act(self.disk)?)
    }

    /// Makes the missing folders of `mailbox`.
    fn make(&mut self, mailbox: &MailboxPath) -> Result<(), Failure> {
        let Self {
            disk,
            folders,
            to_make,
        } = self;
        if folders.room().min(**to_make) == 0 && !disk.has_folder(&mailbox.0)? {
            return Err(Failure::TooManyMailboxes);
        }
        disk.make_folder(mailbox.domain())?;
        if disk.make_folder(&mailbox.0)? {
            folders.count += 1;
            **to_make = to_make.saturating_sub(1);
            folders.fresh.insert(mailbox.clone());
        }
        // Something was missing: what was known of it is no longer true.
        folders.durable.remove(mailbox);
        for name in SUBFOLDERS {
            disk.make_folder(&format!("{mailbox}/{name}"))?;
        }
        Ok(())
    }
}

/// Removes a mailbox in which there is nothing; otherwise it stays whole.
fn remove_empty(disk: &mut impl Disk, mailbox: &MailboxPath) -> io::Result<()> {
    let folders = SUBFOLDERS.map(|name| format!("{mailbox}/{name}"));
    for folder in folders.iter().map(String::as_str).chain([&*mailbox.0]) {
        match disk.remove_folder(folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                for folder in &folders {
                    let _ = disk.make_folder(folder);
                }
                return Err(error);
            }
            _ => {}
        }
    }
    Ok(())
}

/// Shows the path and the content of every mailbox folder to `visit`. Names with a leading dot are no mailboxes,
/// nor is anything that is no folder.
pub(super) fn each_mailbox<D: Disk>(
    disk: &mut D,
    mut visit: impl FnMut(&mut D, &str) -> io::Result<()>,
) -> io::Result<()> {
    for domain in disk.list(ROOT)? {
        for local in list_if_folder(disk, &domain)? {
            let mailbox = format!("{domain}/{local}");
            if is_folder(disk, &mailbox)? {
                visit(disk, &mailbox)?;
            }
        }
    }
    Ok(())
}

/// The names in a folder; none if it is gone, something else, or somebody else's (as is the `lost+found` of a
/// file system of its own).
pub(super) fn list_if_folder(disk: &mut impl Disk, path: &str) -> io::Result<Vec<String>> {
    match disk.list(path) {
        Err(error) if is_no_folder_of_ours(&error) => Ok(Vec::new()),
        listed => listed,
    }
}

fn is_folder(disk: &mut impl Disk, path: &str) -> io::Result<bool> {
    match disk.has_folder(path) {
        Err(error) if is_no_folder_of_ours(&error) => Ok(false),
        found => found,
    }
}

fn is_no_folder_of_ours(error: &io::Error) -> bool {
    matches!(
        errno(error),
        Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::ACCESS)
    )
}
