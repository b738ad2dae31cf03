//! The store of a server that sends mail on: a store for mail that stays here, and the spool for all else.
//!
//! A message of which any recipient is elsewhere goes to the spool with all its recipients. From there each gets it once: the
//! queue sends it on, and has this deliver it to mailboxes here.

use std::io;
use std::mem;
use std::path::Path;
use std::rc::Rc;
use std::time::Instant;

use slab::Slab;

use super::addressing::spool_envelope;
use super::backend::SpoolBackend;
use super::change::{Change, ChangeCounts};
use super::envelope::SpoolEnvelope;
use super::id::{MailId, SpoolPlace};
use super::intake::{IncomingMail, SpoolBacklog};
use super::local::OnceDeliveries;
use super::options::RelayStoreOptions;
use super::reads::SpoolReads;
use super::store::{QueuedMail, ReadResult, SpoolMail, SpoolStore};
use super::system::last_written_ms;
use crate::smtp::envelope::{Envelope, QueueId, Recipient};
use crate::store::process::{StoreClient, StorePipes};
use crate::store::root::create_root;
use crate::store::{
    Admission, Answer, Draft, Failure, Finished, Store, Ticket, has_text, unix_milliseconds,
};

/// The number of the spool process; that of the other store comes before it.
pub const SPOOL_PROCESS: usize = 1;

/// A store for mail that stays here, and the spool for mail that is sent on.
pub struct RelayStore {
    local: Box<dyn Store>,
    backend: SpoolBackend,
    reads: SpoolReads,
    drafts: Slab<RelayDraft>,
    backlog: SpoolBacklog,
    deliveries: OnceDeliveries,
    queued: Vec<QueuedMail>,
    moved: Vec<(MailId, SpoolPlace)>,
    ready: Vec<Ticket>,
    /// The number of messages in the queue, and that from which on no more are taken.
    queued_count: usize,
    queued_max: usize,
    /// The folder of the spool, for the operator.
    root: Box<Path>,
    /// When the server before this one last wrote.
    alive_until_ms: Option<u64>,
}

/// A message whose octets are still arriving.
#[derive(Debug)]
enum RelayDraft {
    Local {
        /// Its draft in the store for mail that stays here.
        draft: Draft,
        has_text: bool,
    },
    Spool(Box<IncomingMail>),
}

impl RelayStore {
    /// Opens the spool beside the store `local`. Its process runs `program`, which is mailoop. It blocks until that is ready.
    ///
    /// # Errors
    /// `WouldBlock` if another process works on the spool; otherwise why it cannot be worked on.
    pub fn open(
        local: Box<dyn Store>,
        options: &RelayStoreOptions,
        program: &Path,
    ) -> io::Result<Self> {
        create_root(&options.root)?;
        let alive_until_ms = last_written_ms(&options.root);
        let now = Instant::now();
        let backend = SpoolBackend::start(program, options, now)?;
        let mut deliveries = OnceDeliveries::default();
        // What an earlier server has taken in, it may have delivered.
        deliveries.look_below(backend.first_mail());
        Ok(Self {
            local,
            reads: SpoolReads::open(&options.root, now)?,
            backend,
            drafts: Slab::new(),
            backlog: SpoolBacklog::default(),
            deliveries,
            queued: Vec::new(),
            moved: Vec::new(),
            ready: Vec::new(),
            queued_count: 0,
            queued_max: options.queued_max,
            root: options.root.as_path().into(),
            alive_until_ms,
        })
    }

    /// Begins a message that goes to the spool.
    fn begin_spooled(&mut self, envelope: &Envelope) -> Result<(QueueId, Draft), Failure> {
        let mail = self.incoming(envelope)?;
        let id = mail.mail().queue_id();
        let key = self.drafts.insert(RelayDraft::Spool(mail));
        Ok((id, Draft::new(key)))
    }

    fn incoming(&mut self, envelope: &Envelope) -> Result<Box<IncomingMail>, Failure> {
        let envelope = spool_envelope(envelope, unix_milliseconds())?;
        let ticket = self.reads.tickets().next();
        IncomingMail::new(ticket, envelope, &mut self.backend).map(Box::new)
    }

    /// Checks that the spool may take one more message.
    fn check_room(&mut self) -> Result<(), Failure> {
        let checked = self.backend.check_room();
        checked.map_err(|failure| self.in_the_spool(&failure))?;
        if self.queued_count >= self.queued_max {
            return Err(Failure::QueueFull);
        }
        Ok(())
    }

