//! Delivery to Maildir folders, `DIR/<domain>/<local-part>/{tmp,new,cur}`.
//!
//! A message is held back until it is complete or longer than a buffer, so that one that is aborted before costs the disk
//! nothing. Then it is written to a file in the `tmp/` of its first recipient, without a name if the file system can do
//! that. At commit its data is made durable first; then it gets its names, a hard link in the `new/` of every recipient,
//! or a copy where there can be no link; then those folders are made durable; and only then is it reported stored. So nothing in any
//! `new/` is ever torn, and nothing that was reported is lost by a power cut.
//!
//! Recipients stand or fall in groups: a group gets the message in all of its mailboxes or in none. For SMTP, which has
//! one answer, all are one group; for LMTP (RFC 2033) each is one, and the others go on without one that fails.
//!
//! All that may wait for the disk is done by an `engine`. It works in a process of its own, so that the server
//! goes on meanwhile; where none can be started, in this one.
//!
//! - `draft` is a message that was not handed over whole; `text` is what of it is held back.
//! - `worker` is whoever does the work. `wire` is what the two processes say to each other: `client` is the server's end,
//!   `process` the other one. `child` starts that process and sees it end.
//! - `engine` writes messages and makes them durable, group by group.
//! - `delivery` is the way of one message from `tmp/` to `new/`; `sync` is what is made durable at once.
//! - `questions` is what is asked of the store process before a sender or a recipient is accepted. `rate` is how many mailboxes
//!   one client may have made.
//! - `folders` knows where mailboxes are, and makes and removes their folders.
//! - `instance` makes the names of this process its own, and sweeps up what dead processes left.
//! - `disk` is the file system as the others see it, `system` that of this machine.

mod child;
mod client;
mod delivery;
mod disk;
mod draft;
mod engine;
mod folders;
mod instance;
mod process;
mod questions;
mod rate;
mod sync;
mod system;
mod text;
mod wire;
mod worker;

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use slab::Slab;

use self::client::News;
use self::draft::{Destination, OpenMessage};
use self::questions::{Mailboxes, Question, Questions, enough};
use self::rate::MailboxRate;

use self::text::Text;
use self::wire::Request;
use self::worker::Worker;
use super::{Admission, Answer, Draft, Failure, Finished, Outcome, Store, Ticket, unix_seconds};
use crate::smtp::envelope::{Envelope, QUEUE_ID_BYTES_MAX, QueueId, Recipient};
use crate::smtp::path::Mailbox;

pub use child::{COMMAND, StorePipes, THIS_PROGRAM};
pub use client::StoreClient;
pub use disk::{Disk, ROOT};
pub use engine::Engine;
pub use folders::MailboxPath;
pub use process::run;
pub use rate::MAILBOXES_PER_MINUTE_MAX;
pub use system::System;

/// The most bytes of a file name.
const FILE_NAME_BYTES_MAX: usize = 254;
/// The most digits of the time in a file name.
const SECONDS_DIGITS_MAX: usize = 20;
/// The most bytes of the host name in a file name: what time, queue id and two dots leave.
const HOST_BYTES_MAX: usize = FILE_NAME_BYTES_MAX - SECONDS_DIGITS_MAX - QUEUE_ID_BYTES_MAX - 2;
/// While there is room for so many more mailboxes than a recipient may need, nobody asks which of them exist: as many as a
/// transaction may have by default, so that others who are accepted meanwhile find room as well.
const ROOM_MARGIN: usize = 100;
/// The most messages that are made durable together.
const GROUP_MESSAGES_MAX: usize = 1000;

/// A store of Maildir folders, which it makes as mail for them comes in.
///
/// Several processes may have the same folder open. Dropping it leaves its instance file behind, so that
/// the number stays taken; the next start sweeps that up.
#[derive(Debug)]
pub struct Maildir {
    worker: Worker,
    now: Instant,
    questions: Questions,
    answers: VecDeque<Answer>,
    rate: MailboxRate,
    /// The host name as file names tell it.
    host: String,
    /// How many messages were begun.
    count: u64,
    drafts: Slab<OpenMessage>,
    /// Complete messages that wait for the store process to take requests, in the order in which they were submitted.
    backlog: VecDeque<OpenMessage>,
}

