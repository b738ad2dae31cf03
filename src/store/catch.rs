//! The store of a mail server for tests: it stands around another one, and what that has stored is in the [`Inbox`] too.
//!
//! Text gathers in memory while it arrives. All that arrives at once is bounded: a message beyond that is refused as by a full disk,
//! and its client may try again.

use std::cell::Cell;
use std::collections::HashMap;
use std::mem;
use std::rc::Rc;
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use slab::Slab;

#[cfg(feature = "milter")]
use super::hold::Hold;
use super::inbox::{CaughtMessage, CaughtSession, Inbox};
use super::{
    Admission, Answer, Draft, Failure, Finished, Outcome, Store, StoreClient, StorePipes, Ticket,
    has_text,
};
use crate::smtp::envelope::{Envelope, Peer, QueueId, Recipient};
use crate::smtp::path::ReversePath;

/// The most octets that buffers take which wait for a message.
const SPARE_BYTES_MAX: usize = 1024 * 1024;

/// The store of a mail server for tests.
pub struct Catch {
    /// The store that settles each message.
    inner: Box<dyn Store>,
    inbox: Inbox,
    /// The messages whose text is arriving, each with its draft in the other store.
    drafts: Slab<(Draft, ArrivingMessage)>,
    /// The messages that wait for the other store.
    submitted: HashMap<Ticket, ArrivingMessage>,
    /// The octets of text of all these.
    arriving_bytes: usize,
    /// The most of them.
    arriving_bytes_max: usize,
    /// Empty buffers for the next messages: buffers that come and go while they grow would leave holes between the texts that stay.
    spare: Vec<Vec<u8>>,
    /// The octets that these take.
    spare_bytes: usize,
}

/// A message that is not in the inbox yet.
struct ArrivingMessage {
    message: CaughtMessage,
    session: Option<Rc<CaughtSession>>,
    text: Vec<u8>,
}

impl Catch {
    /// Stands around `inner`. At most `arriving_bytes_max` octets of text arrive at once.
    #[must_use]
    pub fn new(inner: Box<dyn Store>, inbox: Inbox, arriving_bytes_max: usize) -> Self {
        Self {
            inner,
            inbox,
            drafts: Slab::new(),
            submitted: HashMap::new(),
            arriving_bytes: 0,
            arriving_bytes_max,
            spare: Vec::new(),
            spare_bytes: 0,
        }
    }

    /// Takes an empty buffer, which may have room already.
    fn take_buffer(&mut self) -> Vec<u8> {
        let buffer = self.spare.pop().unwrap_or_default();
        self.spare_bytes -= buffer.capacity();
        buffer
    }

    /// Takes a buffer back whose text does not arrive any more.
    fn give_back(&mut self, mut buffer: Vec<u8>) {
        self.arriving_bytes -= buffer.len();
        if self.spare_bytes + buffer.capacity() <= SPARE_BYTES_MAX {
            self.spare_bytes += buffer.capacity();
            buffer.clear();
            self.spare.push(buffer);
        }
    }

    /// Takes a message out of those that arrive, if the other store has it for any recipient; in the inbox it is for these only.
    fn settle(&mut self, mut arrived: ArrivingMessage, outcome: &Outcome) {
        if !outcome.is_stored() {
            return self.give_back(arrived.text);
        }
        if let Outcome::PerRecipient(results) = outcome {
            let mut results = results.iter();
            let to = &mut arrived.message.to;
            to.retain(|_| results.next().is_some_and(Result::is_ok));
        }
        let session = arrived.session.as_ref();
        self.inbox.add(CaughtMessage {
            received: SystemTime::now(),
            text: Bytes::copy_from_slice(&arrived.text),
            transcript: session.map(|session| self.inbox.session_log().stored(session)),
            ..arrived.message
        });
        self.give_back(arrived.text);
    }
}

/// The failure of a draft that this store does not know.
fn foreign() -> Failure {
    debug_assert!(false, "a draft of another store");
    Failure::Io("a draft of another store".into())
}

/// A message with this envelope, without its text.
fn message(id: String, envelope: &Envelope) -> CaughtMessage {
    CaughtMessage {
        id,
        number: 0,
        received: SystemTime::UNIX_EPOCH,
        hello: envelope.hello.name.to_string(),
        peer: match envelope.peer {
            Peer::Ip(address) => address.to_string(),
            Peer::Local => "local".to_owned(),
            Peer::Unknown => "unknown".to_owned(),
        },
        user: envelope.user.as_deref().map(str::to_owned),
        from: match &envelope.reverse_path {
            ReversePath::Null => String::new(),
            ReversePath::Mailbox(mailbox) => mailbox.to_string(),
        },
        to: addresses(envelope),
        text: Bytes::new(),
        transcript: None,
        is_read: Cell::new(false),
    }
}

