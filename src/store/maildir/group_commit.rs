//! Group commit: messages are written, and made durable in groups, so that they share what an fsync costs.
//!
//! A group goes through two rounds. In the first its data is made durable, then its files get their names in
//! `new/`; in the second these names are made durable, and then its messages are reported stored. One syncfs does
//! for both: it carries the names of one group and the data of the next.

use std::collections::{BTreeMap, VecDeque};
use std::{io, mem, vec};

use super::delivery::MessageDelivery;
use super::disk::Disk;
use super::folders::{Folders, MailboxPath};
use super::fsync::{FsyncBatch, FsyncResults};
use super::instance::Instance;
use super::names::FileNames;
use crate::store::{Failure, Finished, Outcome, Ticket};

/// The work on a disk: writes messages to the folders of a store, and commits them in groups.
#[derive(Debug)]
pub struct CommitEngine<D: Disk> {
    disk: D,
    instance: Instance<D::Lock>,
    folders: Folders,
    /// Messages that are being written.
    open: BTreeMap<Ticket, MessageDelivery<D::File>>,
    /// Messages that are complete, whose data is not durable yet.
    written: VecDeque<MessageDelivery<D::File>>,
    /// Messages that have their names, or failed and lost them again, which is not durable yet.
    named: Vec<MessageDelivery<D::File>>,
    settled: Vec<Finished>,
    /// Messages that have made mailboxes, and how many, since they were last taken.
    made: Vec<(Ticket, usize)>,
    /// The most messages of a round.
    group_max: usize,
}

impl<D: Disk> CommitEngine<D> {
    /// Starts work on `disk`: claims an instance, sweeps up what dead ones left, and counts the mailboxes, of
    /// which new ones are made while there are fewer than `mailboxes_max`. Mailboxes that others make or remove
    /// later are not seen. Of `group_max` messages at a time the data, or the names, are made durable together.
    ///
    /// Never waits for a sibling.
    ///
    /// # Errors
    /// `WouldBlock` while a sibling starts; otherwise any error of the disk.
    pub fn start(mut disk: D, mailboxes_max: usize, group_max: usize) -> io::Result<Self> {
        let instance = Instance::claim(&mut disk)?;
        let folders = Folders::count(&mut disk, mailboxes_max)?;
        disk.forget();
        Ok(Self {
            instance,
            folders,
            disk,
            open: BTreeMap::new(),
            written: VecDeque::new(),
            named: Vec::new(),
            settled: Vec::new(),
            made: Vec::new(),
            // With none, messages would wait for ever.
            group_max: group_max.max(1),
        })
    }

    /// The start of the queue ids of this instance.
    #[must_use]
    pub fn instance(&self) -> &str {
        self.instance.name()
    }

    /// The number of mailboxes that may still be made.
    #[must_use]
    pub fn mailbox_room(&self) -> usize {
        self.folders.room()
    }

    /// The disk that the work is done on.
    pub fn disk(&mut self) -> &mut D {
        &mut self.disk
    }

    /// Counts how many of these mailboxes are missing. One that cannot be looked at counts as there: its delivery will tell.
    pub fn missing(&mut self, mailboxes: &[MailboxPath]) -> usize {
        let missing = |mailbox: &&MailboxPath| {
            let found = self.disk.has_folder(&mailbox.to_string());
            matches!(found, Ok(false))
        };
        let missing = mailboxes.iter().filter(missing).count();
        self.disk.forget();
        missing
    }

    /// Opens the message `ticket` for these groups of mailboxes: there is one at least, none is empty, and each gets
    /// the message in all of its mailboxes or in none. Its file is to be called `file_name`, or as names for a store process say;
    /// up to `to_make` mailboxes may be made for it. A failure is reported in the end.
    pub fn open(
        &mut self,
        ticket: Ticket,
        file_name: &str,
        groups: Vec<Vec<MailboxPath>>,
        to_make: usize,
    ) {
        let names = FileNames::from_wire(file_name);
        self.open_named(ticket, names, groups, to_make);
    }

    /// Opens a message whose file may have a name of its own in `new/`.
    pub(super) fn open_named(
        &mut self,
        ticket: Ticket,
        names: FileNames,
        groups: Vec<Vec<MailboxPath>>,
        to_make: usize,
    ) {
        let mut delivery = MessageDelivery::new(ticket, names, groups, to_make);
        delivery.create(&mut self.disk, &mut self.folders);
        self.open.insert(ticket, delivery);
    }

    /// Appends to an open message.
    pub fn write(&mut self, ticket: Ticket, text: &[u8]) {
        if let Some(delivery) = self.open.get_mut(&ticket) {
            delivery.write(&mut self.disk, text);
        }
    }

    /// Whether an open message has failed.
    #[must_use]
    pub fn has_failed(&self, ticket: Ticket) -> bool {
        self.open
            .get(&ticket)
            .is_some_and(|delivery| delivery.result.is_err())
    }

