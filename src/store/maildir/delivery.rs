//! The delivery of a written message from `tmp/` to `new/`.

mod mailbox_link;
mod once;

use std::collections::BTreeMap;
use std::time::Instant;
use std::{io, mem};

use mailbox_link::{LinkState, MailboxLink};

use super::disk::Disk;
use super::folders::{Folders, MailboxAccess, MailboxPath};
use super::fsync::FsyncResults;
use super::names::FileNames;
use crate::store::{Failure, Finished, Outcome, Ticket};

/// The delivery of one file to its mailboxes, and its results so far.
#[derive(Debug)]
pub(super) struct MessageDelivery<F> {
    pub(super) ticket: Ticket,
    names: FileNames,
    opened: Instant,
    /// The mailboxes, each once.
    links: Vec<MailboxLink>,
    /// Groups of mailboxes, by their indices: a group gets the message in all of its mailboxes, or in none.
    groups: Vec<Vec<usize>>,
    /// The index of the mailbox in whose `tmp/` the file is written.
    holder: usize,
    /// The file, until it has its name there or is dropped. It stays open until its data is durable, since the kernel reports
    /// errors of writing to the descriptor that was written through.
    pub(super) file: Option<F>,
    /// The number of mailboxes that may be made for it, in all and still.
    to_make_max: usize,
    to_make: usize,
    /// Whether syncfs covers this file, and reports all errors of writing it.
    pub(super) is_covered: bool,
    /// The failure of the message itself, which ends the delivery to all.
    pub(super) result: Result<(), Failure>,
}

impl<F> MessageDelivery<F> {
    /// Makes the delivery of a message to these groups of mailboxes. No group is empty, and a mailbox may be in several.
    pub(super) fn new(
        ticket: Ticket,
        names: FileNames,
        groups: Vec<Vec<MailboxPath>>,
        to_make: usize,
    ) -> Self {
        let mut known = BTreeMap::new();
        let mut links = Vec::new();
        let mut index_of = |mailbox: MailboxPath| {
            *known.entry(mailbox.clone()).or_insert_with(|| {
                links.push(MailboxLink {
                    mailbox,
                    state: LinkState::Pending,
                    is_covered: true,
                    failure: None,
                });
                links.len() - 1
            })
        };
        let groups = groups
            .into_iter()
            .map(|group| group.into_iter().map(&mut index_of).collect())
            .collect();
        Self {
            ticket,
            names,
            opened: Instant::now(),
            links,
            groups,
            holder: 0,
            file: None,
            to_make_max: to_make,
            to_make,
            is_covered: true,
            result: Ok(()),
        }
    }

