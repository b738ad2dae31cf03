//! Drafts: messages on their way to the backend. A draft is held back until it is complete or longer than a buffer, so that a
//! client that begins and resets without end asks nothing of the disk.

use super::backend::Backend;
use super::destination::{MessageDestination, groups};
use super::rate::MailboxRate;
use super::text::DraftText;
use crate::smtp::envelope::Envelope;
use crate::store::{Failure, Ticket, has_text};

/// A message that was not handed over whole yet.
#[derive(Debug)]
pub(super) struct OpenMessage {
    pub(super) ticket: Ticket,
    /// The file and the mailboxes, until the backend was asked to open them.
    pub(super) unopened: Option<MessageDestination>,
    pub(super) text: DraftText,
}

/// Has the backend open the message, which may make as many mailboxes as the share of its client has left.
fn open(
    destination: MessageDestination,
    ticket: Ticket,
    backend: &mut Backend,
    rate: &mut MailboxRate,
) {
    let mailboxes = destination.groups.iter().flatten();
    let to_make = rate.reserve(ticket, destination.peer, mailboxes);
    backend.open(ticket, destination, to_make);
}

impl OpenMessage {
    /// Gives a message without text another envelope. Nothing was opened for it yet.
    pub(super) fn readdress(&mut self, envelope: &Envelope) -> Result<(), Failure> {
        let unopened = self.unopened.as_mut();
        let Some(destination) = unopened.filter(|_| self.text.rest().is_empty()) else {
            return Err(has_text());
        };
        destination.groups = groups(envelope)?;
        destination.peer = envelope.peer;
        self.text = DraftText::new(envelope.body);
        Ok(())
    }

    /// Appends message text, and passes on what exceeds the buffer.
    pub(super) fn push(&mut self, text: &[u8], backend: &mut Backend, rate: &mut MailboxRate) {
        let Self {
            ticket,
            unopened,
            text: buffer,
        } = self;
        buffer.push(text, |text| {
            if let Some(destination) = unopened.take() {
                open(destination, *ticket, backend, rate);
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
            open(destination, ticket, backend, rate);
        }
        backend.write(ticket, text.rest());
        backend.submit(ticket);
    }
}
