//! The text of a message that lies in parts, read one after the other.
//!
//! Parts have numbers, and are nearly always stored in the order of these. Where one was published again it is stored after others:
//! what is met too early is remembered, and fetched again once it is its turn.

use std::collections::BTreeMap;

use super::api_answer::{ApiAnswer, StoredMessage};
use crate::json::Members;
use crate::store::stream::record::{PART, StreamEnvelope, StreamRecordKind};

/// The most parts that are met too early: more than a server says before it hears an answer.
const EARLY_PARTS_MAX: usize = 10_000;
/// The most requests in a row that are refused, of four a second: then the text is given up for this try.
const REFUSALS_MAX: u32 = 40;

/// A text that is being read from its parts.
#[derive(Debug)]
pub(super) struct StreamPartReader {
    subject: String,
    parts: u32,
    octets: u64,
    crc32c: u32,
    /// The number of the part that comes next.
    next: u32,
    /// The sequence from which on it is looked for.
    from: u64,
    /// Parts that were met too early, with their sequences.
    met: BTreeMap<u32, u64>,
    /// The requests in a row that were refused.
    refusals: u32,
    /// Whether it was looked for from the very begin of the stream.
    is_from_start: bool,
    /// The octets so far, and their checksum.
    read: u64,
    crc: u32,
    /// Whether the last part ended in a CR, which is handed out with the next one: no CRLF is split.
    is_cr_left: bool,
}

/// What came of an answer.
#[derive(Debug)]
pub(super) enum PartStep {
    /// There is more to ask for.
    Ask,
    /// It could not be answered now.
    Later,
    /// The next piece of text. More is to be asked for.
    Text(Vec<u8>),
    /// The last piece of text, which is whole.
    End(Vec<u8>),
    /// A part is missing, or damaged; the text says which.
    Bad(String),
}

impl StreamPartReader {
    /// Begins to read the text of a message.
    pub(super) fn new(envelope: &StreamEnvelope) -> Self {
        Self {
            subject: StreamRecordKind::Part.subject(&envelope.id),
            parts: envelope.parts,
            octets: envelope.octets,
            crc32c: envelope.crc32c,
            next: 1,
            from: envelope.first.max(1),
            met: BTreeMap::new(),
            refusals: 0,
            is_from_start: envelope.first <= 1,
            read: 0,
            crc: 0,
            is_cr_left: false,
        }
    }

    /// The request for the next part.
    pub(super) fn request(&self) -> Vec<u8> {
        let mut request = Members::default();
        match self.met.get(&self.next) {
            Some(sequence) => request.number("seq", *sequence),
            None => {
                request.number("seq", self.from);
                request.text("next_by_subj", &self.subject);
            }
        }
        request.into_object().into_vec()
    }

    /// Takes the answer to the request.
    pub(super) fn take(&mut self, answer: ApiAnswer) -> PartStep {
        let value = match answer {
            ApiAnswer::Done(value) => value,
            ApiAnswer::NoMessage => return self.not_found(),
            ApiAnswer::Unavailable => return PartStep::Later,
            ApiAnswer::Refused(why) if self.refusals < REFUSALS_MAX => {
                log::debug!("stream part={} of={} why={why:?}", self.next, self.subject);
                self.refusals += 1;
                return PartStep::Later;
            }
            // Such as one that is too long to be taken in.
            ApiAnswer::Refused(why) => return self.bad(&format!("cannot be had: {why}")),
        };
        self.refusals = 0;
        let Some(message) = StoredMessage::read(&value) else {
            return self.bad("cannot be read");
        };
        let number = message.header(PART).and_then(|number| number.parse().ok());
        match number {
            _ if message.subject != self.subject => self.not_found(),
            Some(number) if number == self.next => self.part(&message),
            Some(number) => {
                if self.met.remove(&self.next).is_some() {
                    return self.bad("is another one now");
                }
                self.from = message.sequence + 1;
                if number > self.next && number <= self.parts {
                    if self.met.len() == EARLY_PARTS_MAX {
                        return self.bad("comes after too many others");
                    }
                    self.met.entry(number).or_insert(message.sequence);
                }
                PartStep::Ask
            }
            None => {
                self.from = message.sequence + 1;
                PartStep::Ask
            }
        }
    }

    /// Looks for the part from the begin of the stream, once.
    fn not_found(&mut self) -> PartStep {
        self.met.remove(&self.next);
        if self.is_from_start {
            return self.bad("is missing");
        }
        self.is_from_start = true;
        self.from = 1;
        PartStep::Ask
    }

    fn bad(&self, what: &str) -> PartStep {
        PartStep::Bad(format!("part {} of {} {what}", self.next, self.parts))
    }

    /// Hands the text of the next part out.
    fn part(&mut self, message: &StoredMessage) -> PartStep {
        if self.met.remove(&self.next).is_none() {
            self.from = message.sequence + 1;
        }
        self.crc = crc32c::crc32c_append(self.crc, &message.payload);
        self.read += message.payload.len() as u64;
        let is_end = self.next == self.parts;
        if self.read > self.octets || is_end && self.read < self.octets {
            let (read, octets) = (self.read, self.octets);
            return PartStep::Bad(format!(
                "the parts have {read} octets or more, not {octets}"
            ));
        }
        if is_end && self.crc != self.crc32c {
            return PartStep::Bad("the checksum of the parts is another one".to_owned());
        }
        self.next += 1;
        let mut text = Vec::with_capacity(message.payload.len() + 1);
        if std::mem::take(&mut self.is_cr_left) {
            text.push(b'\r');
        }
        text.extend_from_slice(&message.payload);
        if is_end {
            return PartStep::End(text);
        }
        self.is_cr_left = text.ends_with(b"\r");
        if self.is_cr_left {
            text.pop();
        }
        PartStep::Text(text)
    }
}
