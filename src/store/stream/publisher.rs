//! The store of an edge: a server that keeps no mail, but brings it to a stream.
//!
//! A text is cut into parts as it arrives, so that nothing is held whole. A message whose parts are all acknowledged gets its last
//! record, and is stored once that is acknowledged. Whatever is not acknowledged is kept, and said again with the same id, which
//! the stream knows: so nothing is in it twice. Each wait has an end, after which the client is told to try later; the message may
//! then be in the stream all the same.
//!
//! Invariants: the text that no record has, of all messages together, is bounded, and so is what is not acknowledged. Nothing of a
//! message is published after its last record, and that not before all parts are acknowledged.

mod answer;
mod client;
mod counts;
mod instance;
mod message;
mod outbox;
mod room;

use std::collections::BTreeSet;
use std::time::Instant;

use self::instance::instance;
use self::message::{ACKNOWLEDGEMENT_TIMEOUT, PublishStage, PublishedMessage};
use self::outbox::{LAST, Outbox, PublishedRecord, RecordKey};
use super::record::{PART_BYTES_MAX, PART_ROOM_BYTES};
use super::{StreamClient, StreamFacts, StreamState};
use crate::smtp::envelope::{Envelope, QueueId, Recipient};
use crate::store::counted::CountedMap;
use crate::store::{Admission, Draft, Failure, Finished, Outcome, Store, Ticket};

pub use self::counts::StreamCounts;

/// The most octets of text in no record, of all messages together. Beyond it whoever writes gives up its own, however little.
const OPEN_BYTES_MAX: usize = 4 << 20;
/// Octets of records that are not acknowledged from which on no more text is taken.
const UNACKNOWLEDGED_BYTES_MAX: usize = 4 << 20;
/// A store that brings mail to a stream.
#[derive(Debug)]
pub struct StreamPublisher {
    /// The start of its queue ids, which no other has.
    instance: Box<str>,
    now: Instant,
    state: StreamState,
    /// Facts about the connection, while there is one.
    facts: Option<StreamFacts>,
    /// The most octets of an envelope, as the last connection had it.
    envelope_bytes_max: usize,
    /// The number of messages so far, by which they are named.
    begun: u64,
    messages: CountedMap<u64, PublishedMessage>,
    /// Messages that are complete and not settled.
    submitted: usize,
    /// Octets of text in no record.
    open_bytes: usize,
    outbox: Outbox,
    /// When messages are given up.
    deadlines: BTreeSet<(Instant, u64)>,
    /// Messages that are settled and not yet reported.
    finished: Vec<Finished>,
    counts: StreamCounts,
}

impl StreamPublisher {
    /// Makes a store that takes mail once it is told of a stream. Its queue ids begin with what `random` gives.
    #[must_use]
    pub fn new(random: &mut dyn FnMut() -> u64, now: Instant) -> Self {
        Self {
            instance: instance(random),
            now,
            state: StreamState::Lost {
                since: now,
                why: "no server of the stream has answered yet".into(),
            },
            facts: None,
            envelope_bytes_max: room::envelope_bytes_max(PART_BYTES_MAX + PART_ROOM_BYTES),
            begun: 0,
            messages: CountedMap::default(),
            submitted: 0,
            open_bytes: 0,
            outbox: Outbox::default(),
            deadlines: BTreeSet::new(),
            finished: Vec::new(),
            counts: StreamCounts::default(),
        }
    }

    /// Whether records may be said, and what is answered counts.
    fn is_ready(&self) -> bool {
        self.facts.is_some() && self.state == StreamState::Ready
    }

    /// The failure of whatever begins while the stream is lost.
    fn check_state(&self) -> Result<(), Failure> {
        match &self.state {
            StreamState::Ready => Ok(()),
            StreamState::Lost { why, .. } => Err(Failure::Io(
                format!("the stream takes no mail: {why}").into(),
            )),
        }
    }