/// What a [`Maildir`] is to be.
#[derive(Clone, Debug)]
pub struct MaildirOptions {
    /// The folder of folders, which is made if it is missing.
    pub root: PathBuf,
    /// What file names end in.
    pub hostname: String,
    /// It makes new mailboxes by itself while there are fewer than this. Mailboxes are counted at the start;
    /// those that others make or remove later are not seen.
    pub mailboxes_max: usize,
    /// The most messages that are made durable together. One is for measuring what groups are worth.
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
    /// Opens a store that does its work in this process.
    ///
    /// # Errors
    /// The folder cannot be made or read, or no instance can be claimed in it.
    pub fn open(options: MaildirOptions) -> io::Result<Self> {
        let host = host_in_file_name(&options.hostname);
        Ok(Self::new(host, Worker::here(options)?))
    }

    /// Opens a store that lets `program`, which is mailoop, work in a process of its own. If none can be started, it
    /// works in this one, and logs why.
    ///
    /// # Errors
    /// The folder cannot be made or read, or no instance can be claimed in it.
    pub fn open_apart(options: MaildirOptions, program: &Path) -> io::Result<Self> {
        System::open(&options.root)?;
        let host = host_in_file_name(&options.hostname);
        Ok(Self::new(host, Worker::apart(options, program)?))
    }

    fn new(host: String, worker: Worker) -> Self {
        Self {
            worker,
            now: Instant::now(),
            questions: Questions::default(),
            answers: VecDeque::new(),
            rate: MailboxRate::new(),
            host,
            count: 0,
            drafts: Slab::new(),
            backlog: VecDeque::new(),
        }
    }

    /// Hands over complete messages, as many as the store process has room for. They come before any message text, which
    /// its clients wait with meanwhile.
    fn hand_over(&mut self) {
        while !self.worker.is_congested()
            && let Some(message) = self.backlog.pop_front()
        {
            message.submit(&mut self.worker, &mut self.rate);
        }
    }

    /// Takes in what the worker tells beside messages that are settled.
    fn take_news(&mut self) {
        for news in self.worker.take_news() {
            match news {
                News::Answer(ticket, number) => {
                    self.answers.extend(self.questions.answer(ticket, number));
                }
                News::Free(bytes) => self.questions.note_free(bytes),
                News::Made(ticket, made) => self.rate.note_made(ticket, made),
            }
        }
        if self.worker.client().is_none() {
            self.answers.extend(self.questions.answer_all());
        }
    }
}

impl Store for Maildir {
    fn set_time(&mut self, now: Instant) {
        self.now = now;
        self.rate.set_time(now);
    }

