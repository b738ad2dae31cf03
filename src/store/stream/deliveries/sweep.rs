//! The sweep: parts that no message leads to are removed, as of a server that was killed before the last record.
//!
//! All parts of the stream are walked over, oldest first, one request at a time. Where the newest part of a message is older than an
//! hour, and neither the message nor one that was set aside is there, its parts go. Any number of processes may sweep at once: what is
//! gone is not found.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::api_answer::{ApiAnswer, StoredMessage, whole};
use crate::json::{JsonValue, Members};
use crate::smtp::envelope::QueueId;
use crate::store::stream::SUBJECT_PREFIX;
use crate::store::stream::record::StreamRecordKind;

/// The wait after the start, and between two sweeps.
const FIRST_WAIT: Duration = Duration::from_secs(60);
const INTERVAL: Duration = Duration::from_secs(3600);
/// The age from which on parts are swept: no server is so slow between two of them.
const AGE_MIN_MS: u64 = 3_600_000;
/// The messages of one sweep that are remembered as whole, so that each of their parts asks for no more.
const KNOWN_MAX: usize = 1000;

/// The sweep, and how far it is.
#[derive(Debug)]
pub(super) struct Sweep {
    due: Instant,
    step: SweepStep,
    /// The sequence from which on parts are looked for.
    from: u64,
    known: VecDeque<QueueId>,
    /// The parts that were removed.
    swept: u64,
}

/// What is asked next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SweepStep {
    Resting,
    /// The next part.
    Walk,
    /// The newest part of a message.
    Newest(QueueId),
    /// Its last record.
    Message(QueueId),
    /// Its last record, set aside.
    Aside(QueueId),
    /// That its parts be removed.
    Purge(QueueId),
}

/// The request that removes the parts of a message.
pub(super) fn purge_request(stream: &str, id: &QueueId) -> (String, Vec<u8>) {
    let mut request = Members::default();
    request.text("filter", &StreamRecordKind::Part.subject(id));
    let subject = format!("$JS.API.STREAM.PURGE.{stream}");
    (subject, request.into_object().into_vec())
}

/// The subject of requests for a message of the stream.
pub(super) fn get_subject(stream: &str) -> String {
    format!("$JS.API.STREAM.MSG.GET.{stream}")
}

impl Sweep {
    /// The first sweep is due a while after the start.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            due: now + FIRST_WAIT,
            step: SweepStep::Resting,
            from: 1,
            known: VecDeque::new(),
            swept: 0,
        }
    }

    /// The instant at which a sweep is due; `None` while there is one.
    pub(super) fn next_wake(&self) -> Option<Instant> {
        (self.step == SweepStep::Resting).then_some(self.due)
    }

    /// Begins a sweep, if one is due. Returns whether it was begun.
    pub(super) fn begin(&mut self, now: Instant) -> bool {
        if self.step != SweepStep::Resting || now < self.due {
            return false;
        }
        self.step = SweepStep::Walk;
        self.from = 1;
        self.swept = 0;
        true
    }

    /// Whether a sweep is under way.
    pub(super) fn is_under_way(&self) -> bool {
        self.step != SweepStep::Resting
    }

    /// The request of this step.
    pub(super) fn request(&self, stream: &str) -> Option<(String, Vec<u8>)> {
        let mut request = Members::default();
        match self.step {
            SweepStep::Resting => return None,
            SweepStep::Walk => {
                request.number("seq", self.from);
                request.text("next_by_subj", &format!("{SUBJECT_PREFIX}.part.>"));
            }
            SweepStep::Newest(id) => {
                request.text("last_by_subj", &StreamRecordKind::Part.subject(&id));
            }
            SweepStep::Message(id) => {
                request.text("last_by_subj", &StreamRecordKind::Message.subject(&id));
            }
            SweepStep::Aside(id) => {
                request.text("last_by_subj", &StreamRecordKind::Aside.subject(&id));
            }
            SweepStep::Purge(id) => return Some(purge_request(stream, &id)),
        }
        Some((get_subject(stream), request.into_object().into_vec()))
    }

    /// Takes the answer at `now`, which is `now_ms` of the epoch. Returns whether the same is to be asked again later; otherwise the
    /// next request is due, if the sweep goes on.
    pub(super) fn take(&mut self, answer: ApiAnswer, now: Instant, now_ms: u64) -> bool {
        let found = match answer {
            ApiAnswer::Unavailable => return true,
            ApiAnswer::Done(value) => Some(value),
            ApiAnswer::NoMessage => None,
            ApiAnswer::Refused(why) => {
                log::debug!("stream sweep={:?} why={why:?}", self.step);
                self.end(now);
                return false;
            }
        };
        let is_old = |message: &StoredMessage| message.stored_ms + AGE_MIN_MS <= now_ms;
        let message = found.as_ref().and_then(StoredMessage::read);
        match (self.step, message) {
            (SweepStep::Resting, _) => {}
            (SweepStep::Walk, Some(message)) if is_old(&message) => self.walked_to(&message),
            // All that follow are newer.
            (SweepStep::Walk, _) => self.end(now),
            (SweepStep::Newest(id), Some(message)) if is_old(&message) => {
                self.step = SweepStep::Message(id);
            }
            // Somebody else has removed them, or one has come since.
            (SweepStep::Newest(id), _) => self.is_whole(id),
            (SweepStep::Message(id) | SweepStep::Aside(id), Some(_)) => self.is_whole(id),
            (SweepStep::Message(id), None) if found.is_none() => self.step = SweepStep::Aside(id),
            (SweepStep::Aside(id), None) if found.is_none() => self.step = SweepStep::Purge(id),
            // What cannot be read is no reason to remove anything.
            (SweepStep::Message(id) | SweepStep::Aside(id), None) => self.is_whole(id),
            (SweepStep::Purge(id), _) => self.purged(id, found.as_ref()),
        }
        false
    }

    /// Goes on from a part.
    fn walked_to(&mut self, message: &StoredMessage) {
        self.from = message.sequence + 1;
        match StreamRecordKind::of_subject(&message.subject) {
            Some((StreamRecordKind::Part, id)) if !self.known.contains(&id) => {
                self.step = SweepStep::Newest(id);
            }
            _ => {}
        }
    }

    /// Remembers that the parts of a message stay.
    fn is_whole(&mut self, id: QueueId) {
        if self.known.len() == KNOWN_MAX {
            self.known.pop_front();
        }
        self.known.push_back(id);
        self.step = SweepStep::Walk;
    }

    fn purged(&mut self, id: QueueId, answer: Option<&JsonValue>) {
        let purged = answer.and_then(|answer| answer.get("purged"));
        let purged = purged.and_then(whole).unwrap_or(0);
        self.swept += purged;
        log::debug!("stream id={id} swept={purged}");
        self.step = SweepStep::Walk;
    }

    fn end(&mut self, now: Instant) {
        if self.swept > 0 {
            let swept = self.swept;
            log::info!("stream swept={swept} why=\"parts that no message leads to\"");
        }
        self.known.clear();
        self.step = SweepStep::Resting;
        self.due = now + INTERVAL;
    }
}
