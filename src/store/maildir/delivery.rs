//! The way of a written message from `tmp/` to `new/`.

use std::collections::HashMap;
use std::io;
use std::iter;

use rustix::fs::{AtFlags, linkat, renameat, unlinkat};
use rustix::io::Errno;

use super::folders::{Folders, MailboxPath};
use crate::store::{Failure, Finished, Outcome, Ticket};

/// Which file goes to which mailboxes, and how that went so far.
#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) ticket: Ticket,
    /// The name of the file, in `tmp/` as in `new/`.
    file_name: String,
    /// The mailbox whose `tmp/` holds the file.
    first: MailboxPath,
    others: Vec<MailboxPath>,
    /// The first failure ends the delivery.
    pub(super) result: Result<(), Failure>,
}

impl Delivery {
    pub(super) fn new(
        ticket: Ticket,
        file_name: String,
        first: MailboxPath,
        others: Vec<MailboxPath>,
    ) -> Self {
        Self {
            ticket,
            file_name,
            first,
            others,
            result: Ok(()),
        }
    }

    fn mailboxes(&self) -> impl Iterator<Item = &MailboxPath> {
        iter::once(&self.first).chain(&self.others)
    }

    /// Gives the file, whose data is durable, its names in every `new/`.
    pub(super) fn give_names(&mut self, folders: &mut Folders) {
        if self.result.is_ok() {
            self.result = self.link_and_rename(folders);
        }
    }

    fn link_and_rename(&self, folders: &mut Folders) -> Result<(), Failure> {
        let name = &*self.file_name;
        let tmp = folders.tmp(&self.first)?;
        for mailbox in &self.others {
            let new = folders.make_new_mail(mailbox)?;
            linkat(&tmp, name, &new, name, AtFlags::empty()).map_err(io::Error::from)?;
        }
        let new = folders.make_new_mail(&self.first)?;
        renameat(&tmp, name, &new, name).map_err(io::Error::from)?;
        Ok(())
    }

    /// Keeps the folders of a message that is stored.
    pub(super) fn keep_folders(&self, folders: &mut Folders) {
        if self.result.is_ok() {
            for mailbox in self.mailboxes() {
                folders.keep(mailbox);
            }
        }
    }

    /// Removes every trace of a message that has no name in a `new/` yet.
    pub(super) fn abandon(&self, folders: &mut Folders) {
        if let Ok(tmp) = folders.tmp(&self.first) {
            // Should it fail, the sweep of a later start gets it.
            let _ = unlinkat(&tmp, &*self.file_name, AtFlags::empty());
        }
        folders.unmake(&self.first);
    }

    /// Removes every trace of a message that may have got some of its names.
    fn withdraw(&self, folders: &mut Folders) {
        for mailbox in self.mailboxes() {
            if let Ok(new) = folders.new_mail(mailbox)
                && unlinkat(&new, &*self.file_name, AtFlags::empty()).is_ok()
            {
                // Nor should a power cut bring the name back; there is nobody to tell if this fails.
                let _ = new.sync_all();
            }
        }
        self.abandon(folders);
        for mailbox in &self.others {
            folders.unmake(mailbox);
        }
    }

    /// Ends the delivery, and leaves nothing of it if it failed.
    pub(super) fn finish(self, folders: &mut Folders) -> Finished {
        if self.result.is_err() {
            self.withdraw(folders);
        }
        Finished {
            ticket: self.ticket,
            outcome: match self.result {
                Ok(()) => Outcome::Stored,
                Err(failure) => Outcome::Failed(failure),
            },
        }
    }
}

/// Makes the names that `group` got durable. Every folder is synced once, and if that fails, so does every
/// message with a name in it.
pub(super) fn sync_names(group: &mut [Delivery], folders: &Folders) {
    let mut synced: HashMap<String, Result<(), Errno>> = HashMap::new();
    let mut sync = |path: String| {
        *synced.entry(path).or_insert_with_key(|path| {
            let synced = folders.sync(path);
            synced.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
        })
    };
    for delivery in group.iter_mut().filter(|delivery| delivery.result.is_ok()) {
        let paths = |mailbox| folders.unsynced(mailbox);
        let result = delivery.mailboxes().flat_map(paths).try_for_each(&mut sync);
        delivery.result = result.map_err(|errno| io::Error::from(errno).into());
    }
}
