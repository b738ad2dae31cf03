//! Delivery to Maildir folders, `DIR/<domain>/<local-part>/{tmp,new,cur}`.
//!
//! A message is held back until it is complete or longer than a buffer, so that one that is aborted before costs the disk
//! nothing. Then it is written to a file in the `tmp/` of its first recipient, without a name if the file system can do
//! that. The group commit makes its data durable first (fsync); then it gets its names, a hard link in the `new/` of every
//! recipient, or a copy where there can be no link; then those folders are made durable; and only then is it reported stored.
//!
//! Recipients stand or fall in groups: a group gets the message in all of its mailboxes or in none. For SMTP, which has
//! one answer, all are one group; for LMTP (RFC 2033) each is one, and the others go on without one that fails.
//!
//! All that may block for the disk is done by a backend: a store process, so that the event loop goes on meanwhile, or
//! this process where none can be started.
//!
//! - `draft` is a message that was not handed over whole; `text` is the part of it that is held back.
//! - `backend` chooses between a store process and this one. `ipc` is what the two processes say to each other: `client` is
//!   the server's side of it, without I/O, `process` the other one.
//! - `group_commit` writes messages and makes them durable, group by group.
//! - `delivery` is the way of one message from `tmp/` to `new/`, `names` what its file is called; `fsync` is what is made durable at
//!   once.
//! - `queries` is what is asked of the store process before a sender or a recipient is accepted. `rate` limits how many
//!   mailboxes one client may have made.
//! - `folders` knows where mailboxes are, and makes and removes their folders.
//! - `instance` makes the names of this process its own, and sweeps up what dead processes left.
//! - `disk` is the file system as the others see it, `system` that of this machine.
//!
//! # Invariants
//! - No message in any `new/` is torn, and none that was reported stored is lost by a power cut: its data, its names and
//!   new folders were synced before.
//! - A message that failed is in no `new/`; one that failed for a recipient of LMTP is in none that only this recipient
//!   leads to.
//! - A draft keeps at most 16 KiB back; the output to the store process has a bound, above which no text is taken.
//! - Names in `tmp/` begin with the instance of their process, whose lock says whether it lives.

mod backend;
mod client;
mod delivery;
mod destination;
mod disk;
mod draft;
mod folders;
mod fsync;
mod group_commit;
mod instance;
mod ipc;
mod names;
mod process;
mod queries;
mod rate;
mod system;
mod text;

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use slab::Slab;

use self::backend::Backend;
use self::client::News;
use self::destination::{MessageDestination, groups, paths};
use self::draft::OpenMessage;
use self::ipc::StoreRequest;
use self::names::{FileNames, OnceName, host_in_file_name};
use self::queries::{NewMailboxes, Queries, Query, enough};
use self::rate::MailboxRate;
use self::text::DraftText;
use super::process::{StoreClient, StorePipes};
use super::{
    Admission, Answer, Draft, Failure, Finished, OnceDelivery, Outcome, Store, Ticket, unix_seconds,
};
use crate::smtp::envelope::{Body, Envelope, Peer, QueueId, Recipient};

pub use process::{COMMAND, run};

// The work on the disk by itself, for tests: its file system may be one that fails.
#[doc(hidden)]
pub use disk::{Disk, ROOT};
#[doc(hidden)]
pub use folders::MailboxPath;
#[doc(hidden)]
pub use group_commit::CommitEngine;
#[doc(hidden)]
pub use rate::MAILBOXES_PER_MINUTE_MAX;
#[doc(hidden)]
pub use system::System;

/// Mailboxes are not asked for while there is room for so many more than a recipient may need: as many as a transaction
/// may have by default, so that others who are accepted meanwhile find room as well.
const ROOM_MARGIN: usize = 100;
/// The most messages of a group commit.
const GROUP_MESSAGES_MAX: usize = 1000;

/// A store of Maildir folders, which it makes as mail for them comes in.
///
/// Several processes may have the same folder open. Dropping it leaves its instance file behind, so that
/// the number stays taken; the next start sweeps that up.
#[derive(Debug)]
pub struct Maildir {
    backend: Backend,
    queries: Queries,
    answers: VecDeque<Answer>,
    rate: MailboxRate,
    /// The host name, escaped for file names.
    host: String,
    /// The number of messages that were begun.
    count: u64,
    drafts: Slab<OpenMessage>,
    /// Complete messages that wait for the store process to take requests, in the order in which they were submitted.
    backlog: VecDeque<OpenMessage>,
}

