//! The way of a written message from `tmp/` to `new/`.

use std::collections::BTreeMap;
use std::{io, mem};

use rustix::io::Errno;

use super::disk::Disk;
use super::folders::{Folders, MailboxPath};
use super::sync::Synced;
use crate::store::trouble::errno;
use crate::store::{Failure, Finished, Outcome, Ticket};

/// Which file goes to which mailboxes, and how that went so far.
#[derive(Debug)]
pub(super) struct Delivery<F> {
    pub(super) ticket: Ticket,
    /// The name of the file, in `tmp/` as in `new/`.
    file_name: String,
    /// The mailboxes, each one once.
    places: Vec<Place>,
    /// Which of them belong together: a group gets the message in all of its mailboxes, or in none.
    groups: Vec<Vec<usize>>,
    /// The mailbox in whose `tmp/` the file is written.
    holder: usize,
    /// The file, until it has its name there or is dropped. It stays open until its data is durable: what was written
    /// through it, the kernel tells errors of to it.
    pub(super) file: Option<F>,
    /// How many mailboxes may be made for it, in all and still.
    to_make_max: usize,
    to_make: usize,
    /// Whether a sync of the whole file system is one of this file, and tells of all its errors.
    pub(super) is_covered: bool,
    /// A failure of the message itself, which ends the delivery to all.
    pub(super) result: Result<(), Failure>,
}

/// A mailbox on the way.
#[derive(Debug)]
struct Place {
    mailbox: MailboxPath,
    name: Name,
    /// Whether a sync of the whole file system is one of its folders.
    is_covered: bool,
    failure: Option<Failure>,
}

/// The name of the file in the `new/` of a mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Name {
    /// It has none yet.
    Pending,
    /// It was tried to give it one, which is not durable yet.
    Given,
    /// It is durable.
    Kept,
    /// It was taken away again, which is not durable yet.
    Withdrawn,
    /// There is nothing left of it.
    Gone,
}

impl<F> Delivery<F> {
    /// A message for these groups of mailboxes. No group is empty, and a mailbox may be in several.
    pub(super) fn new(
        ticket: Ticket,
        file_name: String,
        groups: Vec<Vec<MailboxPath>>,
        to_make: usize,
    ) -> Self {
        let mut known = BTreeMap::new();
        let mut places = Vec::new();
        let mut place_of = |mailbox: MailboxPath| {
            *known.entry(mailbox.clone()).or_insert_with(|| {
                places.push(Place {
                    mailbox,
                    name: Name::Pending,
                    is_covered: true,
                    failure: None,
                });
                places.len() - 1
            })
        };
        let groups = groups
            .into_iter()
            .map(|group| group.into_iter().map(&mut place_of).collect())
            .collect();
        Self {
            ticket,
            file_name,
            places,
            groups,
            holder: 0,
            file: None,
            to_make_max: to_make,
            to_make,
            is_covered: true,
            result: Ok(()),
        }
    }

