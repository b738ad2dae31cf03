//! The consumer of the stream that hands its messages out, to all who take them; and the pulls by which it is asked for some.
//!
//! Invariant: what is asked for and not here, and what is here, have a bound in messages and in octets together.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::api_answer::whole;
use super::delivery_subject::DeliverySubject;
use crate::json::{JsonValue, Members};
use crate::store::stream::server_time::milliseconds_of;
use crate::store::stream::{SUBJECT_PREFIX, StreamMessage};

/// The name of the consumer, which all share who take mail out of a stream.
pub(super) const CONSUMER: &str = "mailoop-deliver";
/// The most messages that the consumer has handed out, to all together, and that are not acknowledged. Those that wait to be handed out
/// again count as well, and with so many of them nothing else is delivered: a mailbox that fails for long has to have room here.
const UNACKNOWLEDGED_MAX: u64 = 50_000;
/// The most messages that are here, or asked for.
const MESSAGES_MAX: usize = 1000;
/// The most octets of messages that are here, or asked for.
const OCTETS_MAX: usize = 8 * 1024 * 1024;
/// The fewest messages, and octets, that are asked for: a message of ours is smaller.
const PULL_MESSAGES_MIN: usize = MESSAGES_MAX / 4;
const PULL_OCTETS_MIN: usize = 1024 * 1024;
/// The most pulls at a time: one is served while the next is on its way.
const PULLS_MAX: usize = 2;
/// The time that the consumer has for a pull.
const PULL_EXPIRES: Duration = Duration::from_secs(10);
/// The time after that, at which a pull is over of which nothing was heard.
const PULL_GRACE: Duration = Duration::from_secs(3);
/// The wait after a pull that came to nothing.
const PULL_RETRY_WAIT: Duration = Duration::from_millis(250);
/// The difference between the clocks of two servers, at most.
const CLOCKS_APART_MS: u64 = 60_000;

/// The consumer, as far as it is known.
#[derive(Debug, Default)]
pub(super) struct Consumer {
    /// Whether it is there, and so can be pulled from.
    is_there: bool,
    /// When it was made, in milliseconds of the epoch. What was stored before may have been delivered by an earlier one.
    made_ms: u64,
    /// The highest sequence that it has handed out, to whomever, as far as is known here, and the last place in its order.
    highest: u64,
    place: u64,
    pulls: VecDeque<Pull>,
    /// No pull begins before.
    wait_until: Option<Instant>,
    /// Whether the next message is too large for what pulls ask for.
    is_next_large: bool,
}

/// A request for messages.
#[derive(Debug)]
struct Pull {
    token: String,
    messages: usize,
    octets: usize,
    /// When it is over, whatever is heard of it.
    end: Instant,
    has_brought: bool,
}

/// The request that makes the consumer, or changes it.
pub(super) fn make_request(stream: &str, ack_wait: Duration) -> (String, Vec<u8>) {
    let mut config = Members::default();
    config.text("durable_name", CONSUMER);
    config.text("description", "mailoop deliver");
    config.text("filter_subject", &format!("{SUBJECT_PREFIX}.message.>"));
    config.text("deliver_policy", "all");
    config.text("ack_policy", "explicit");
    config.text("replay_policy", "instant");
    config.number("ack_wait", nanoseconds(ack_wait));
    config.number("max_ack_pending", UNACKNOWLEDGED_MAX);
    config.value("max_deliver", b"-1");
    let mut request = Members::default();
    request.text("stream_name", stream);
    request.value("config", &config.into_object());
    let subject = format!("$JS.API.CONSUMER.DURABLE.CREATE.{stream}.{CONSUMER}");
    (subject, request.into_object().into_vec())
}

/// A duration as servers of a stream want it.
pub(super) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The octets that a message counts for.
pub(super) fn octets_of(message: &StreamMessage) -> usize {
    let fields = message.headers.iter();
    let headers: usize = fields
        .map(|(name, value)| name.len() + value.len() + 4)
        .sum();
    message.subject.len() + headers + message.payload.len()
}

impl Consumer {
    /// Takes note of the answer to the [request](make_request). Returns how long it waits for an acknowledgement, if it says so.
    pub(super) fn made(&mut self, answer: &JsonValue) -> Option<Duration> {
        let made = answer.get("created").and_then(JsonValue::as_text);
        // Of one that does not say when it was made, everything may have been delivered before.
        self.made_ms = made.and_then(milliseconds_of).unwrap_or(u64::MAX / 2);
        self.is_there = true;
        let delivered = answer.get("delivered");
        let number = |name| delivered.and_then(|it| it.get(name)).and_then(whole);
        self.highest = self.highest.max(number("stream_seq").unwrap_or(0));
        self.place = number("consumer_seq").unwrap_or(0);
        let waits = answer.get("config")?.get("ack_wait").and_then(whole)?;
        Some(Duration::from_nanos(waits))
    }