    /// Drops an open message and all traces of it.
    ///
    /// # Errors
    /// The failure that the message had before.
    pub fn abort(&mut self, ticket: Ticket) -> Result<(), Failure> {
        let Some(mut delivery) = self.open.remove(&ticket) else {
            return Ok(());
        };
        delivery.abandon(&mut self.disk, &mut self.folders);
        delivery.result
    }

    /// Drops all open messages.
    pub fn abort_all(&mut self) {
        let tickets: Vec<_> = self.open.keys().copied().collect();
        for ticket in tickets {
            // Nobody is left to hear of a failure.
            let _ = self.abort(ticket);
        }
    }

    /// Closes a complete message, which a later round will settle.
    pub fn submit(&mut self, ticket: Ticket) {
        let Some(mut delivery) = self.open.remove(&ticket) else {
            let outcome = Outcome::Failed(Failure::Io("no such message was begun".into()));
            return self.settled.push(Finished { ticket, outcome });
        };
        if delivery.result.is_ok() {
            self.written.push_back(delivery);
        } else if delivery.may_be_there() {
            delivery.discard(&mut self.disk);
            self.written.push_back(delivery);
        } else {
            self.settle(delivery);
        }
    }

    /// Commits one group: makes the names durable that the last round gave, and the data of messages that are complete,
    /// which then get their names. Returns whether there was anything to do.
    pub fn round(&mut self) -> bool {
        let names = mem::take(&mut self.named);
        let room = self.group_max.saturating_sub(names.len());
        let complete = self.written.len().min(room);
        let data: Vec<_> = self.written.drain(..complete).collect();
        if names.is_empty() && data.is_empty() {
            return false;
        }
        let mut batch = FsyncBatch::new();
        for delivery in &names {
            batch.add_folders(delivery.unsynced_folders(&self.folders));
        }
        for delivery in &data {
            let file = delivery.file.iter();
            file.for_each(|file| batch.add_file(delivery.ticket, file, delivery.is_covered));
        }
        let synced = batch.perform(&mut self.disk, self.instance.lock());
        if synced.has_failed_as_a_whole() {
            self.distrust_written();
        }
        self.settle_named(names, &synced);
        self.name_written(data, &synced);
        self.disk.forget();
        true
    }

    /// Has messages that are not of the present round synced by their own files. After a failed syncfs the lost data may be
    /// theirs, and the next syncfs does not report it again; an fsync of their files still does.
    fn distrust_written(&mut self) {
        for delivery in self.open.values_mut().chain(&mut self.written) {
            delivery.is_covered = false;
        }
    }

    /// Settles messages of which the names, or their removal, were `synced`.
    fn settle_named(&mut self, mut group: Vec<MessageDelivery<D::File>>, synced: &FsyncResults) {
        // What is kept is settled before a message that failed removes folders that it made.
        for delivery in &mut group {
            delivery.note_synced(synced, &mut self.folders);
        }
        for delivery in group {
            self.settle(delivery);
        }
    }

    /// Gives messages their names, as far as their data was `synced`.
    fn name_written(&mut self, mut group: Vec<MessageDelivery<D::File>>, synced: &FsyncResults) {
        // One look at a mailbox serves those that are next to each other.
        group.sort_by(|a, b| a.once_mailbox().cmp(&b.once_mailbox()));
        let (mut group, mut look) = (VecDeque::from(group), None);
        while let Some(mut delivery) = group.pop_front() {
            match synced.file(delivery.ticket) {
                Ok(()) => delivery.look(&group, &mut look, &mut self.disk),
                Err(failure) => delivery.result = Err(failure),
            }
            delivery.give_names(&mut self.disk, &mut self.folders);
            self.settle(delivery);
        }
    }

    /// Ends a delivery, unless there is something to sync before. A failed one leaves nothing behind; if names of
    /// it were removed, the next round syncs that as well: should that fail, nobody else may rely on those folders.
    fn settle(&mut self, mut delivery: MessageDelivery<D::File>) {
        delivery.withdraw(&mut self.disk, &mut self.folders);
        if delivery.is_unsynced() {
            self.named.push(delivery);
        } else {
            let made = delivery.made();
            if made > 0 {
                self.made.push((delivery.ticket, made));
            }
            self.settled.push(delivery.finish());
        }
    }

    /// Whether [`round`](Self::round) or [`settled`](Self::settled) has something to do.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        !(self.written.is_empty() && self.named.is_empty() && self.settled.is_empty())
    }

    /// Takes the numbers of mailboxes that were made for messages settled since the last call.
    pub fn made(&mut self) -> vec::Drain<'_, (Ticket, usize)> {
        self.made.drain(..)
    }

    /// Takes the messages that were settled since the last call.
    pub fn settled(&mut self) -> vec::Drain<'_, Finished> {
        self.settled.drain(..)
    }
}
