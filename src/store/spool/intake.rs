//! Messages on their way into the spool. One is held back until it is complete or longer than a buffer, so that a client that
//! begins and resets without end asks nothing of the process.

use std::collections::VecDeque;
use std::rc::Rc;

use super::addressing::spool_envelope;
use super::backend::SpoolBackend;
use super::envelope::SpoolEnvelope;
use super::id::MailId;
use super::ipc::SpoolRequest;
use super::recent::RecentMails;
use super::store::SpoolMail;
use crate::smtp::envelope::Envelope;
use crate::store::{Failure, Ticket, has_text};

/// The most octets of a message that are held back.
const HELD_BACK_BYTES_MAX: usize = 16 * 1024;

/// A message that was not handed over whole yet.
#[derive(Debug)]
pub(super) struct IncomingMail {
    ticket: Ticket,
    mail: MailId,
    envelope: Rc<SpoolEnvelope>,
    /// The process that named it; another one may not take it.
    generation: u32,
    is_open: bool,
    /// The part of its text that is held back.
    text: Vec<u8>,
}

/// Complete messages that wait for the process to take requests, in the order in which they were submitted.
#[derive(Debug, Default)]
pub(super) struct SpoolBacklog(VecDeque<IncomingMail>);

impl IncomingMail {
    /// Begins a message.
    ///
    /// # Errors
    /// There is no process that could take it.
    pub(super) fn new(
        ticket: Ticket,
        envelope: SpoolEnvelope,
        backend: &mut SpoolBackend,
    ) -> Result<Self, Failure> {
        Ok(Self {
            ticket,
            mail: backend.next_mail()?,
            envelope: Rc::new(envelope),
            generation: backend.generation(),
            is_open: false,
            text: Vec::new(),
        })
    }

    /// The name of the message.
    pub(super) fn mail(&self) -> MailId {
        self.mail
    }

    /// Gives a message without text another envelope. Nothing was opened for it yet.
    pub(super) fn readdress(&mut self, envelope: &Envelope) -> Result<(), Failure> {
        if self.is_open || !self.text.is_empty() {
            return Err(has_text());
        }
        let envelope = spool_envelope(envelope, self.envelope.arrived_ms)?;
        if envelope.recipients.is_empty() {
            return Err(Failure::Io("no recipient".into()));
        }
        self.envelope = Rc::new(envelope);
        Ok(())
    }

    /// Appends message text, and passes on what is too much to be held back.
    pub(super) fn write(&mut self, text: &[u8], backend: &mut SpoolBackend) {
        if self.text.len() + text.len() <= HELD_BACK_BYTES_MAX {
            return self.text.extend_from_slice(text);
        }
        self.pass_on(backend);
        for piece in text.chunks(HELD_BACK_BYTES_MAX) {
            backend.send(self.generation, &SpoolRequest::Text(self.ticket, piece));
        }
    }

    fn pass_on(&mut self, backend: &mut SpoolBackend) {
        if !self.is_open {
            self.is_open = true;
            backend.open(self.generation, self.ticket, self.mail, &self.envelope);
        }
        if !self.text.is_empty() {
            backend.send(
                self.generation,
                &SpoolRequest::Text(self.ticket, &self.text),
            );
            self.text = Vec::new();
        }
    }

    /// Drops the message.
    pub(super) fn abort(&self, backend: &mut SpoolBackend) {
        if self.is_open {
            backend.send(self.generation, &SpoolRequest::Abort(self.ticket));
        }
    }

    fn submit(mut self, backend: &mut SpoolBackend, recent: &mut RecentMails) {
        if !self.is_open {
            let envelope = Rc::clone(&self.envelope);
            let text = Some(self.text.as_slice().into());
            recent.keep(self.mail, SpoolMail { envelope, text });
        }
        self.pass_on(backend);
        backend.submit(self.generation, self.ticket, self.mail, self.envelope);
    }
}

impl SpoolBacklog {
    /// Takes a complete message.
    pub(super) fn push(&mut self, draft: IncomingMail) -> Ticket {
        let ticket = draft.ticket;
        self.0.push_back(draft);
        ticket
    }

    /// Hands over complete messages, as many as the process has room for. They come before any message text, which its
    /// clients wait with meanwhile. Those that are whole are kept among the `recent` ones, too.
    pub(super) fn hand_over(&mut self, backend: &mut SpoolBackend, recent: &mut RecentMails) {
        while !backend.is_congested()
            && let Some(draft) = self.0.pop_front()
        {
            draft.submit(backend, recent);
        }
    }
}
