//! A message on its way to the worker. It is held back until it is complete or longer than a buffer: whoever begins and resets
//! without end asks nothing of the disk.

use super::folders::MailboxPath;
use super::rate::MailboxRate;
use super::text::Text;
use super::worker::Worker;
use crate::smtp::envelope::Peer;
use crate::store::Ticket;

/// A message that was not handed over whole.
#[derive(Debug)]
pub(super) struct OpenMessage {
    pub(super) ticket: Ticket,
    /// Its file and mailboxes, until the worker was asked to open it.
    pub(super) unopened: Option<Destination>,
    pub(super) text: Text,
}

/// The file of a message, and the groups of mailboxes it is for.
#[derive(Debug)]
pub(super) struct Destination {
    pub(super) file_name: String,
    pub(super) groups: Vec<Vec<MailboxPath>>,
    /// The worker under whose instance the file is named; another one may not open it.
    pub(super) incarnation: u32,
    /// The client, whose share of new mailboxes the message uses.
    pub(super) peer: Peer,
}

impl Destination {
    /// Has the worker open the message, which may make as many mailboxes as its client has left of its share.
    fn open(self, ticket: Ticket, worker: &mut Worker, rate: &mut MailboxRate) {
        let to_make = rate.reserve(ticket, self.peer, self.groups.iter().flatten());
        worker.open(ticket, self, to_make);
    }
}

impl OpenMessage {
    /// Appends message text, and passes on what exceeds the buffer.
    pub(super) fn push(&mut self, text: &[u8], worker: &mut Worker, rate: &mut MailboxRate) {
        let Self {
            ticket,
            unopened,
            text: buffer,
        } = self;
        buffer.push(text, |text| {
            if let Some(destination) = unopened.take() {
                destination.open(*ticket, worker, rate);
            }
            worker.write(*ticket, text);
        });
    }

    /// Hands a complete message over.
    pub(super) fn submit(self, worker: &mut Worker, rate: &mut MailboxRate) {
        let Self {
            ticket,
            unopened,
            text,
        } = self;
        if let Some(destination) = unopened {
            destination.open(ticket, worker, rate);
        }
        worker.write(ticket, text.rest());
        worker.submit(ticket);
    }
}
