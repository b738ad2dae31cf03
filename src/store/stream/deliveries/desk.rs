//! What is to be said on the connection: requests, whose answers are awaited, and acknowledgements, which have none.
//!
//! Invariant: a request is asked again until it is answered, or the connection is gone; an acknowledgement is said once, if need be on
//! the next connection. Nothing depends on whether it arrives: the message is delivered again, and found.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use crate::store::stream::StreamOutput;

/// The time after which a request without an answer is asked again.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);
/// The wait before a request is asked again that could not be answered.
const RETRY_WAIT: Duration = Duration::from_millis(250);
/// The begin of the tokens of these requests.
const TOKEN: char = 'd';

/// A purpose of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The consumer is made, or found.
    Consumer,
    /// The next step of the message with this sequence.
    Message(u64),
    /// The next step of the sweep.
    Sweep,
}

/// What is to be said, and what was asked.
#[derive(Debug, Default)]
pub(super) struct RequestDesk {
    /// The number of requests so far, which makes their tokens.
    count: u64,
    /// Requests that are to be asked.
    asking: VecDeque<Purpose>,
    /// Requests that are to be asked later.
    later: Vec<(Instant, Purpose)>,
    /// Requests that wait for an answer, in the order in which they were asked.
    awaited: BTreeMap<u64, (Instant, Purpose)>,
    acknowledgements: VecDeque<(Box<str>, Cow<'static, str>)>,
}

impl RequestDesk {
    /// Has a request be asked.
    pub(super) fn ask(&mut self, purpose: Purpose) {
        self.asking.push_back(purpose);
    }

    /// Has a request be asked after a while.
    pub(super) fn ask_later(&mut self, purpose: Purpose, now: Instant) {
        self.ask_at(purpose, now + RETRY_WAIT);
    }

    /// Has a request be asked at `due`.
    pub(super) fn ask_at(&mut self, purpose: Purpose, due: Instant) {
        self.later.push((due, purpose));
    }

    /// Has a message be acknowledged on this subject, in whatever way.
    pub(super) fn acknowledge(&mut self, subject: Box<str>, how: impl Into<Cow<'static, str>>) {
        self.acknowledgements.push_back((subject, how.into()));
    }

    /// Forgets requests: their connection is gone.
    pub(super) fn disconnected(&mut self) {
        self.asking.clear();
        self.later.clear();
        self.awaited.clear();
    }

    /// Takes the next request that is to be asked.
    pub(super) fn next_request(&mut self) -> Option<Purpose> {
        self.asking.pop_front()
    }

    /// The token of a new request, whose answer is awaited from `now` on.
    pub(super) fn begin(&mut self, purpose: Purpose, now: Instant) -> String {
        let token = self.new_token();
        self.awaited.insert(self.count, (now, purpose));
        token
    }

    /// A token that no other request has.
    pub(super) fn new_token(&mut self) -> String {
        self.count += 1;
        format!("{TOKEN}{}", self.count)
    }

    /// Takes note of an answer, and says to what it is one; `None` if nobody waits for it.
    pub(super) fn answered(&mut self, token: &str) -> Option<Purpose> {
        let count = token.strip_prefix(TOKEN)?.parse().ok()?;
        self.awaited.remove(&count).map(|(_, purpose)| purpose)
    }

    /// Forgets the request for this purpose, if there is one.
    pub(super) fn forget(&mut self, purpose: Purpose) {
        self.asking.retain(|known| *known != purpose);
        self.later.retain(|(_, known)| *known != purpose);
        self.awaited.retain(|_, (_, known)| *known != purpose);
    }

    /// Has those be asked again that were not answered in time, and those that were to be asked later.
    pub(super) fn set_time(&mut self, now: Instant) {
        let asking = &mut self.asking;
        self.later.retain(|(due, purpose)| {
            let is_due = *due <= now;
            if is_due {
                asking.push_back(*purpose);
            }
            !is_due
        });
        while let Some((_, (asked, purpose))) = self.awaited.first_key_value()
            && *asked + ANSWER_TIMEOUT <= now
        {
            self.asking.push_back(*purpose);
            self.awaited.pop_first();
        }
    }

    /// The instant at which [`set_time`](Self::set_time) has something to do.
    pub(super) fn next_wake(&self) -> Option<Instant> {
        let later = self.later.iter().map(|(due, _)| *due);
        let awaited = self.awaited.first_key_value();
        let awaited = awaited.map(|(_, (asked, _))| *asked + ANSWER_TIMEOUT);
        later.chain(awaited).min()
    }

    /// Whether all acknowledgements were said.
    pub(super) fn has_acknowledged(&self) -> bool {
        self.acknowledgements.is_empty()
    }

    /// Says acknowledgements, until `out` is full.
    pub(super) fn send_acknowledgements(&mut self, out: &mut dyn StreamOutput) {
        while !out.is_full()
            && let Some((subject, how)) = self.acknowledgements.pop_front()
        {
            out.publish(&subject, None, &[], how.as_bytes());
        }
    }
}