/// The forward-paths of an envelope.
fn addresses(envelope: &Envelope) -> Vec<String> {
    let recipients = envelope.recipients.iter();
    recipients.map(|to| to.address.to_string()).collect()
}

impl Store for Catch {
    fn set_time(&mut self, now: Instant) {
        self.inner.set_time(now);
    }

    fn admit(&mut self, declared_bytes: u64, min_free: u64) -> Result<Admission, Failure> {
        self.inner.admit(declared_bytes, min_free)
    }

    fn check(
        &mut self,
        recipient: &Recipient,
        envelope: &Envelope,
        to_make: usize,
    ) -> Result<Admission, Failure> {
        self.inner.check(recipient, envelope, to_make)
    }

    fn answer(&mut self) -> Option<Answer> {
        self.inner.answer()
    }

    fn begin(&mut self, envelope: &Envelope) -> Result<(QueueId, Draft), Failure> {
        let (id, draft) = self.inner.begin(envelope)?;
        let session = self.inbox.session_log().served();
        let arriving = ArrivingMessage {
            message: message(id.to_string(), envelope),
            session,
            text: self.take_buffer(),
        };
        Ok((id, Draft::new(self.drafts.insert((draft, arriving)))))
    }

    fn readdress(
        &mut self,
        draft: &mut Draft,
        envelope: &Envelope,
    ) -> Result<Option<QueueId>, Failure> {
        let Some((inner, arriving)) = self.drafts.get_mut(draft.key()) else {
            return Err(foreign());
        };
        if !arriving.text.is_empty() {
            return Err(has_text());
        }
        let renamed = self.inner.readdress(inner, envelope)?;
        let id = match renamed {
            Some(id) => id.to_string(),
            None => mem::take(&mut arriving.message.id),
        };
        arriving.message = message(id, envelope);
        Ok(renamed)
    }

    fn write(&mut self, draft: &mut Draft, text: &[u8]) -> Result<(), Failure> {
        let Some((inner, arriving)) = self.drafts.get_mut(draft.key()) else {
            return Err(foreign());
        };
        let bytes_max = self.arriving_bytes_max;
        if self.arriving_bytes + text.len() > bytes_max {
            let why = format!(
                "messages of over {bytes_max} octets arrive at once: try again, or allow more by --keep-bytes"
            );
            return Err(Failure::Full(why.into()));
        }
        self.inner.write(inner, text)?;
        self.arriving_bytes += text.len();
        arriving.text.extend_from_slice(text);
        Ok(())
    }

    fn abort(&mut self, draft: Draft) {
        if let Some((inner, arriving)) = self.drafts.try_remove(draft.key()) {
            self.give_back(arriving.text);
            self.inner.abort(inner);
        }
    }

    fn is_final_delivery(&self, draft: &Draft) -> bool {
        let draft = self.drafts.get(draft.key());
        draft.is_none_or(|(inner, _)| self.inner.is_final_delivery(inner))
    }

    fn submit(&mut self, draft: Draft) -> Ticket {
        let (inner, arriving) = self.drafts.remove(draft.key());
        let ticket = self.inner.submit(inner);
        self.submitted.insert(ticket, arriving);
        ticket
    }

    fn commit(&mut self, finished: &mut Vec<Finished>) {
        let before = finished.len();
        self.inner.commit(finished);
        for Finished { ticket, outcome } in finished.iter().skip(before) {
            if let Some(arrived) = self.submitted.remove(ticket) {
                self.settle(arrived, outcome);
            }
        }
    }

    fn is_pending(&self) -> bool {
        self.inner.is_pending()
    }

    fn is_congested(&self) -> bool {
        self.inner.is_congested()
    }

    fn next_wake(&self) -> Option<Instant> {
        self.inner.next_wake()
    }

    #[cfg(feature = "milter")]
    fn hold(&mut self) -> Option<&mut Hold> {
        self.inner.hold()
    }

    fn inbox(&mut self) -> Option<&mut Inbox> {
        Some(&mut self.inbox)
    }

    fn lost_since(&self) -> Option<Instant> {
        self.inner.lost_since()
    }

    fn take_pipes(&mut self, process: usize) -> Option<StorePipes> {
        self.inner.take_pipes(process)
    }

    fn client(&mut self, process: usize) -> Option<&mut dyn StoreClient> {
        self.inner.client(process)
    }

    fn return_pipes(&mut self, process: usize, pipes: StorePipes) {
        self.inner.return_pipes(process, pipes);
    }
}