    /// Takes note that the connection is gone, and with it all pulls.
    pub(super) fn disconnected(&mut self) {
        self.is_there = false;
        self.pulls.clear();
        self.wait_until = None;
    }

    /// Takes note of a message that it has handed out. Returns whether an earlier try may have delivered it: it says so itself, or it
    /// forgets what it did, as one that was made anew.
    pub(super) fn handed_out(
        &mut self,
        delivery: &DeliverySubject,
        octets: usize,
        now_ms: u64,
    ) -> bool {
        if let Some(pull) = self.pulls.front_mut() {
            pull.has_brought = true;
            pull.messages = pull.messages.saturating_sub(1);
            pull.octets = pull.octets.saturating_sub(octets);
            if pull.messages == 0 {
                self.pulls.pop_front();
            }
        }
        self.is_next_large = false;
        // It hands out in the order of sequences, but for what it hands out again, and each has the next place.
        let is_first = delivery.tries <= 1;
        if is_first && delivery.sequence <= self.highest || delivery.place <= self.place {
            // It was made anew, and nobody has told us.
            self.made_ms = self.made_ms.max(now_ms);
        }
        let is_older = delivery.stored_ms < self.made_ms.saturating_add(CLOCKS_APART_MS);
        self.highest = self.highest.max(delivery.sequence);
        self.place = delivery.place;
        !is_first || is_older
    }

    /// Takes note of what is said about a pull instead of a message. Returns whether the consumer is to be made again.
    pub(super) fn status(&mut self, token: &str, message: &StreamMessage, now: Instant) -> bool {
        let Some(at) = self.pulls.iter().position(|pull| pull.token == token) else {
            return false;
        };
        let why = message.header("Description").unwrap_or_default();
        let (is_over, is_gone) = match message.status {
            // It is alive, and has nothing.
            Some(100) => (false, false),
            Some(404 | 408) => (true, false),
            Some(409) if why.contains("Exceeds MaxBytes") || why.contains("Completed") => {
                (true, false)
            }
            _ => (true, true),
        };
        if !is_over {
            return false;
        }
        if let Some(pull) = self.pulls.remove(at)
            && !pull.has_brought
        {
            self.is_next_large = why.contains("Exceeds MaxBytes");
            self.wait_until = Some(now + PULL_RETRY_WAIT).filter(|_| message.status != Some(408));
        }
        if is_gone {
            self.is_there = false;
            self.pulls.clear();
        }
        is_gone
    }

    /// Ends pulls of which nothing was heard.
    pub(super) fn set_time(&mut self, now: Instant) {
        self.pulls.retain(|pull| pull.end > now);
        self.wait_until = self.wait_until.filter(|until| *until > now);
    }

    /// The instant at which [`set_time`](Self::set_time) has something to do.
    pub(super) fn next_wake(&self) -> Option<Instant> {
        let pulls = self.pulls.iter().map(|pull| pull.end);
        pulls.chain(self.wait_until).min()
    }

    /// The next request for messages beside those `here`, and their `octets`; `new_token` makes its token.
    pub(super) fn pull(
        &mut self,
        here: usize,
        octets: usize,
        now: Instant,
        new_token: impl FnOnce() -> String,
    ) -> Option<(String, Vec<u8>)> {
        if !self.is_there || self.wait_until.is_some() || self.pulls.len() >= PULLS_MAX {
            return None;
        }
        let asked: usize = self.pulls.iter().map(|pull| pull.messages).sum();
        let asked_octets: usize = self.pulls.iter().map(|pull| pull.octets).sum();
        let (messages, octets) = if self.is_next_large {
            let is_room = here == 0 && self.pulls.is_empty();
            is_room.then_some((1, 0))?
        } else {
            let messages = MESSAGES_MAX.saturating_sub(here + asked);
            let octets = OCTETS_MAX.saturating_sub(octets + asked_octets);
            let has_room = messages >= PULL_MESSAGES_MIN && octets >= PULL_OCTETS_MIN;
            // Half of the room is for the next pull, which is asked while this one is served.
            let half = (
                messages.min(MESSAGES_MAX / PULLS_MAX),
                octets.min(OCTETS_MAX / PULLS_MAX),
            );
            has_room.then_some(half)?
        };
        let token = new_token();
        let mut request = Members::default();
        request.number("batch", messages as u64);
        if octets > 0 {
            request.number("max_bytes", octets as u64);
        }
        request.number("expires", nanoseconds(PULL_EXPIRES));
        self.pulls.push_back(Pull {
            token: token.clone(),
            messages,
            octets,
            end: now + PULL_EXPIRES + PULL_GRACE,
            has_brought: false,
        });
        Some((token, request.into_object().into_vec()))
    }
}