    /// Publishes the text that a message has so far as a part.
    fn publish_part(&mut self, key: u64) {
        let Some(message) = self.messages.get_mut(&key) else {
            return;
        };
        let (part, text) = message.cut_part(self.now);
        self.open_bytes -= text.capacity();
        let record = PublishedRecord {
            id: message.envelope.id,
            envelope: None,
            text,
        };
        let key = RecordKey { message: key, part };
        self.outbox.push(key, record, self.now);
        self.update_deadline(key.message);
    }

    /// Publishes what is next of a message that is complete: its last part, or its last record once all parts are acknowledged.
    fn publish_end(&mut self, key: u64) {
        let Some(message) = self.messages.get_mut(&key) else {
            return;
        };
        let has_parts = message.envelope.parts > 0;
        if has_parts && !message.text.is_empty() {
            return self.publish_part(key);
        }
        if message.parts_awaited > 0 {
            return;
        }
        let json = message.envelope.to_json();
        if json.len() > self.envelope_bytes_max {
            let told = "the envelope is larger than the stream has room for";
            return self.fail(key, Failure::Io(told.into()));
        }
        if !message.text.is_empty() && message.text.len() + json.len() > PART_BYTES_MAX {
            return self.publish_part(key);
        }
        let text = std::mem::take(&mut message.text);
        self.open_bytes -= text.capacity();
        let record = PublishedRecord {
            id: message.envelope.id,
            envelope: Some(json.into()),
            text,
        };
        let key = RecordKey {
            message: key,
            part: LAST,
        };
        self.outbox.push(key, record, self.now);
    }

    /// Has the deadlines know when a message is given up.
    fn update_deadline(&mut self, key: u64) {
        let Some(message) = self.messages.get_mut(&key) else {
            return;
        };
        let deadline = message.deadline_with(self.outbox.oldest_of(key));
        if deadline == message.deadline {
            return;
        }
        if let Some(before) = message.deadline {
            self.deadlines.remove(&(before, key));
        }
        if let Some(deadline) = deadline {
            self.deadlines.insert((deadline, key));
        }
        message.deadline = deadline;
    }

    /// Forgets a message and all of its records that are not acknowledged.
    fn forget(&mut self, key: u64) {
        self.outbox.remove_all_of(key);
        if let Some(message) = self.messages.remove(&key) {
            self.open_bytes -= message.text.capacity();
            self.submitted -= usize::from(matches!(message.stage, PublishStage::Submitted(_)));
            if let Some(deadline) = message.deadline {
                self.deadlines.remove(&(deadline, key));
            }
        }
    }

    /// Settles a message that is complete.
    fn settle(&mut self, key: u64, outcome: Outcome) {
        self.forget(key);
        let ticket = Ticket(key);
        self.finished.push(Finished { ticket, outcome });
    }

    /// Gives a message up. One whose text is arriving is refused with the next of it.
    fn fail(&mut self, key: u64, failure: Failure) {
        let Some(message) = self.messages.get_mut(&key) else {
            return;
        };
        self.counts.failed += 1;
        if let PublishStage::Submitted(_) = message.stage {
            return self.settle(key, Outcome::Failed(failure));
        }
        let text = std::mem::take(&mut message.text);
        self.open_bytes -= text.capacity();
        message.stage = PublishStage::Failed(failure);
        self.outbox.remove_all_of(key);
        self.update_deadline(key);
    }

    /// Gives messages up whose time is over.
    fn expire(&mut self) {
        while let Some((at, key)) = self.deadlines.first().copied()
            && at <= self.now
        {
            let told = match self.check_state() {
                Err(failure) => failure,
                Ok(()) if self.outbox.oldest_of(key).is_none() => {
                    Failure::Io("its text stands still for half an hour".into())
                }
                Ok(()) => {
                    let seconds = ACKNOWLEDGEMENT_TIMEOUT.as_secs();
                    let told = format!("the stream has not acknowledged it in {seconds} seconds");
                    Failure::Io(told.into())
                }
            };
            self.fail(key, told);
        }
    }
}

impl Store for StreamPublisher {
    fn set_time(&mut self, now: Instant) {
        self.now = now;
    }

    fn admit(&mut self, _: u64, _: u64) -> Result<Admission, Failure> {
        self.check_state().map(|()| Admission::Granted(0))
    }

