//! Drafts: messages whose text is still coming, in memory as long as they are small.

use std::collections::VecDeque;
use std::{io, mem};

use super::disk::SpoolDisk;
use super::id::MailId;
use super::text::TextSum;
use crate::store::counted::CountedMap;
use crate::store::{Failure, Ticket};

/// The folder of texts that are files.
pub(super) const BIG: &str = "big";

/// The path of the text of a big message, from the root of the spool.
#[must_use]
pub fn big_path(mail: MailId) -> String {
    format!("{BIG}/{mail}")
}

/// A message whose text is coming, or has come.
#[derive(Debug)]
pub(super) struct SpoolDraft<F> {
    pub(super) ticket: Ticket,
    pub(super) mail: MailId,
    pub(super) recipients: u16,
    pub(super) is_held: bool,
    pub(super) envelope: Box<[u8]>,
    pub(super) sum: TextSum,
    pub(super) text: DraftPlace<F>,
    result: Result<(), Failure>,
}

/// Where the text of a draft is.
#[derive(Debug)]
pub(super) enum DraftPlace<F> {
    /// In memory.
    Memory(Vec<u8>),
    /// In a file, and whether that is durable.
    File(F, bool),
}

impl<F> SpoolDraft<F> {
    /// Octets that it holds in memory.
    fn held(&self) -> usize {
        self.text_held() + self.envelope.len()
    }

    /// Octets of its text in memory.
    fn text_held(&self) -> usize {
        match &self.text {
            DraftPlace::Memory(text) => text.len(),
            DraftPlace::File(..) => 0,
        }
    }

    pub(super) fn is_big(&self) -> bool {
        matches!(self.text, DraftPlace::File(..))
    }

    /// Moves its text to a file.
    fn move_to_file<D: SpoolDisk<File = F>>(&mut self, disk: &mut D) -> io::Result<()> {
        let DraftPlace::Memory(text) = &self.text else {
            return Ok(());
        };
        let file = disk.create(&big_path(self.mail))?;
        let written = disk.write_at(&file, 0, text);
        self.text = DraftPlace::File(file, false);
        written
    }

    /// Notes how a call went; after one that failed, nothing is left of the text.
    fn note<D: SpoolDisk<File = F>>(&mut self, disk: &mut D, done: io::Result<()>) {
        if let Err(error) = done {
            self.result = Err(error.into());
            self.discard(disk);
        }
    }

    /// Drops its text, and the file that it is in.
    pub(super) fn discard<D: SpoolDisk<File = F>>(&mut self, disk: &mut D) {
        if self.is_big()
            && let Err(error) = disk.remove(&big_path(self.mail))
        {
            // The scan of the next start finds it.
            log::warn!("spool=leftover error=\"{error}\"");
        }
        self.text = DraftPlace::Memory(Vec::new());
    }
}

/// All drafts.
#[derive(Debug)]
pub(super) struct SpoolDrafts<F> {
    open: CountedMap<Ticket, SpoolDraft<F>>,
    complete: VecDeque<SpoolDraft<F>>,
    /// Octets that all hold in memory.
    held: usize,
    held_max: usize,
    big_bytes: usize,
}

impl<F> SpoolDrafts<F> {
    pub(super) fn new(held_max: usize, big_bytes: usize) -> Self {
        Self {
            open: CountedMap::default(),
            complete: VecDeque::new(),
            held: 0,
            held_max,
            big_bytes,
        }
    }

    pub(super) fn open(&mut self, ticket: Ticket, mail: MailId, recipients: u16, envelope: &[u8]) {
        self.held += envelope.len();
        let draft = SpoolDraft {
            ticket,
            mail,
            recipients,
            is_held: false,
            envelope: envelope.into(),
            sum: TextSum::new(),
            text: DraftPlace::Memory(Vec::new()),
            result: Ok(()),
        };
        self.open.insert(ticket, draft);
    }

    /// Has an open draft held once it is durable.
    pub(super) fn hold(&mut self, ticket: Ticket) {
        if let Some(draft) = self.open.get_mut(&ticket) {
            draft.is_held = true;
        }
    }

