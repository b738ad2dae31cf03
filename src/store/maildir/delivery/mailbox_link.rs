//! The message in one mailbox, and the state of its name there.

use std::io;

use rustix::io::Errno;

use crate::store::Failure;
use crate::store::disk_error::errno;
use crate::store::maildir::disk::Disk;
use crate::store::maildir::folders::{Folders, MailboxAccess, MailboxPath};
use crate::store::maildir::names::FileNames;

/// The message in one mailbox: the name that its file has in `new/`.
#[derive(Debug)]
pub(super) struct MailboxLink {
    pub(super) mailbox: MailboxPath,
    pub(super) state: LinkState,
    /// Whether syncfs covers its folders.
    pub(super) is_covered: bool,
    pub(super) failure: Option<Failure>,
}

/// States of a name in the `new/` of a mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LinkState {
    /// Not tried yet.
    Pending,
    /// Given, or tried, and not durable yet.
    Linked,
    /// There from an earlier delivery, of which nobody knows whether it is durable.
    Found,
    /// Durable.
    Durable,
    /// Removed again, which is not durable yet.
    Removed,
    /// Never given, or durably removed.
    Gone,
}

impl MailboxLink {
    /// Gives `file` a name in this mailbox, or a copy of it, where the file system has no hard links or is another one.
    pub(super) fn link_or_copy<D: Disk>(
        &mut self,
        file: &D::File,
        names: &FileNames,
        access: &mut MailboxAccess<'_, D>,
    ) {
        let name = self.mailbox.new_mail(names.new_mail());
        let mut needs_copy = false;
        let linked = access.within(&self.mailbox, |disk| {
            let linked = disk.link(file, &name);
            needs_copy = linked.as_ref().is_err_and(cannot_link);
            linked
        });
        if needs_copy {
            let copied = self.copy(file, names, access);
            self.note(copied);
        } else {
            self.note(linked);
        }
    }

    /// Makes a copy of `file` durable and gives it its name. The copy has an fsync of its own: syncfs covers no other file
    /// system, and where there are no links none can be relied on.
    fn copy<D: Disk>(
        &mut self,
        file: &D::File,
        names: &FileNames,
        access: &mut MailboxAccess<'_, D>,
    ) -> Result<(), Failure> {
        let path = self.mailbox.tmp(&names.tmp);
        let name = self.mailbox.new_mail(names.new_mail());
        let copy = access.within(&self.mailbox, |disk| disk.copy(file, &path))?;
        self.is_covered = access.disk.is_covered(&copy);
        let synced = access.disk.sync_file(&copy).map_err(Failure::from);
        let named =
            synced.and_then(|()| access.within(&self.mailbox, |disk| disk.rename(&copy, &name)));
        if named.is_err() {
            let _ = access.disk.discard(&copy);
        }
        named
    }

    /// Notes the result of giving the file its name here. One that failed may be there all the same.
    pub(super) fn note(&mut self, named: Result<(), Failure>) {
        self.state = LinkState::Linked;
        self.failure = named.err();
    }

    pub(super) fn is_unsynced(&self) -> bool {
        matches!(
            self.state,
            LinkState::Linked | LinkState::Found | LinkState::Removed
        )
    }

    /// The folders that are to be synced for its name. One that was found may be in the hands of a reader already.
    pub(super) fn unsynced_folders(&self, folders: &Folders) -> Vec<String> {
        let mut unsynced = folders.unsynced(&self.mailbox);
        if self.state == LinkState::Found {
            unsynced.push(format!("{}/cur", self.mailbox));
        }
        unsynced
    }
}

/// Whether the file system refuses a hard link, and a copy may do instead.
fn cannot_link(error: &io::Error) -> bool {
    matches!(
        errno(error),
        Some(Errno::XDEV | Errno::PERM | Errno::OPNOTSUPP | Errno::MLINK)
    )
}
