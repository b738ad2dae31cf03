//! What the store of an edge does on the connection.

use super::answer::PublishAnswer;
use super::message::PublishStage;
use super::outbox::{LAST, RecordKey};
use super::{StreamPublisher, room};
use crate::store::Outcome;
use crate::store::stream::{StreamClient, StreamFacts, StreamMessage, StreamOutput, StreamState};

impl StreamPublisher {
    /// Takes note that a record is stored.
    fn acknowledged(&mut self, key: RecordKey, sequence: u64) {
        self.counts.acknowledged += 1;
        self.outbox.remove(key);
        if key.part == LAST {
            return self.settle(key.message, Outcome::Stored);
        }
        let Some(message) = self.messages.get_mut(&key.message) else {
            debug_assert!(false, "a record of no message: {key:?}");
            return;
        };
        message.parts_awaited -= 1;
        if key.part == 1 {
            message.envelope.first = sequence;
        }
        if let PublishStage::Submitted(_) = message.stage {
            self.publish_end(key.message);
        }
        self.update_deadline(key.message);
    }
}

impl StreamClient for StreamPublisher {
    fn connected(&mut self, facts: &StreamFacts) {
        self.envelope_bytes_max = room::envelope_bytes_max(facts.payload_bytes_max);
        self.facts = Some(facts.clone());
        self.outbox.say_all_again();
    }

    fn disconnected(&mut self) {
        self.facts = None;
        self.outbox.say_all_again();
    }

    fn set_state(&mut self, state: StreamState) {
        self.state = state;
        if self.state != StreamState::Ready {
            // What is acknowledged now may not be kept as it has to be: it is asked again once it is.
            self.outbox.say_all_again();
        }
    }

    fn received(&mut self, message: StreamMessage) {
        let key = message.token.as_deref().and_then(RecordKey::of_token);
        let (Some(key), Some(facts)) = (key, &self.facts) else {
            return;
        };
        if self.state != StreamState::Ready || !self.outbox.awaits(key) {
            return;
        }
        match PublishAnswer::of(&message, &facts.stream) {
            PublishAnswer::Acknowledged(sequence) => self.acknowledged(key, sequence),
            PublishAnswer::Again => self.outbox.put_off(key, self.now),
            PublishAnswer::Failed(failure) => self.fail(key.message, failure),
            PublishAnswer::Unknown => {}
        }
    }

    fn send(&mut self, out: &mut dyn StreamOutput) {
        if let Some(facts) = self
            .facts
            .as_ref()
            .filter(|_| self.state == StreamState::Ready)
        {
            self.outbox
                .send(&facts.stream, self.now, &mut self.counts, out);
        }
    }

    fn is_idle(&self) -> bool {
        self.submitted == 0
    }
}