    /// Appends to a draft, and gives the largest one a file if all hold too much.
    pub(super) fn write<D: SpoolDisk<File = F>>(
        &mut self,
        disk: &mut D,
        ticket: Ticket,
        text: &[u8],
    ) {
        let Some(draft) = self
            .open
            .get_mut(&ticket)
            .filter(|draft| draft.result.is_ok())
        else {
            return;
        };
        if let DraftPlace::Memory(held) = &mut draft.text
            && held.len() + text.len() < self.big_bytes
        {
            held.extend_from_slice(text);
            draft.sum.add(text);
            self.held += text.len();
            return self.make_room(disk);
        }
        self.held -= draft.held();
        let written = draft.move_to_file(disk).and_then(|()| match &draft.text {
            DraftPlace::File(file, _) => disk.write_at(file, draft.sum.bytes(), text),
            DraftPlace::Memory(_) => Ok(()),
        });
        draft.sum.add(text);
        draft.note(disk, written);
        self.held += draft.held();
    }

    /// Gives the largest open draft a file while all hold too much.
    fn make_room<D: SpoolDisk<File = F>>(&mut self, disk: &mut D) {
        while self.held > self.held_max {
            let open = self.open.values_mut();
            let small = open.filter(|draft| draft.text_held() > 0);
            let Some(largest) = small.max_by_key(|draft| draft.text_held()) else {
                return;
            };
            self.held -= largest.held();
            let moved = largest.move_to_file(disk);
            largest.note(disk, moved);
            self.held += largest.held();
        }
    }

    /// Drops an open draft.
    pub(super) fn abort<D: SpoolDisk<File = F>>(&mut self, disk: &mut D, ticket: Ticket) {
        if let Some(mut draft) = self.open.remove(&ticket) {
            self.held -= draft.held();
            draft.discard(disk);
        }
    }

    /// Closes a draft, and says why it has failed if it has.
    ///
    /// # Errors
    /// The failure that it had before, or that nobody opened it.
    pub(super) fn submit(&mut self, ticket: Ticket) -> Result<(), Failure> {
        let Some(mut draft) = self.open.remove(&ticket) else {
            return Err(Failure::Io("no such message was begun".into()));
        };
        if let Err(failure) = mem::replace(&mut draft.result, Ok(())) {
            self.held -= draft.held();
            return Err(failure);
        }
        self.complete.push_back(draft);
        Ok(())
    }

    /// Makes the files of complete drafts durable, and takes out those that cannot be.
    pub(super) fn sync_files<D: SpoolDisk<File = F>>(
        &mut self,
        disk: &mut D,
    ) -> Vec<(Ticket, Failure)> {
        let is_unsynced = |draft: &SpoolDraft<F>| matches!(draft.text, DraftPlace::File(_, false));
        if !self.complete.iter().any(is_unsynced) {
            return Vec::new();
        }
        let named = disk.sync_folder(BIG).map_err(Failure::from);
        let mut failed = Vec::new();
        for mut draft in mem::take(&mut self.complete) {
            let synced = match &mut draft.text {
                DraftPlace::File(file, is_durable) if !*is_durable => {
                    *is_durable = true;
                    let synced = disk.sync_file(file).map_err(Failure::from);
                    named.clone().and(synced)
                }
                _ => Ok(()),
            };
            match synced {
                Ok(()) => self.complete.push_back(draft),
                Err(failure) => {
                    self.held -= draft.held();
                    draft.discard(disk);
                    failed.push((draft.ticket, failure));
                }
            }
        }
        failed
    }

    /// The first complete draft.
    pub(super) fn first(&self) -> Option<&SpoolDraft<F>> {
        self.complete.front()
    }

    /// Takes the first complete draft.
    pub(super) fn take_first(&mut self) -> Option<SpoolDraft<F>> {
        let draft = self.complete.pop_front()?;
        self.held -= draft.held();
        Some(draft)
    }

    pub(super) fn has_complete(&self) -> bool {
        !self.complete.is_empty()
    }
}
