//! Deliveries from the spool to mailboxes here, each exactly once.
//!
//! The file in the mailbox has a name that the message and the index of the recipient make, the same at each try. Where a try
//! before may have succeeded, the store looks for it first. So a message is there once, also if a process is killed between the
//! delivery and the record of it.

use std::collections::{HashMap, VecDeque};

use super::backend::SpoolBackend;
use super::id::{MailId, SpoolPlace};
use super::reads::SpoolReads;
use super::store::{ReadResult, SpoolMail};
use crate::store::{Draft, Failure, Finished, OnceDelivery, Outcome, Store, Ticket};

/// Octets of a long text that are read at once, and in a tick for all deliveries.
const PIECE_BYTES: usize = 64 * 1024;
const TICK_BYTES: usize = 1024 * 1024;

/// Deliveries that are under way.
#[derive(Debug, Default)]
pub(super) struct OnceDeliveries {
    /// Those whose text is not handed over yet.
    open: VecDeque<OpenDelivery>,
    /// Those that the store has, by its ticket for them.
    submitted: HashMap<Ticket, Ticket>,
    results: Vec<(Ticket, Result<(), Failure>)>,
    /// Messages with a lower name may have been delivered before.
    once_below: Option<MailId>,
}

#[derive(Debug)]
struct OpenDelivery {
    ticket: Ticket,
    mail: MailId,
    place: SpoolPlace,
    recipient: u16,
    /// The read that it waits for.
    waiting: Option<Ticket>,
    /// The copy of a long message, once that has begun.
    copying: Option<TextCopy>,
}

/// The copy of a long text, piece by piece.
#[derive(Debug)]
struct TextCopy {
    draft: Draft,
    /// The octet from which on it is to be read: each piece where the one before ended, or nobody could sum them up.
    at: u64,
    /// Whether the CR at the end of the last piece is to be written with the next one: no CRLF is split over two calls.
    is_cr_left: bool,
}

/// What became of a delivery in one step.
enum LocalProgress {
    /// It goes on, or waits.
    Open(OpenDelivery),
    /// The store has the message, by this ticket.
    Submitted(Ticket),
    Failed(Failure),
}

impl OnceDeliveries {
    /// Begins a delivery.
    pub(super) fn push(&mut self, ticket: Ticket, mail: MailId, place: SpoolPlace, recipient: u16) {
        self.open.push_back(OpenDelivery {
            ticket,
            mail,
            place,
            recipient,
            waiting: None,
            copying: None,
        });
    }

    /// Notes that messages with a lower name may have been delivered before.
    pub(super) fn look_below(&mut self, mail: MailId) {
        self.once_below = self.once_below.max(Some(mail));
    }

    /// Notes that a message lies elsewhere.
    pub(super) fn moved(&mut self, mail: MailId, place: SpoolPlace) {
        let open = self.open.iter_mut();
        open.filter(|delivery| delivery.mail == mail)
            .for_each(|delivery| delivery.place = place);
    }

    /// Has the delivery go on that waits for a read. Returns whether there is one.
    pub(super) fn ready(&mut self, read: Ticket) -> bool {
        let mut open = self.open.iter_mut();
        let waiting = open.find(|delivery| delivery.waiting == Some(read));
        waiting.is_some_and(|delivery| delivery.waiting.take().is_some())
    }

    /// Hands texts over to the store, as far as it takes them and no tick is too long for it.
    pub(super) fn run(
        &mut self,
        local: &mut dyn Store,
        reads: &mut SpoolReads,
        backend: &mut SpoolBackend,
    ) {
        let mut left = TICK_BYTES;
        for _ in 0..self.open.len() {
            let Some(mut delivery) = self.open.pop_front() else {
                return;
            };
            loop {
                if left == 0 || local.is_congested() || delivery.waiting.is_some() {
                    self.open.push_back(delivery);
                    break;
                }
                left = left.saturating_sub(PIECE_BYTES);
                let (ticket, once_below) = (delivery.ticket, self.once_below);
                match delivery.go_on(once_below, local, reads, backend) {
                    LocalProgress::Open(open) => delivery = open,
                    LocalProgress::Submitted(submitted) => {
                        self.submitted.insert(submitted, ticket);
                        break;
                    }
                    LocalProgress::Failed(failure) => {
                        self.results.push((ticket, Err(failure)));
                        break;
                    }
                }
            }
        }
    }

    /// Takes what the store has settled of these out of `finished`, from `start` on. After a failure nobody knows whether the
    /// message is there: returns whether there was one.
    pub(super) fn take_settled(&mut self, finished: &mut Vec<Finished>, start: usize) -> bool {
        let mut has_failed = false;
        if self.submitted.is_empty() {
            return has_failed;
        }
        let settled = finished.split_off(start);
        for message in settled {
            let Some(ticket) = self.submitted.remove(&message.ticket) else {
                finished.push(message);
                continue;
            };
            let result = match message.outcome {
                Outcome::Stored => Ok(()),
                Outcome::Failed(failure) => Err(failure),
                Outcome::PerRecipient(results) => results.into_iter().collect(),
            };
            has_failed |= result.is_err();
            self.results.push((ticket, result));
        }
        has_failed
    }

