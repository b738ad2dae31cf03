//! The way of a written message from `tmp/` to `new/`.

use std::{iter, mem};

use super::disk::Disk;
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
    /// Whether a sync of the whole file system is one of this file, and tells of all its errors.
    pub(super) is_covered: bool,
    /// Whether its names were taken away again.
    is_withdrawn: bool,
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
            is_covered: true,
            is_withdrawn: false,
            result: Ok(()),
        }
    }

    /// Where the file is written.
    pub(super) fn draft_path(&self) -> String {
        self.first.tmp(&self.file_name)
    }

    fn mailboxes(&self) -> impl Iterator<Item = &MailboxPath> {
        iter::once(&self.first).chain(&self.others)
    }

    /// Creates the file in the first mailbox, which is made if it is missing.
    pub(super) fn create<D: Disk>(
        &self,
        disk: &mut D,
        folders: &mut Folders,
    ) -> Result<D::File, Failure> {
        let path = self.draft_path();
        folders.within(disk, &self.first, |disk| disk.create(&path))
    }

    /// Gives the file, whose data is durable, its names in every `new/`.
    pub(super) fn give_names(&mut self, disk: &mut impl Disk, folders: &mut Folders) {
        if self.result.is_ok() {
            self.result = self.link_and_rename(disk, folders);
        }
    }

    fn link_and_rename(&self, disk: &mut impl Disk, folders: &mut Folders) -> Result<(), Failure> {
        let draft = self.draft_path();
        for mailbox in &self.others {
            let name = mailbox.new_mail(&self.file_name);
            folders.within(disk, mailbox, |disk| disk.link(&draft, &name))?;
        }
        let name = self.first.new_mail(&self.file_name);
        folders.within(disk, &self.first, |disk| disk.rename(&draft, &name))
    }

    /// The folders that make its names durable.
    pub(super) fn unsynced_folders(&self, folders: &Folders) -> Vec<String> {
        self.mailboxes()
            .flat_map(|mailbox| folders.unsynced(mailbox))
            .collect()
    }

    /// Keeps the folders of a message that is stored.
    pub(super) fn keep_folders(&self, folders: &mut Folders) {
        for mailbox in self.mailboxes() {
            folders.keep(mailbox);
        }
    }

    /// Removes every trace of a message that has no name in a `new/` yet.
    pub(super) fn abandon(&self, disk: &mut impl Disk, folders: &mut Folders) {
        // Should it fail, the sweep of a later start gets it.
        let _ = disk.remove_file(&self.draft_path());
        folders.unmake(disk, &self.first);
    }

    /// Removes every trace of a message that failed, which may have got some of its names. Whether it had one, and that
    /// is to be made durable: nor should a power cut bring it back.
    pub(super) fn withdraw(&mut self, disk: &mut impl Disk, folders: &mut Folders) -> bool {
        if self.result.is_ok() || mem::replace(&mut self.is_withdrawn, true) {
            return false;
        }
        let mut had_name = false;
        for mailbox in self.mailboxes() {
            let name = mailbox.new_mail(&self.file_name);
            had_name |= disk.remove_file(&name).is_ok();
        }
        self.abandon(disk, folders);
        for mailbox in &self.others {
            folders.unmake(disk, mailbox);
        }
        had_name
    }

    /// What is told of it in the end.
    pub(super) fn finish(self) -> Finished {
        Finished {
            ticket: self.ticket,
            outcome: match self.result {
                Ok(()) => Outcome::Stored,
                Err(failure) => Outcome::Failed(failure),
            },
        }
    }
}