    /// Creates the file for the first mailbox that takes it. A mailbox that is missing is made where the file must have a name
    /// at once. Who fails so fails its group.
    pub(super) fn create<D: Disk<File = F>>(&mut self, disk: &mut D, folders: &mut Folders) {
        for first in self.groups.iter().filter_map(|group| group.first()) {
            let place = &mut self.places[*first];
            if place.failure.is_some() {
                continue;
            }
            let path = place.mailbox.tmp(&self.file_name);
            let to_make = &mut self.to_make;
            let created = folders.within(disk, &place.mailbox, to_make, |disk| {
                match disk.create(&path) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {
                        disk.create_ahead(&path).unwrap_or(Err(error))
                    }
                    created => created,
                }
            });
            match created {
                Ok(file) => {
                    self.holder = *first;
                    self.is_covered = disk.is_covered(&file);
                    self.file = Some(file);
                    return;
                }
                Err(failure) => place.failure = Some(failure),
            }
        }
        let first = self.places.iter().find_map(|place| place.failure.clone());
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
        let (Ok(()), Some(file)) = (&self.result, &self.file) else {
            return;
        };
        for group in &self.groups {
            for index in group.iter().filter(|index| **index != self.holder) {
                let place = &mut self.places[*index];
                if place.name == Name::Pending && place.failure.is_none() {
                    place.is_covered = self.is_covered;
                    let to_make = &mut self.to_make;
                    place.link_or_copy(file, &self.file_name, disk, folders, to_make);
                }
                if place.failure.is_some() {
                    break;
                }
            }
        }
        // Last, since it takes the name in `tmp/` away.
        if self.wanted()[self.holder] {
            let place = &mut self.places[self.holder];
            let name = place.mailbox.new_mail(&self.file_name);
            let to_make = &mut self.to_make;
            let renamed = folders.within(disk, &place.mailbox, to_make, |disk| {
                disk.rename(file, &name)
            });
            place.is_covered = self.is_covered;
            place.take(renamed);
            if place.failure.is_none() {
                self.file = None;
            }
        }
    }

    /// Which mailboxes are in a group in which none has failed.
    fn wanted(&self) -> Vec<bool> {
        let mut wanted = vec![false; self.places.len()];
        for group in &self.groups {
            if self.failure_in(group).is_none() {
                group.iter().for_each(|index| wanted[*index] = true);
            }
        }
        wanted
    }

    /// Why a group does not get the message.
    fn failure_in(&self, group: &[usize]) -> Option<&Failure> {
        let failure = |index: &usize| self.places[*index].failure.as_ref();
        let own = group.iter().find_map(failure);
        own.or(self.result.as_ref().err())
    }

    /// The folders that make its names durable, or that they were taken away; and whether a sync of the whole file
    /// system is one of them.
    pub(super) fn unsynced_folders(&self, folders: &Folders) -> Vec<(String, bool)> {
        let mut unsynced = Vec::new();
        for place in self.places.iter().filter(|place| place.is_unsynced()) {
            let folders = folders.unsynced(&place.mailbox).into_iter();
            unsynced.extend(folders.map(|folder| (folder, place.is_covered)));
        }
        unsynced
    }

    /// Whether there are such folders.
    pub(super) fn is_unsynced(&self) -> bool {
        self.places.iter().any(Place::is_unsynced)
    }

    /// Notes which of its names were `synced`, and keeps the folders of those who have it for good.
    pub(super) fn note_synced(&mut self, synced: &Synced, folders: &mut Folders) {
        for place in &mut self.places {
            match place.name {
                Name::Given => {
                    let unsynced = folders.unsynced(&place.mailbox);
                    place.failure = synced.folders(&unsynced).err();
                }
                Name::Withdrawn => place.name = Name::Gone,
                Name::Pending | Name::Kept | Name::Gone => {}
            }
        }
        let wanted = self.wanted();
        for (place, wanted) in self.places.iter_mut().zip(wanted) {
            if wanted && place.name == Name::Given {
                place.name = Name::Kept;
                folders.keep(&place.mailbox);
            }
        }
    }

    /// Removes every trace of an open message.
    pub(super) fn abandon<D: Disk<File = F>>(&mut self, disk: &mut D, folders: &mut Folders) {
        self.discard(disk);
        for (index, place) in self.places.iter().enumerate() {
            if index == self.holder || place.failure.is_some() {
                folders.unmake(disk, &place.mailbox);
            }
        }
    }

    /// Drops the file, and the name it was created with.
    fn discard<D: Disk<File = F>>(&mut self, disk: &mut D) {
        if let Some(file) = self.file.take() {
            // Should it fail, the sweep of a later start gets it.
            let _ = disk.discard(&file);
        }
    }

    /// Removes every trace of the message where it failed. Names that are taken away so are to be synced: nor should a
    /// power cut bring them back.
    pub(super) fn withdraw<D: Disk<File = F>>(&mut self, disk: &mut D, folders: &mut Folders) {
        let mut lost = Vec::new();
        for (index, wanted) in self.wanted().into_iter().enumerate() {
            let place = &mut self.places[index];
            if wanted || !matches!(place.name, Name::Pending | Name::Given) {
                continue;
            }
            let had_name = mem::replace(&mut place.name, Name::Gone) == Name::Given
                && disk
                    .remove_file(&place.mailbox.new_mail(&self.file_name))
                    .is_ok();
            if had_name {
                place.name = Name::Withdrawn;
            }
            lost.push(index);
        }
        if lost.contains(&self.holder) {
            self.discard(disk);
        }
        for index in lost {
            if folders.unmake(disk, &self.places[index].mailbox) {
                self.to_make = self.to_make.saturating_add(1);
            }
        }
    }

    /// How many mailboxes were made for it, and are there.
    pub(super) fn made(&self) -> usize {
        self.to_make_max.saturating_sub(self.to_make)
    }

    /// What is told of it in the end.
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

impl Place {
    /// Gives `file` a name here, or a copy of it, where the file system has no second names or is another one.
    fn link_or_copy<D: Disk>(
        &mut self,
        file: &D::File,
        file_name: &str,
        disk: &mut D,
        folders: &mut Folders,
        to_make: &mut usize,
    ) {
        let name = self.mailbox.new_mail(file_name);
        let mut needs_copy = false;
        let linked = folders.within(disk, &self.mailbox, to_make, |disk| {
            let linked = disk.link(file, &name);
            needs_copy = linked.as_ref().is_err_and(cannot_link);
            linked
        });
        if needs_copy {
            let copied = self.copy(file, file_name, disk, folders, to_make);
            self.take(copied);
        } else {
            self.take(linked);
        }
    }

    /// Makes a copy of `file` durable and gives it its name. It is synced at once, by itself: no sync of the whole file
    /// system is one of another, and those without links have none that can be relied on.
    fn copy<D: Disk>(
        &mut self,
        file: &D::File,
        file_name: &str,
        disk: &mut D,
        folders: &mut Folders,
        to_make: &mut usize,
    ) -> Result<(), Failure> {
        let (path, name) = (
            self.mailbox.tmp(file_name),
            self.mailbox.new_mail(file_name),
        );
        let copy = folders.within(disk, &self.mailbox, to_make, |disk| disk.copy(file, &path))?;
        self.is_covered = disk.is_covered(&copy);
        let synced = disk.sync_file(&copy).map_err(Failure::from);
        let named = synced.and_then(|()| {
            folders.within(disk, &self.mailbox, to_make, |disk| {
                disk.rename(&copy, &name)
            })
        });
        if named.is_err() {
            let _ = disk.discard(&copy);
        }
        named
    }

    /// Notes what came of giving the file its name here. One that failed may be there all the same.
    fn take(&mut self, named: Result<(), Failure>) {
        self.name = Name::Given;
        self.failure = named.err();
    }

    fn is_unsynced(&self) -> bool {
        matches!(self.name, Name::Given | Name::Withdrawn)
    }
}

/// Whether a file cannot have a name there as well, for whatever reason, but another one may.
fn cannot_link(error: &io::Error) -> bool {
    matches!(
        errno(error),
        Some(Errno::XDEV | Errno::PERM | Errno::OPNOTSUPP | Errno::MLINK)
    )
}