    /// A failure for want of room in the spool, not in the store for mail that stays here.
    fn in_the_spool(&self, failure: &Failure) -> Failure {
        let root = self.root.display();
        let told = format!("{failure}, the spool {root}: make room there, or lower --min-free");
        Failure::Full(told.into())
    }

    /// Takes what the spool process has reported.
    fn take_news(&mut self, finished: &mut Vec<Finished>) {
        let generation = self.backend.generation();
        let news = self.backend.commit();
        finished.extend(news.finished);
        self.queued.extend(news.queued);
        for (mail, place) in &news.moved {
            self.deliveries.moved(*mail, *place);
        }
        self.moved.extend(news.moved);
        let is_lost = generation != self.backend.generation();
        for ticket in self.reads.ready(news.read_ahead, is_lost) {
            if !self.deliveries.ready(ticket) {
                self.ready.push(ticket);
            }
        }
    }
}

impl Store for RelayStore {
    fn set_time(&mut self, now: Instant) {
        self.local.set_time(now);
        self.backend.set_time(now);
        self.reads.recent().set_time(now);
    }

    fn admit(&mut self, declared_bytes: u64, min_free: u64) -> Result<Admission, Failure> {
        self.backend.set_min_free(min_free);
        self.local.admit(declared_bytes, min_free)
    }

    fn check(
        &mut self,
        recipient: &Recipient,
        envelope: &Envelope,
        to_make: usize,
    ) -> Result<Admission, Failure> {
        if recipient.needs_spool() {
            self.check_room()?;
        }
        if recipient.mailboxes.is_empty() {
            return Ok(Admission::Granted(0));
        }
        self.local.check(recipient, envelope, to_make)
    }

    fn answer(&mut self) -> Option<Answer> {
        self.local.answer()
    }

    fn begin(&mut self, envelope: &Envelope) -> Result<(QueueId, Draft), Failure> {
        if envelope.needs_spool() {
            return self.begin_spooled(envelope);
        }
        let (id, draft) = self.local.begin(envelope)?;
        let key = self.drafts.insert(RelayDraft::Local {
            draft,
            has_text: false,
        });
        Ok((id, Draft::new(key)))
    }

    /// A message that begins to lead elsewhere moves to the spool, where it has another name. One that ceases to stays in the spool,
    /// which delivers it to mailboxes as well.
    fn readdress(
        &mut self,
        draft: &mut Draft,
        envelope: &Envelope,
    ) -> Result<Option<QueueId>, Failure> {
        let key = draft.key();
        match &mut self.drafts[key] {
            RelayDraft::Spool(mail) => return mail.readdress(envelope).map(|()| None),
            RelayDraft::Local { has_text: true, .. } => return Err(has_text()),
            RelayDraft::Local { draft, .. } if !envelope.needs_spool() => {
                return self.local.readdress(draft, envelope);
            }
            RelayDraft::Local { .. } => {}
        }
        if envelope.quarantine.is_some() {
            // None of its recipients may have asked for room there.
            self.check_room()?;
        }
        let mail = self.incoming(envelope)?;
        let id = mail.mail().queue_id();
        let before = mem::replace(&mut self.drafts[key], RelayDraft::Spool(mail));
        if let RelayDraft::Local { draft, .. } = before {
            self.local.abort(draft);
        }
        Ok(Some(id))
    }

    // A `Draft` of ours cannot be copied, so its key is good while it is open, and once in `abort` or `submit`.
    fn write(&mut self, draft: &mut Draft, text: &[u8]) -> Result<(), Failure> {
        match &mut self.drafts[draft.key()] {
            RelayDraft::Local { draft, has_text } => {
                *has_text = true;
                self.local.write(draft, text)
            }
            RelayDraft::Spool(draft) => {
                draft.write(text, &mut self.backend);
                Ok(())
            }
        }
    }

    fn abort(&mut self, draft: Draft) {
        match self.drafts.remove(draft.key()) {
            RelayDraft::Local { draft, .. } => self.local.abort(draft),
            RelayDraft::Spool(draft) => draft.abort(&mut self.backend),
        }
    }

    fn submit(&mut self, draft: Draft) -> Ticket {
        match self.drafts.remove(draft.key()) {
            RelayDraft::Local { draft, .. } => self.local.submit(draft),
            RelayDraft::Spool(draft) => {
                let ticket = self.backlog.push(*draft);
                self.backlog
                    .hand_over(&mut self.backend, self.reads.recent());
                ticket
            }
        }
    }

