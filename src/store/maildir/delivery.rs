//! The way of a written message from `tmp/` to `new/`.

use std::collections::BTreeMap;
use std::mem;

use super::disk::Disk;
use super::folders::{Folders, MailboxPath};
use super::sync::Synced;
use crate::store::{Failure, Finished, Outcome, Ticket};

/// Which file goes to which mailboxes, and how that went so far.
#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) ticket: Ticket,
    /// The name of the file, in `tmp/` as in `new/`.
    file_name: String,
    /// The mailboxes, each one once.
    places: Vec<Place>,
    /// Which of them belong together: a group gets the message in all of its mailboxes, or in none.
    groups: Vec<Vec<usize>>,
    /// The mailbox whose `tmp/` holds the file.
    holder: usize,
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

impl Delivery {
    /// A message for these groups of mailboxes. No group is empty, and a mailbox may be in several.
    pub(super) fn new(ticket: Ticket, file_name: String, groups: Vec<Vec<MailboxPath>>) -> Self {
        let mut known = BTreeMap::new();
        let mut places = Vec::new();
        let mut place_of = |mailbox: MailboxPath| {
            *known.entry(mailbox.clone()).or_insert_with(|| {
                places.push(Place {
                    mailbox,
                    name: Name::Pending,
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
            is_covered: true,
            result: Ok(()),
        }
    }

    /// Where the file is written.
    fn draft_path(&self) -> String {
        self.places[self.holder].mailbox.tmp(&self.file_name)
    }

    /// Creates the file in the first mailbox that takes it, which is made if it is missing. Who fails so fails its
    /// group.
    ///
    /// # Errors
    /// No group is left.
    pub(super) fn create<D: Disk>(
        &mut self,
        disk: &mut D,
        folders: &mut Folders,
    ) -> Result<D::File, Failure> {
        for first in self.groups.iter().filter_map(|group| group.first()) {
            let place = &mut self.places[*first];
            if place.failure.is_some() {
                continue;
            }
            let path = place.mailbox.tmp(&self.file_name);
            match folders.within(disk, &place.mailbox, |disk| disk.create(&path)) {
                Ok(file) => {
                    self.holder = *first;
                    return Ok(file);
                }
                Err(failure) => place.failure = Some(failure),
            }
        }
        let first = self.places.iter().find_map(|place| place.failure.clone());
        Err(first.unwrap_or(Failure::BadName))
    }

    /// Gives the file, whose data is durable, its names in every `new/`.
    pub(super) fn give_names(&mut self, disk: &mut impl Disk, folders: &mut Folders) {
        if self.result.is_err() {
            return;
        }
        let draft = self.draft_path();
        for group in &self.groups {
            for index in group.iter().filter(|index| **index != self.holder) {
                let place = &mut self.places[*index];
                if place.name == Name::Pending && place.failure.is_none() {
                    let name = place.mailbox.new_mail(&self.file_name);
                    let linked =
                        folders.within(disk, &place.mailbox, |disk| disk.link(&draft, &name));
                    place.take(linked);
                }
                if place.failure.is_some() {
                    break;
                }
            }
        }
        // Last, since it takes the draft away.
        if self.wanted()[self.holder] {
            let place = &mut self.places[self.holder];
            let name = place.mailbox.new_mail(&self.file_name);
            let renamed = folders.within(disk, &place.mailbox, |disk| disk.rename(&draft, &name));
            place.take(renamed);
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

    /// The folders that make its names durable, or that they were taken away.
    pub(super) fn unsynced_folders(&self, folders: &Folders) -> Vec<String> {
        let unsynced = self.places.iter().filter(|place| place.is_unsynced());
        unsynced
            .flat_map(|place| folders.unsynced(&place.mailbox))
            .collect()
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
    pub(super) fn abandon(&self, disk: &mut impl Disk, folders: &mut Folders) {
        // Should it fail, the sweep of a later start gets it.
        let _ = disk.remove_file(&self.draft_path());
        for (index, place) in self.places.iter().enumerate() {
            if index == self.holder || place.failure.is_some() {
                folders.unmake(disk, &place.mailbox);
            }
        }
    }

    /// Removes every trace of the message where it failed. Names that are taken away so are to be synced: nor should a
    /// power cut bring them back.
    pub(super) fn withdraw(&mut self, disk: &mut impl Disk, folders: &mut Folders) {
        let draft = self.draft_path();
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
            let _ = disk.remove_file(&draft);
        }
        for index in lost {
            folders.unmake(disk, &self.places[index].mailbox);
        }
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
    /// Notes what came of giving the file its name here. One that failed may be there all the same.
    fn take(&mut self, named: Result<(), Failure>) {
        self.name = Name::Given;
        self.failure = named.err();
    }

    fn is_unsynced(&self) -> bool {
        matches!(self.name, Name::Given | Name::Withdrawn)
    }
}