    /// Takes the results since the last call.
    pub(super) fn take_results(&mut self) -> Vec<(Ticket, Result<(), Failure>)> {
        std::mem::take(&mut self.results)
    }

    /// Whether there are results, or texts to hand over.
    pub(super) fn is_pending(&self) -> bool {
        let mut open = self.open.iter();
        !self.results.is_empty() || open.any(|delivery| delivery.waiting.is_none())
    }
}

impl OpenDelivery {
    /// Reads the message, or the next piece of it, and hands it over.
    fn go_on(
        mut self,
        once_below: Option<MailId>,
        local: &mut dyn Store,
        reads: &mut SpoolReads,
        backend: &mut SpoolBackend,
    ) -> LocalProgress {
        if let Some(copy) = self.copying.take() {
            return self.copy(copy, local, reads, backend);
        }
        let message = match reads.read(self.mail, self.place, backend) {
            ReadResult::Now(message) => message,
            ReadResult::Later(ticket) => {
                self.waiting = Some(ticket);
                return LocalProgress::Open(self);
            }
            ReadResult::Gone => return LocalProgress::Failed(moved()),
            ReadResult::Failed(failure) => return LocalProgress::Failed(failure),
        };
        let mut draft = match self.begin(&message, once_below, local) {
            Ok(draft) => draft,
            Err(failure) => return LocalProgress::Failed(failure),
        };
        let return_path = format!("Return-Path: {}\r\n", message.envelope.sender);
        let mut written = local.write(&mut draft, return_path.as_bytes());
        let Some(text) = &message.text else {
            self.copying = Some(TextCopy {
                draft,
                at: 0,
                is_cr_left: false,
            });
            return LocalProgress::Open(self);
        };
        written = written.and_then(|()| local.write(&mut draft, text));
        end(draft, written, local)
    }

    /// Opens the message in the store.
    fn begin(
        &self,
        message: &SpoolMail,
        once_below: Option<MailId>,
        local: &mut dyn Store,
    ) -> Result<Draft, Failure> {
        let envelope = &message.envelope;
        let recipient = envelope.recipients.get(usize::from(self.recipient));
        let recipient = recipient.ok_or(Failure::BadName)?;
        let (seconds, index) = (envelope.arrived_ms / 1000, self.recipient);
        local.begin_once(&OnceDelivery {
            mailbox: &recipient.address,
            name: &format!("{seconds}.{}R{index}", self.mail),
            body: envelope.body,
            may_be_there: once_below.is_some_and(|below| self.mail < below),
        })
    }

    /// Copies the next piece of a long message.
    fn copy(
        mut self,
        mut copy: TextCopy,
        local: &mut dyn Store,
        reads: &mut SpoolReads,
        backend: &mut SpoolBackend,
    ) -> LocalProgress {
        let (mail, place, at) = (self.mail, self.place, copy.at);
        let mut text = Vec::new();
        if copy.is_cr_left {
            text.push(b'\r');
        }
        let failure = match reads.read_piece(mail, place, at, PIECE_BYTES, &mut text, backend) {
            ReadResult::Now(read) => {
                copy.at += read as u64;
                None
            }
            ReadResult::Later(ticket) => {
                self.waiting = Some(ticket);
                self.copying = Some(copy);
                return LocalProgress::Open(self);
            }
            ReadResult::Gone => Some(moved()),
            ReadResult::Failed(failure) => Some(failure),
        };
        if let Some(failure) = failure {
            return end(copy.draft, Err(failure), local);
        }
        let is_end = copy.at >= self.place.text_bytes;
        copy.is_cr_left = !is_end && text.ends_with(b"\r");
        if copy.is_cr_left {
            text.pop();
        }
        let written = local.write(&mut copy.draft, &text);
        if is_end || written.is_err() {
            return end(copy.draft, written, local);
        }
        self.copying = Some(copy);
        LocalProgress::Open(self)
    }
}

/// Ends a draft, by what came of writing it.
fn end(draft: Draft, written: Result<(), Failure>, local: &mut dyn Store) -> LocalProgress {
    match written {
        Ok(()) => LocalProgress::Submitted(local.submit(draft)),
        Err(failure) => {
            local.abort(draft);
            LocalProgress::Failed(failure)
        }
    }
}

/// The failure of a message that is read where it no longer is: it is tried again where it was moved to.
fn moved() -> Failure {
    Failure::Io("the message was moved in the spool meanwhile".into())
}
