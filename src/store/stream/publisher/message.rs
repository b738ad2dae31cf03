//! A message on its way into the stream.

use std::time::{Duration, Instant};

use crate::smtp::envelope::{Envelope, QueueId};
use crate::store::stream::record::{PART_BYTES_MAX, StreamEnvelope, StreamRecipient};
use crate::store::{Failure, has_text, unix_milliseconds};

/// Time that the stream has to acknowledge a part, or the message once it is complete. It is longer than an election and a new
/// connection take, and shorter than a client waits.
pub(super) const ACKNOWLEDGEMENT_TIMEOUT: Duration = Duration::from_secs(30);
/// Time after which a message is given up whose parts become no more: they are swept out of the stream after an hour.
pub(super) const PARTS_TIMEOUT: Duration = Duration::from_secs(30 * 60);
/// The least room that is made for text.
const TEXT_BYTES_MIN: usize = 1024;

/// A message on its way into the stream.
#[derive(Debug)]
pub(super) struct PublishedMessage {
    /// What its last record will say, as far as it is known.
    pub(super) envelope: StreamEnvelope,
    /// Text that is in no record yet.
    pub(super) text: Vec<u8>,
    /// The number of its parts that are not acknowledged.
    pub(super) parts_awaited: u32,
    /// When its newest part was made.
    newest: Option<Instant>,
    /// When it is given up, as the deadlines know it.
    pub(super) deadline: Option<Instant>,
    pub(super) stage: PublishStage,
}

#[derive(Debug)]
pub(super) enum PublishStage {
    /// Its text is arriving.
    Open,
    /// Its text is arriving, for nothing.
    Failed(Failure),
    /// It is complete since then.
    Submitted(Instant),
}

impl PublishedMessage {
    pub(super) fn new(id: QueueId, envelope: &Envelope) -> Self {
        let envelope = StreamEnvelope {
            id,
            time_ms: unix_milliseconds(),
            sender: envelope.reverse_path.clone(),
            recipients: envelope
                .recipients
                .iter()
                .map(StreamRecipient::from)
                .collect(),
            body: envelope.body,
            smtputf8: envelope.smtputf8,
            octets: 0,
            parts: 0,
            first: 0,
            crc32c: 0,
        };
        Self {
            envelope,
            text: Vec::new(),
            parts_awaited: 0,
            newest: None,
            deadline: None,
            stage: PublishStage::Open,
        }
    }

    /// Gives a message without text another envelope.
    pub(super) fn readdress(&mut self, envelope: &Envelope) -> Result<(), Failure> {
        if let PublishStage::Failed(failure) = &self.stage {
            return Err(failure.clone());
        }
        if self.envelope.octets > 0 {
            return Err(has_text());
        }
        let time_ms = self.envelope.time_ms;
        let envelope = Self::new(self.envelope.id, envelope).envelope;
        self.envelope = StreamEnvelope {
            time_ms,
            ..envelope
        };
        Ok(())
    }

    /// Takes as much of `text` as a part has room for, and returns the rest.
    pub(super) fn take<'a>(&mut self, text: &'a [u8]) -> &'a [u8] {
        let room = PART_BYTES_MAX - self.text.len();
        let (taken, rest) = text.split_at(room.min(text.len()));
        let needed = self.text.len() + taken.len();
        if needed > self.text.capacity() {
            // Doubled as by a vector, but never to more than a part.
            let wanted = (self.text.capacity() * 2).max(TEXT_BYTES_MIN);
            let wanted = wanted.clamp(needed, PART_BYTES_MAX);
            self.text.reserve_exact(wanted - self.text.len());
        }
        self.text.extend_from_slice(taken);
        self.envelope.octets += taken.len() as u64;
        self.envelope.crc32c = crc32c::crc32c_append(self.envelope.crc32c, taken);
        rest
    }

    /// Whether the text fills a part.
    pub(super) fn is_part_full(&self) -> bool {
        self.text.len() == PART_BYTES_MAX
    }

    /// Makes a part of the text, and returns its number.
    pub(super) fn cut_part(&mut self, now: Instant) -> (u32, Vec<u8>) {
        self.envelope.parts += 1;
        self.parts_awaited += 1;
        self.newest = Some(now);
        (self.envelope.parts, std::mem::take(&mut self.text))
    }

    /// When it is to be given up, if its oldest record that is not acknowledged was made at `oldest`.
    pub(super) fn deadline_with(&self, oldest: Option<Instant>) -> Option<Instant> {
        let ends = [
            oldest.map(|made| made + ACKNOWLEDGEMENT_TIMEOUT),
            self.newest.map(|made| made + PARTS_TIMEOUT),
        ];
        match self.stage {
            PublishStage::Open => ends.into_iter().flatten().min(),
            PublishStage::Failed(_) => None,
            PublishStage::Submitted(since) => Some(since + ACKNOWLEDGEMENT_TIMEOUT),
        }
    }
}