    fn commit(&mut self, finished: &mut Vec<Finished>) {
        let start = finished.len();
        self.local.commit(finished);
        if self.deliveries.take_settled(finished, start) {
            // Nobody knows of a failed delivery whether it came through all the same.
            self.deliveries
                .look_below(self.backend.first_mail_to_come());
        }
        self.take_news(finished);
        self.backlog
            .hand_over(&mut self.backend, self.reads.recent());
        self.deliveries
            .run(&mut *self.local, &mut self.reads, &mut self.backend);
    }

    fn is_pending(&self) -> bool {
        self.local.is_pending()
            || self.backend.is_pending()
            || self.deliveries.is_pending() && !self.local.is_congested()
    }

    fn is_congested(&self) -> bool {
        self.local.is_congested() || self.backend.is_congested()
    }

    fn next_wake(&self) -> Option<Instant> {
        let wakes = self.local.next_wake().into_iter();
        wakes.chain(self.backend.next_wake()).min()
    }

    fn is_final_delivery(&self, draft: &Draft) -> bool {
        let draft = self.drafts.get(draft.key());
        matches!(draft, Some(RelayDraft::Local { .. }))
    }

    fn spool(&mut self) -> Option<&mut dyn SpoolStore> {
        Some(self)
    }

    fn take_pipes(&mut self, process: usize) -> Option<StorePipes> {
        match process {
            SPOOL_PROCESS => self.backend.take_pipes(),
            _ => self.local.take_pipes(process),
        }
    }

    fn client(&mut self, process: usize) -> Option<&mut dyn StoreClient> {
        match process {
            SPOOL_PROCESS => {
                let client = self.backend.client();
                client.map(|client| client as &mut dyn StoreClient)
            }
            _ => self.local.client(process),
        }
    }

    fn return_pipes(&mut self, process: usize, pipes: StorePipes) {
        match process {
            SPOOL_PROCESS => self.backend.return_pipes(pipes),
            _ => self.local.return_pipes(process, pipes),
        }
    }
}

impl SpoolStore for RelayStore {
    fn take_queued(&mut self) -> Vec<QueuedMail> {
        mem::take(&mut self.queued)
    }

    fn set_queued(&mut self, count: usize) {
        self.queued_count = count;
    }

    fn is_ready(&self) -> bool {
        self.backend.is_ready()
    }

    fn is_full(&self) -> bool {
        self.backend.is_full()
    }

    fn is_scanning(&self) -> bool {
        self.backend.is_scanning()
    }

    fn alive_until_ms(&self) -> Option<u64> {
        self.alive_until_ms
    }

    fn read(&mut self, mail: MailId, place: SpoolPlace) -> ReadResult<Rc<SpoolMail>> {
        self.reads.read(mail, place, &mut self.backend)
    }

    fn read_envelope(&mut self, mail: MailId, place: SpoolPlace) -> ReadResult<Rc<SpoolEnvelope>> {
        self.reads.read_envelope(mail, place, &mut self.backend)
    }

    fn read_piece(
        &mut self,
        mail: MailId,
        place: SpoolPlace,
        at: u64,
        max: usize,
        into: &mut Vec<u8>,
    ) -> ReadResult<usize> {
        self.reads
            .read_piece(mail, place, at, max, into, &mut self.backend)
    }

    fn take_ready(&mut self) -> Vec<Ticket> {
        mem::take(&mut self.ready)
    }

    fn change(&mut self, change: Change) {
        self.backend.change(change);
    }

    fn change_counts(&mut self) -> ChangeCounts {
        self.backend.change_counts()
    }

    fn take_moved(&mut self) -> Vec<(MailId, SpoolPlace)> {
        mem::take(&mut self.moved)
    }

    fn new_mail_id(&mut self) -> Result<MailId, Failure> {
        self.backend.next_report()
    }

    fn deliver(&mut self, mail: MailId, place: SpoolPlace, recipient: u16) -> Ticket {
        let ticket = self.reads.tickets().next();
        self.deliveries.push(ticket, mail, place, recipient);
        ticket
    }

    fn take_delivered(&mut self) -> Vec<(Ticket, Result<(), Failure>)> {
        self.deliveries.take_results()
    }
}
