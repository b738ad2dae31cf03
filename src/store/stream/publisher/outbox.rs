//! Records that the stream has not acknowledged: each is kept, as it was said first, for being said again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::counts::StreamCounts;
use crate::smtp::envelope::QueueId;
use crate::store::stream::StreamOutput;
use crate::store::stream::record::{
    ENVELOPE, EXPECTED_STREAM, MESSAGE_ID, PART, StreamRecordKind, part_id,
};

/// Time after which a record is said again that was not answered.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);
/// Time after which a record is said again that could not be taken just then.
const RETRY_DELAY: Duration = Duration::from_millis(250);
/// Octets that a record takes beside its text and its envelope, roughly.
const RECORD_BYTES: usize = 256;

/// The name of a record: the count of its message, and which of its records it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RecordKey {
    pub(super) message: u64,
    pub(super) part: PartNumber,
}

/// The number of a part from 1 on, or [`LAST`] for the last record, which so comes after all parts.
pub(super) type PartNumber = u32;

/// The number of the last record.
pub(super) const LAST: PartNumber = PartNumber::MAX;

impl RecordKey {
    /// The token of its answers.
    fn token(self) -> String {
        format!("{:x}p{:x}", self.message, self.part)
    }

    /// Reads a token. Those that others have given out are none.
    pub(super) fn of_token(token: &str) -> Option<Self> {
        let (message, part) = token.split_once('p')?;
        let key = Self {
            message: u64::from_str_radix(message, 16).ok()?,
            part: PartNumber::from_str_radix(part, 16).ok()?,
        };
        (key.token() == token).then_some(key)
    }
}

/// A record that is to be published.
#[derive(Debug)]
pub(super) struct PublishedRecord {
    /// The message that it is of.
    pub(super) id: QueueId,
    /// The envelope, of a last record.
    pub(super) envelope: Option<Box<str>>,
    /// The text in it.
    pub(super) text: Vec<u8>,
}

impl PublishedRecord {
    fn bytes(&self) -> usize {
        let envelope = self.envelope.as_ref().map_or(0, |envelope| envelope.len());
        self.text.capacity() + envelope + RECORD_BYTES
    }

    /// Says it, the same octets each time.
    fn publish(&self, key: RecordKey, stream: &str, out: &mut dyn StreamOutput) {
        let token = key.token();
        if let Some(envelope) = &self.envelope {
            let headers = [
                (MESSAGE_ID, self.id.as_str()),
                (EXPECTED_STREAM, stream),
                (ENVELOPE, envelope),
            ];
            let subject = StreamRecordKind::Message.subject(&self.id);
            out.publish(&subject, Some(&token), &headers, &self.text);
        } else {
            let (id, number) = (part_id(&self.id, key.part), key.part.to_string());
            let headers = [
                (MESSAGE_ID, id.as_str()),
                (EXPECTED_STREAM, stream),
                (PART, &number),
            ];
            let subject = StreamRecordKind::Part.subject(&self.id);
            out.publish(&subject, Some(&token), &headers, &self.text);
        }
    }
}

/// A record, and what is done about it next.
#[derive(Debug)]
struct UnacknowledgedRecord {
    record: PublishedRecord,
    made: Instant,
    was_said: bool,
    next: NextStep,
}

#[derive(Clone, Copy, Debug)]
enum NextStep {
    /// It is said, in this place of the queue.
    Say(u64),
    /// Its answer, or a moment, is awaited until then.
    Wait(Instant),
}

/// The records that the stream has not acknowledged.
///
/// Invariant: each record is either once in the queue, or once among those that wait.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    records: BTreeMap<RecordKey, UnacknowledgedRecord>,
    /// Records that are to be said, in this order.
    queue: BTreeMap<u64, RecordKey>,
    /// The last place of the queue that was given out.
    place: u64,
    /// Records that are to be said again at some time.
    waiting: BTreeSet<(Instant, RecordKey)>,
    /// Octets of all of them.
    bytes: usize,
    /// Whether something is in the queue that the connection had no room for.
    is_blocked: bool,
}

impl Outbox {
    /// Octets of all records in it.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether something could be said that nobody was asked to take.
    pub(super) fn is_pending(&self) -> bool {
        !self.queue.is_empty() && !self.is_blocked
    }