/// The configuration of a [`Maildir`].
#[derive(Clone, Debug)]
pub struct MaildirOptions {
    /// The folder of folders, which is made if it is missing.
    pub root: PathBuf,
    /// The end of file names.
    pub hostname: String,
    /// The number of mailboxes from which on no new ones are made. Mailboxes are counted at the start; those that others
    /// make or remove later are not seen.
    pub mailboxes_max: usize,
    /// The most messages of a group commit. One is for measuring what groups are worth.
    pub group_max: usize,
}

impl MaildirOptions {
    /// Folders below `root`, as many and as large groups as is usual.
    #[must_use]
    pub fn new(root: &Path, hostname: &str, mailboxes_max: usize) -> Self {
        Self {
            root: root.to_owned(),
            hostname: hostname.to_owned(),
            mailboxes_max,
            group_max: GROUP_MESSAGES_MAX,
        }
    }
}

impl Maildir {
    /// Opens a store that does its work in this process, which blocks for the disk.
    ///
    /// # Errors
    /// The folder cannot be made or read, or no instance can be claimed in it.
    pub fn open(options: MaildirOptions) -> io::Result<Self> {
        let host = host_in_file_name(&options.hostname);
        Ok(Self::new(host, Backend::in_process(options)?))
    }

    /// Opens a store whose backend is a process of its own that runs `program`, which is mailoop. If none can be started,
    /// the work is done in this process, and the log says why.
    ///
    /// # Errors
    /// The folder cannot be made or read, or no instance can be claimed in it.
    pub fn open_with_process(options: MaildirOptions, program: &Path) -> io::Result<Self> {
        System::open(&options.root)?;
        let host = host_in_file_name(&options.hostname);
        Ok(Self::new(host, Backend::with_process(options, program)?))
    }

    fn new(host: String, backend: Backend) -> Self {
        Self {
            backend,
            queries: Queries::default(),
            answers: VecDeque::new(),
            rate: MailboxRate::new(),
            host,
            count: 0,
            drafts: Slab::new(),
            backlog: VecDeque::new(),
        }
    }

    /// Begins a message for groups of mailboxes, in which its file may have a name of its own.
    fn begin_named(
        &mut self,
        groups: Vec<Vec<MailboxPath>>,
        once: Option<OnceName>,
        peer: Peer,
        body: Body,
    ) -> Result<(QueueId, Draft), Failure> {
        let instance = self.backend.instance()?;
        self.count += 1;
        let ticket = Ticket(self.count);
        let id = QueueId::new(instance, self.count);
        let tmp = format!("{}.{id}.{}", unix_seconds(), self.host);
        let message = OpenMessage {
            ticket,
            unopened: Some(MessageDestination {
                names: FileNames { tmp, once },
                groups,
                generation: self.backend.generation(),
                peer,
            }),
            text: DraftText::new(body),
        };
        let key = self.drafts.insert(message);
        Ok((id, Draft::new(key)))
    }

    /// Begins a message whose file has the name of this delivery, or the search for it.
    fn begin_once_named(
        &mut self,
        delivery: &OnceDelivery<'_>,
        is_sought: bool,
    ) -> Result<Draft, Failure> {
        let groups = vec![vec![MailboxPath::new(delivery.mailbox)?]];
        let once = OnceName::new(delivery, &self.host, is_sought);
        // Its recipient was admitted when it came, and took of no share then or now.
        let begun = self.begin_named(groups, Some(once), Peer::Local, delivery.body);
        begun.map(|(_, draft)| draft)
    }

    /// Hands over complete messages, as many as the store process has room for. They come before any message text, which
    /// its clients wait with meanwhile.
    fn hand_over(&mut self) {
        while !self.backend.is_congested()
            && let Some(message) = self.backlog.pop_front()
        {
            message.submit(&mut self.backend, &mut self.rate);
        }
    }

    /// Handles what the backend reports beside messages that are settled.
    fn take_news(&mut self) {
        for news in self.backend.take_news() {
            match news {
                News::Answer(ticket, number) => {
                    self.answers.extend(self.queries.answer(ticket, number));
                }
                News::Free(bytes) => self.queries.note_free(bytes),
                News::Made(ticket, made) => self.rate.note_made(ticket, made),
            }
        }
        if self.backend.client().is_none() {
            self.answers.extend(self.queries.answer_all());
        }
    }
}

impl Store for Maildir {
    fn set_time(&mut self, now: Instant) {
        self.rate.set_time(now);
    }

