//! Drafts: messages on their way to the backend. A draft is held back until it is complete or longer than a buffer, so that a
//! client that begins and resets without end asks nothing of the disk.

use super::backend::Backend;
use super::folders::MailboxPath;
use super::rate::MailboxRate;
use super::text::DraftText;
use crate::smtp::envelope::Peer;
use crate::store::Ticket;

/// A message that was not handed over whole yet.
#[derive(Debug)]
pub(super) struct OpenMessage {
    pub(super) ticket: Ticket,
    /// The file and the mailboxes, until the backend was asked to open them.
    pub(super) unopened: Option<Destination>,
    pub(super) text: DraftText,
}

/// The file of a message, and the groups of mailboxes it is for.
#[derive(Debug)]
pub(super) struct Destination {
    pub(super) file_name: String,
    pub(super) groups: Vec<Vec<MailboxPath>>,
    /// The backend under whose instance the file is named; another one may not open it.
    pub(super) generation: u32,
    /// The client: the message uses its share of new mailboxes.
    pub(super) peer: Peer,
}

impl Destination {
    /// Has the backend open the message, which may make as many mailboxes as the share of its client has left.
    fn open(self, ticket: Ticket, backend: &mut Backend, rate: &mut MailboxRate) {
        let to_make = rate.reserve(ticket, self.peer, self.groups.iter().flatten());
        backend.open(ticket, self, to_make);
    }
}

impl OpenMessage {
    /// Appends message text, and passes on what exceeds the buffer.
    pub(super) fn push(&mut self, text: &[u8], backend: &mut Backend, rate: &mut MailboxRate) {
        let Self {
            ticket,
            unopened,
            text: buffer,
        } = self;
        buffer.push(text, |text| {
            if let Some(destination) = unopened.take() {
                destination.open(*ticket, backend, rate);
            }
            backend.write(*ticket, text);
        });
    }

    /// Hands a complete message over.
    pub(super) fn submit(self, backend: &mut Backend, rate: &mut MailboxRate) {
        let Self {
            ticket,
            unopened,
            text,
        } = self;
        if let Some(destination) = unopened {
            destination.open(ticket, backend, rate);
        }
        backend.write(ticket, text.rest());
        backend.submit(ticket);
    }
}