    /// Creates the file in the first mailbox that takes it. A mailbox that is missing is made where the file must have a name
    /// at once. A mailbox that takes no file fails its group.
    pub(super) fn create<D: Disk<File = F>>(&mut self, disk: &mut D, folders: &mut Folders) {
        if self.is_sought() {
            return;
        }
        for first in self.groups.iter().filter_map(|group| group.first()) {
            let link = &mut self.links[*first];
            if link.failure.is_some() {
                continue;
            }
            let path = link.mailbox.tmp(&self.names.tmp);
            let mut access = MailboxAccess {
                disk,
                folders,
                to_make: &mut self.to_make,
            };
            let created = access.within(&link.mailbox, |disk| match disk.create(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    disk.create_ahead(&path).unwrap_or(Err(error))
                }
                created => created,
            });
            match created {
                Ok(file) => {
                    self.holder = *first;
                    self.is_covered = disk.is_covered(&file);
                    self.file = Some(file);
                    return;
                }
                Err(failure) => link.failure = Some(failure),
            }
        }
        let first = self.links.iter().find_map(|link| link.failure.clone());
        self.result = Err(first.unwrap_or(Failure::BadName));
    }

    /// Appends to the file.
    pub(super) fn write<D: Disk<File = F>>(&mut self, disk: &mut D, text: &[u8]) {
        if let (Ok(()), Some(file)) = (&self.result, &mut self.file)
            && let Err(error) = disk.write(file, text)
        {
            self.result = Err(error.into());
        }
    }

    /// Gives the file, whose data is durable, its names in every `new/`.
    pub(super) fn give_names<D: Disk<File = F>>(&mut self, disk: &mut D, folders: &mut Folders) {
        let mut links = self.links.iter();
        if links.any(|link| link.state == LinkState::Found) {
            self.discard(disk);
            return;
        }
        let (Ok(()), Some(file)) = (&self.result, &self.file) else {
            return;
        };
        let mut access = MailboxAccess {
            disk,
            folders,
            to_make: &mut self.to_make,
        };
        for group in &self.groups {
            for index in group.iter().filter(|index| **index != self.holder) {
                let link = &mut self.links[*index];
                if link.state == LinkState::Pending && link.failure.is_none() {
                    link.is_covered = self.is_covered;
                    link.link_or_copy(file, &self.names, &mut access);
                }
                if link.failure.is_some() {
                    break;
                }
            }
        }
        // Last, since it takes the name in `tmp/` away.
        if self.wanted()[self.holder] {
            let mut access = MailboxAccess {
                disk,
                folders,
                to_make: &mut self.to_make,
            };
            let link = &mut self.links[self.holder];
            let name = link.mailbox.new_mail(self.names.new_mail());
            let is_once = self.names.once.is_some();
            let mut is_there = false;
            let renamed = access.within(&link.mailbox, |disk| {
                let renamed = disk.rename(file, &name);
                let exists = |error: &io::Error| error.kind() == io::ErrorKind::AlreadyExists;
                is_there = is_once && renamed.as_ref().is_err_and(exists);
                renamed
            });
            link.is_covered = self.is_covered;
            if is_there {
                link.state = LinkState::Found;
                self.discard(disk);
                return;
            }
            link.note(renamed);
            if link.failure.is_none() {
                self.file = None;
            }
        }
    }

    /// Says for each mailbox whether it is in a group in which none has failed.
    fn wanted(&self) -> Vec<bool> {
        let mut wanted = vec![false; self.links.len()];
        for group in &self.groups {
            if self.failure_in(group).is_none() {
                group.iter().for_each(|index| wanted[*index] = true);
            }
        }
        wanted
    }

    /// The failure by which a group does not get the message.
    fn failure_in(&self, group: &[usize]) -> Option<&Failure> {
        let failure = |index: &usize| self.links[*index].failure.as_ref();
        let own = group.iter().find_map(failure);
        own.or(self.result.as_ref().err())
    }

    /// The folders that are to be synced for its names, or their removal, to be durable; and whether syncfs covers them.
    pub(super) fn unsynced_folders(&self, folders: &Folders) -> Vec<(String, bool)> {
        let mut unsynced = Vec::new();
        for link in self.links.iter().filter(|link| link.is_unsynced()) {
            let folders = link.unsynced_folders(folders).into_iter();
            unsynced.extend(folders.map(|folder| (folder, link.is_covered)));
        }
        unsynced
    }

    /// Whether any of its names, or their removal, is not durable yet.
    pub(super) fn is_unsynced(&self) -> bool {
        self.links.iter().any(MailboxLink::is_unsynced)
    }

    /// Notes which of its names were `synced`, and keeps the folders of mailboxes that have it for good.
    pub(super) fn note_synced(&mut self, synced: &FsyncResults, folders: &mut Folders) {
        for link in &mut self.links {
            match link.state {
                LinkState::Linked | LinkState::Found => {
                    let unsynced = link.unsynced_folders(folders);
                    link.failure = synced.folders(&unsynced).err();
                }
                LinkState::Removed => link.state = LinkState::Gone,
                LinkState::Pending | LinkState::Durable | LinkState::Gone => {}
            }
        }
        let wanted = self.wanted();
        for (link, wanted) in self.links.iter_mut().zip(wanted) {
            if wanted && matches!(link.state, LinkState::Linked | LinkState::Found) {
                link.state = LinkState::Durable;
                folders.keep(&link.mailbox);
            }
        }
    }

    /// Removes every trace of an open message.
    pub(super) fn abandon<D: Disk<File = F>>(&mut self, disk: &mut D, folders: &mut Folders) {
        self.discard(disk);
        for (index, link) in self.links.iter().enumerate() {
            if index == self.holder || link.failure.is_some() {
                folders.unmake(disk, &link.mailbox);
            }
        }
    }

    /// Drops the file, and the name it was created with.
    pub(super) fn discard<D: Disk<File = F>>(&mut self, disk: &mut D) {
        if let Some(file) = self.file.take() {
            // Should it fail, the sweep of a later start gets it.
            let _ = disk.discard(&file);
        }
    }

    /// Removes every trace of the message where it failed. Names that are removed so are to be synced, lest a power cut bring
    /// them back.
    pub(super) fn withdraw<D: Disk<File = F>>(&mut self, disk: &mut D, folders: &mut Folders) {
        let mut lost = Vec::new();
        for (index, wanted) in self.wanted().into_iter().enumerate() {
            let link = &mut self.links[index];
            if wanted
                || matches!(
                    link.state,
                    LinkState::Durable | LinkState::Removed | LinkState::Gone
                )
            {
                continue;
            }
            let had_name = mem::replace(&mut link.state, LinkState::Gone) == LinkState::Linked
                && disk
                    .remove_file(&link.mailbox.new_mail(self.names.new_mail()))
                    .is_ok();
            if had_name {
                link.state = LinkState::Removed;
            }
            lost.push(index);
        }
        if lost.contains(&self.holder) {
            self.discard(disk);
        }
        for index in lost {
            if folders.unmake(disk, &self.links[index].mailbox) {
                self.to_make = self.to_make.saturating_add(1);
            }
        }
    }

    /// The number of mailboxes that were made for it and are there.
    pub(super) fn made(&self) -> usize {
        self.to_make_max.saturating_sub(self.to_make)
    }

    /// The result that is reported in the end.
    pub(super) fn finish(self) -> Finished {
        let result = |group: &Vec<usize>| self.failure_in(group).cloned().map_or(Ok(()), Err);
        let mut results: Vec<_> = self.groups.iter().map(result).collect();
        let outcome = if results.iter().all(Result::is_ok) {
            Outcome::Stored
        } else {
            match (results.len(), results.pop()) {
                (1, Some(Err(failure))) => Outcome::Failed(failure),
                (_, last) => Outcome::PerRecipient(results.into_iter().chain(last).collect()),
            }
        };
        Finished {
            ticket: self.ticket,
            outcome,
        }
    }
}
