//! The spool as the server has it: a store that takes mail in, and what is sent on.

use std::cell::RefCell;
use std::rc::Rc;

use mailoop::smtp::envelope::{Envelope, QueueId, Recipient};
use mailoop::store::spool::{
    Change, MailId, QueuedMail, ReadResult, SpoolEnvelope, SpoolMail, SpoolPlace, SpoolRecipient,
    SpoolStore,
};
use mailoop::store::{Admission, Draft, Failure, Finished, Store, Ticket};

use super::server::wall_ms;
use super::spool::{SimDraft, Spool, lost};
use crate::journal::Journal;

/// One end of it; both are of the same spool.
#[derive(Clone)]
pub struct SimStore {
    spool: Rc<RefCell<Spool>>,
    journal: Rc<Journal>,
}

impl SimStore {
    pub fn of(spool: &Rc<RefCell<Spool>>, journal: &Rc<Journal>) -> Self {
        Self {
            spool: Rc::clone(spool),
            journal: Rc::clone(journal),
        }
    }
}

impl Store for SimStore {
    fn check(&mut self, _: &Recipient, _: &Envelope, _: usize) -> Result<Admission, Failure> {
        Ok(Admission::Granted(0))
    }

    fn begin(&mut self, envelope: &Envelope) -> Result<(QueueId, Draft), Failure> {
        let mut spool = self.spool.borrow_mut();
        if !spool.is_ready {
            return Err(lost());
        }
        let (mail, ticket) = (spool.next_mail(), spool.next_ticket());
        let key = ticket.0 as usize;
        let draft = SimDraft {
            mail,
            envelope: spooled(envelope, wall_ms(&self.journal)),
            text: Vec::new(),
            ticket,
        };
        spool.drafts.insert(key, draft);
        Ok((mail.queue_id(), Draft::new(key)))
    }

    fn write(&mut self, draft: &mut Draft, text: &[u8]) -> Result<(), Failure> {
        let mut spool = self.spool.borrow_mut();
        let draft = spool.drafts.get_mut(&draft.key()).unwrap();
        draft.text.extend_from_slice(text);
        Ok(())
    }

    fn abort(&mut self, draft: Draft) {
        self.spool.borrow_mut().drafts.remove(&draft.key());
    }

    fn is_final_delivery(&self, _: &Draft) -> bool {
        false
    }

    fn submit(&mut self, draft: Draft) -> Ticket {
        let mut spool = self.spool.borrow_mut();
        let draft = spool.drafts.remove(&draft.key()).unwrap();
        let ticket = draft.ticket;
        spool.submitted.push(draft);
        ticket
    }

    fn commit(&mut self, finished: &mut Vec<Finished>) {
        self.spool.borrow_mut().take_news(finished);
    }

    fn is_pending(&self) -> bool {
        false
    }

    fn spool(&mut self) -> Option<&mut dyn SpoolStore> {
        Some(self)
    }
}

impl SpoolStore for SimStore {
    fn take_queued(&mut self) -> Vec<QueuedMail> {
        std::mem::take(&mut self.spool.borrow_mut().queued)
    }

    fn set_queued(&mut self, _: usize) {}

    fn is_ready(&self) -> bool {
        self.spool.borrow().is_ready
    }

    fn is_scanning(&self) -> bool {
        self.spool.borrow().is_scanning()
    }

    fn alive_until_ms(&self) -> Option<u64> {
        self.spool.borrow().alive_until_ms
    }

    fn read(&mut self, mail: MailId, place: SpoolPlace) -> ReadResult<Rc<SpoolMail>> {
        self.spool.borrow_mut().read(mail, place)
    }

    fn read_envelope(&mut self, mail: MailId, place: SpoolPlace) -> ReadResult<Rc<SpoolEnvelope>> {
        self.spool.borrow_mut().read_envelope(mail, place)
    }

    fn read_piece(
        &mut self,
        mail: MailId,
        place: SpoolPlace,
        at: u64,
        max: usize,
        into: &mut Vec<u8>,
    ) -> ReadResult<usize> {
        let mut spool = self.spool.borrow_mut();
        spool.read_piece((mail, place), at, max, into)
    }

    fn take_ready(&mut self) -> Vec<Ticket> {
        std::mem::take(&mut self.spool.borrow_mut().ready)
    }

    fn change(&mut self, change: Change) {
        self.spool.borrow_mut().change(change);
    }

    fn take_moved(&mut self) -> Vec<(MailId, SpoolPlace)> {
        std::mem::take(&mut self.spool.borrow_mut().moved)
    }

    fn new_mail_id(&mut self) -> Result<MailId, Failure> {
        let mut spool = self.spool.borrow_mut();
        if !spool.is_ready {
            spool.books.borrow_mut().lacks_name = true;
            return Err(lost());
        }
        Ok(spool.next_mail())
    }

    fn deliver(&mut self, mail: MailId, _: SpoolPlace, recipient: u16) -> Ticket {
        self.spool.borrow_mut().deliver(mail, recipient)
    }

    fn take_delivered(&mut self) -> Vec<(Ticket, Result<(), Failure>)> {
        std::mem::take(&mut self.spool.borrow_mut().delivered)
    }
}

/// The envelope of a session as the spool has it.
fn spooled(envelope: &Envelope, arrived_ms: u64) -> SpoolEnvelope {
    let mut recipients = Vec::new();
    for recipient in &envelope.recipients {
        let local = recipient.mailboxes.iter().map(|mailbox| (mailbox, true));
        let remote = recipient.remote.iter().map(|mailbox| (mailbox, false));
        recipients.extend(
            local
                .chain(remote)
                .map(|(address, is_local)| SpoolRecipient {
                    address: address.clone(),
                    is_local,
                    named: None,
                    dsn: recipient.dsn.clone(),
                }),
        );
    }
    SpoolEnvelope {
        arrived_ms,
        sender: envelope.reverse_path.clone(),
        sender_is_ours: envelope.sender_is_ours,
        quarantine: None,
        user: None,
        body: envelope.body,
        smtputf8: envelope.smtputf8,
        dsn: envelope.dsn.clone(),
        recipients,
    }
}