    fn admit(&mut self, declared_bytes: u64, min_free: u64) -> Result<Admission, Failure> {
        if min_free == 0 {
            return Ok(Admission::Granted(0));
        }
        let needed = min_free.saturating_add(declared_bytes);
        let Some(client) = self.worker.client() else {
            return enough(self.worker.free_bytes(), needed).map(Admission::Granted);
        };
        if let Some(free) = self.questions.free(self.now, client.is_busy()) {
            return enough(free, needed).map(Admission::Granted);
        }
        let ticket = self.questions.ask(Question::Free { needed });
        client.send(&Request::Free(ticket));
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
        let (room, share) = (self.worker.mailbox_room(), self.rate.left(envelope.peer));
        let wanted = to_make + unknown;
        if room >= wanted + ROOM_MARGIN && share >= wanted {
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
        let question = Mailboxes {
            count: mailboxes.len(),
            before: to_make,
            limit: room.min(share),
        };
        let Some(client) = self.worker.client() else {
            let missing = self.worker.missing(&mailboxes);
            return question.accept(missing).map(Admission::Granted);
        };
        let ticket = self.questions.ask(Question::Missing(question));
        client.send(&Request::Missing(ticket, mailboxes));
        Ok(Admission::Asked(ticket))
    }

    fn answer(&mut self) -> Option<Answer> {
        self.answers.pop_front()
    }

    fn begin(&mut self, envelope: &Envelope) -> Result<(QueueId, Draft), Failure> {
        let groups = groups(envelope)?;
        let instance = self.worker.instance()?;
        self.count += 1;
        let ticket = Ticket(self.count);
        let id = QueueId::new(instance, self.count);
        let file_name = format!("{}.{id}.{}", unix_seconds(), self.host);
        let message = OpenMessage {
            ticket,
            unopened: Some(Destination {
                file_name,
                groups,
                incarnation: self.worker.incarnation(),
                peer: envelope.peer,
            }),
            text: Text::new(envelope.body),
        };
        let key = self.drafts.insert(message);
        Ok((id, Draft::new(key)))
    }

    // A `Draft` of ours cannot be copied, so its key is good in `write`, and once in `abort` or `submit`.
    fn write(&mut self, draft: &mut Draft, text: &[u8]) -> Result<(), Failure> {
        self.drafts[draft.key()].push(text, &mut self.worker, &mut self.rate);
        Ok(())
    }

    fn abort(&mut self, draft: Draft) {
        let message = self.drafts.remove(draft.key());
        if message.unopened.is_none() {
            self.worker.abort(message.ticket);
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
        self.worker.commit(finished);
        self.take_news();
        for settled in &finished[before..] {
            let stored = matches!(settled.outcome, Outcome::Stored);
            self.rate.settle(settled.ticket, stored);
        }
        self.hand_over();
    }

    fn is_pending(&self) -> bool {
        self.worker.is_pending() || !self.answers.is_empty()
    }

    fn is_congested(&self) -> bool {
        self.worker.is_congested()
    }

    fn take_pipes(&mut self) -> Option<StorePipes> {
        self.worker.take_pipes()
    }

    fn client(&mut self) -> Option<&mut StoreClient> {
        self.worker.client()
    }

    fn return_pipes(&mut self, pipes: StorePipes) {
        self.worker.return_pipes(pipes);
    }
}

fn paths<'a>(
    mailboxes: impl IntoIterator<Item = &'a Mailbox>,
) -> Result<Vec<MailboxPath>, Failure> {
    mailboxes.into_iter().map(MailboxPath::new).collect()
}

/// The mailboxes of each recipient; of all together where they share one outcome.
fn groups(envelope: &Envelope) -> Result<Vec<Vec<MailboxPath>>, Failure> {
    let groups = if envelope.service.answers_each_recipient() {
        let recipients = envelope.recipients.iter();
        let groups = recipients.map(|recipient| paths(&recipient.mailboxes));
        groups.collect::<Result<Vec<_>, _>>()?
    } else {
        vec![paths(envelope.mailboxes())?]
    };
    if groups.is_empty() || groups.iter().any(Vec::is_empty) {
        let error = io::Error::new(io::ErrorKind::InvalidInput, "no recipient");
        return Err(error.into());
    }
    Ok(groups)
}

/// `hostname` as it stands in a file name. Maildir writes `/` and `:` as backslash and octal number, since the one
/// ends a folder name and the other begins the flags; control characters get the same here.
fn host_in_file_name(hostname: &str) -> String {
    let mut host = String::new();
    for character in hostname.chars() {
        let escaped = match character {
            '/' | ':' | '\0'..='\x1F' | '\x7F' => format!("\\{:03o}", u32::from(character)),
            _ => character.to_string(),
        };
        if host.len() + escaped.len() > HOST_BYTES_MAX {
            break;
        }
        host.push_str(&escaped);
    }
    host
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_names_fit_into_file_names() {
        assert_eq!(host_in_file_name("mail.example.org"), "mail.example.org");
        assert_eq!(host_in_file_name("a/b:c\0"), "a\\057b\\072c\\000");
        let host = host_in_file_name(&"x:".repeat(200));
        assert!(host.len() <= HOST_BYTES_MAX && host.len() > HOST_BYTES_MAX - 4);
        assert!(host.ends_with('x') || host.ends_with("\\072"), "{host}");
    }
}