    fn admit(&mut self, declared_bytes: u64, min_free: u64) -> Result<Admission, Failure> {
        if min_free == 0 {
            return Ok(Admission::Granted(0));
        }
        let needed = min_free.saturating_add(declared_bytes);
        let Some(client) = self.backend.client() else {
            return enough(self.backend.free_bytes(), needed).map(Admission::Granted);
        };
        if let Some(free) = self.queries.free(self.rate.now(), client.is_busy()) {
            return enough(free, needed).map(Admission::Granted);
        }
        let ticket = self.queries.ask(Query::Free { needed });
        client.send(&StoreRequest::Free(ticket));
        Ok(Admission::Asked(ticket))
    }

    fn check(
        &mut self,
        recipient: &Recipient,
        envelope: &Envelope,
        to_make: usize,
    ) -> Result<Admission, Failure> {
        let mut mailboxes = paths(&recipient.mailboxes)?;
        let unknown = self.rate.unknown(&mailboxes);
        if unknown == 0 {
            return Ok(Admission::Granted(0));
        }
        let (room, share) = (self.backend.mailbox_room(), self.rate.left(envelope.peer));
        let most = to_make + unknown;
        if room >= most + ROOM_MARGIN && share >= most {
            return Ok(Admission::Granted(unknown));
        }
        // Only near a limit does it matter which of all these exist or are the same.
        let mut known = paths(envelope.mailboxes())?;
        known.sort_unstable();
        mailboxes.sort_unstable();
        mailboxes.dedup();
        mailboxes.retain(|mailbox| known.binary_search(mailbox).is_err());
        if mailboxes.is_empty() {
            return Ok(Admission::Granted(0));
        }
        let wanted = NewMailboxes {
            count: mailboxes.len(),
            before: to_make,
            limit: room.min(share),
        };
        let Some(client) = self.backend.client() else {
            let missing = self.backend.missing(&mailboxes);
            return wanted.accept(missing).map(Admission::Granted);
        };
        let ticket = self.queries.ask(Query::Missing(wanted));
        client.send(&StoreRequest::Missing(ticket, mailboxes));
        Ok(Admission::Asked(ticket))
    }

    fn answer(&mut self) -> Option<Answer> {
        self.answers.pop_front()
    }

    fn begin(&mut self, envelope: &Envelope) -> Result<(QueueId, Draft), Failure> {
        self.begin_named(groups(envelope)?, None, envelope.peer, envelope.body)
    }

    fn begin_once(&mut self, delivery: &OnceDelivery<'_>) -> Result<Draft, Failure> {
        self.begin_once_named(delivery, false)
    }

    fn look_for(&mut self, delivery: &OnceDelivery<'_>) -> Result<Ticket, Failure> {
        let draft = self.begin_once_named(delivery, true);
        draft.map(|draft| self.submit(draft))
    }

    // A `Draft` of ours cannot be copied, so its key is good while it is open, and once in `abort` or `submit`.
    fn readdress(
        &mut self,
        draft: &mut Draft,
        envelope: &Envelope,
    ) -> Result<Option<QueueId>, Failure> {
        self.drafts[draft.key()].readdress(envelope).map(|()| None)
    }

    fn write(&mut self, draft: &mut Draft, text: &[u8]) -> Result<(), Failure> {
        self.drafts[draft.key()].push(text, &mut self.backend, &mut self.rate);
        Ok(())
    }

    fn abort(&mut self, draft: Draft) {
        let message = self.drafts.remove(draft.key());
        if message.unopened.is_none() {
            self.backend.abort(message.ticket);
            self.rate.settle(message.ticket, false);
        }
    }

    fn submit(&mut self, draft: Draft) -> Ticket {
        let message = self.drafts.remove(draft.key());
        let ticket = message.ticket;
        self.backlog.push_back(message);
        self.hand_over();
        ticket
    }

    fn commit(&mut self, finished: &mut Vec<Finished>) {
        let before = finished.len();
        self.backend.commit(finished);
        self.take_news();
        for settled in &finished[before..] {
            let stored = matches!(settled.outcome, Outcome::Stored);
            self.rate.settle(settled.ticket, stored);
        }
        self.hand_over();
    }

    fn is_pending(&self) -> bool {
        self.backend.is_pending() || !self.answers.is_empty()
    }

    fn is_congested(&self) -> bool {
        self.backend.is_congested()
    }

    fn take_pipes(&mut self, process: usize) -> Option<StorePipes> {
        (process == 0).then(|| self.backend.take_pipes()).flatten()
    }

    fn client(&mut self, process: usize) -> Option<&mut dyn StoreClient> {
        let client = self.backend.client().filter(|_| process == 0);
        client.map(|client| client as &mut dyn StoreClient)
    }

    fn return_pipes(&mut self, process: usize, pipes: StorePipes) {
        if process == 0 {
            self.backend.return_pipes(pipes);
        }
    }
}