    fn check(
        &mut self,
        recipient: &Recipient,
        envelope: &Envelope,
        _: usize,
    ) -> Result<Admission, Failure> {
        if room::has_room(envelope, recipient, self.envelope_bytes_max) {
            return Ok(Admission::Granted(0));
        }
        let told = "a record of the stream has no room for so many recipients";
        Err(Failure::Full(told.into()))
    }

    fn begin(&mut self, envelope: &Envelope) -> Result<(QueueId, Draft), Failure> {
        self.check_state()?;
        self.begun += 1;
        let key = usize::try_from(self.begun)
            .map_err(|_| Failure::Io("no queue id is left: start again".into()))?;
        let id = QueueId::new(&self.instance, self.begun);
        let message = PublishedMessage::new(id, envelope);
        self.messages.insert(self.begun, message);
        Ok((id, Draft::new(key)))
    }

    fn readdress(
        &mut self,
        draft: &mut Draft,
        envelope: &Envelope,
    ) -> Result<Option<QueueId>, Failure> {
        let Some(message) = self.messages.get_mut(&(draft.key() as u64)) else {
            return Err(Failure::Io("the message is not known".into()));
        };
        message.readdress(envelope).map(|()| None)
    }

    fn write(&mut self, draft: &mut Draft, text: &[u8]) -> Result<(), Failure> {
        let key = draft.key() as u64;
        let mut text = text;
        while !text.is_empty() {
            let Some(message) = self.messages.get_mut(&key) else {
                debug_assert!(false, "a draft that is not known: {draft:?}");
                return Err(Failure::Io("the message is not known".into()));
            };
            if let PublishStage::Failed(failure) = &message.stage {
                return Err(failure.clone());
            }
            let before = message.text.capacity();
            text = message.take(text);
            self.open_bytes += message.text.capacity() - before;
            if message.is_part_full() || self.open_bytes > OPEN_BYTES_MAX {
                self.publish_part(key);
            }
        }
        Ok(())
    }

    fn abort(&mut self, draft: Draft) {
        self.forget(draft.key() as u64);
    }

    fn submit(&mut self, draft: Draft) -> Ticket {
        let key = draft.key() as u64;
        let ticket = Ticket(key);
        let Some(message) = self.messages.get_mut(&key) else {
            debug_assert!(false, "a draft that is not known: {draft:?}");
            return ticket;
        };
        let submitted = PublishStage::Submitted(self.now);
        if let PublishStage::Failed(failure) = std::mem::replace(&mut message.stage, submitted) {
            self.submitted += 1;
            self.settle(key, Outcome::Failed(failure));
            return ticket;
        }
        self.submitted += 1;
        self.publish_end(key);
        self.update_deadline(key);
        ticket
    }

    fn commit(&mut self, finished: &mut Vec<Finished>) {
        self.expire();
        if self.is_ready() {
            self.outbox.tick(self.now);
        }
        finished.append(&mut self.finished);
    }

    fn is_pending(&self) -> bool {
        !self.finished.is_empty() || self.is_ready() && self.outbox.is_pending()
    }

    fn is_congested(&self) -> bool {
        self.outbox.bytes() > UNACKNOWLEDGED_BYTES_MAX
    }

    fn next_wake(&self) -> Option<Instant> {
        let deadline = self.deadlines.first().map(|(at, _)| *at);
        let again = self.outbox.next_wake().filter(|_| self.is_ready());
        deadline.into_iter().chain(again).min()
    }

    fn stream(&mut self) -> Option<&mut dyn StreamClient> {
        Some(self)
    }

    fn stream_counts(&self) -> Option<StreamCounts> {
        Some(StreamCounts {
            unacknowledged_bytes: self.outbox.bytes(),
            is_connected: self.facts.is_some(),
            ..self.counts
        })
    }

    fn lost_since(&self) -> Option<Instant> {
        match self.state {
            StreamState::Ready => None,
            StreamState::Lost { since, .. } => Some(since),
        }
    }
}

#[cfg(test)]
mod tests;