    /// The instant at which a record is to be said again.
    pub(super) fn next_wake(&self) -> Option<Instant> {
        self.waiting.first().map(|(at, _)| *at)
    }

    /// Takes a record in, which is said as soon as there is room.
    pub(super) fn push(&mut self, key: RecordKey, record: PublishedRecord, now: Instant) {
        self.bytes += record.bytes();
        self.place += 1;
        self.queue.insert(self.place, key);
        let before = self.records.insert(
            key,
            UnacknowledgedRecord {
                record,
                made: now,
                was_said: false,
                next: NextStep::Say(self.place),
            },
        );
        debug_assert!(before.is_none(), "a record is made once: {key:?}");
    }

    /// Says records until `out` is full.
    pub(super) fn send(
        &mut self,
        stream: &str,
        now: Instant,
        counts: &mut StreamCounts,
        out: &mut dyn StreamOutput,
    ) {
        while !out.is_full()
            && let Some((_, key)) = self.queue.pop_first()
        {
            let Some(known) = self.records.get_mut(&key) else {
                debug_assert!(false, "a record in the queue is there: {key:?}");
                continue;
            };
            known.record.publish(key, stream, out);
            match known.was_said {
                true => counts.again += 1,
                false => counts.published += 1,
            }
            known.was_said = true;
            let until = now + ANSWER_TIMEOUT;
            known.next = NextStep::Wait(until);
            self.waiting.insert((until, key));
        }
        self.is_blocked = !self.queue.is_empty();
    }

    /// Puts records into the queue whose time has come to be said again.
    pub(super) fn tick(&mut self, now: Instant) {
        while let Some((at, key)) = self.waiting.first().copied()
            && at <= now
        {
            self.say_again(key);
        }
    }

    /// Puts all records into the queue that were said, as after the loss of a connection.
    pub(super) fn say_all_again(&mut self) {
        self.is_blocked = false;
        let waiting = std::mem::take(&mut self.waiting);
        let mut keys: Vec<_> = waiting.into_iter().map(|(_, key)| key).collect();
        keys.sort_unstable();
        for key in keys {
            self.say_again(key);
        }
    }

    fn say_again(&mut self, key: RecordKey) {
        let Some(known) = self.records.get_mut(&key) else {
            debug_assert!(false, "a record that waits is there: {key:?}");
            return;
        };
        if let NextStep::Wait(until) = known.next {
            self.waiting.remove(&(until, key));
            self.place += 1;
            known.next = NextStep::Say(self.place);
            self.queue.insert(self.place, key);
        }
    }

    /// Has a record wait a moment that could not be taken just now.
    pub(super) fn put_off(&mut self, key: RecordKey, now: Instant) {
        if let Some(known) = self.records.get_mut(&key)
            && let NextStep::Wait(until) = known.next
        {
            self.waiting.remove(&(until, key));
            let until = now + RETRY_DELAY;
            known.next = NextStep::Wait(until);
            self.waiting.insert((until, key));
        }
    }

    /// Whether an answer to this record is awaited: it was said, and is not acknowledged.
    pub(super) fn awaits(&self, key: RecordKey) -> bool {
        self.records.get(&key).is_some_and(|known| known.was_said)
    }

    /// Forgets a record.
    pub(super) fn remove(&mut self, key: RecordKey) {
        let Some(known) = self.records.remove(&key) else {
            return;
        };
        self.bytes -= known.record.bytes();
        match known.next {
            NextStep::Say(place) => drop(self.queue.remove(&place)),
            NextStep::Wait(until) => {
                self.waiting.remove(&(until, key));
            }
        }
    }

    /// When the oldest record of a message was made that is not acknowledged.
    pub(super) fn oldest_of(&self, message: u64) -> Option<Instant> {
        self.first_of(message).map(|(_, made)| made)
    }

    fn first_of(&self, message: u64) -> Option<(RecordKey, Instant)> {
        let of = |part| RecordKey { message, part };
        let mut records = self.records.range(of(0)..=of(LAST));
        records.next().map(|(key, known)| (*key, known.made))
    }

    /// Forgets all records of a message.
    pub(super) fn remove_all_of(&mut self, message: u64) {
        while let Some((key, _)) = self.first_of(message) {
            self.remove(key);
        }
    }
}
