//! What follows from what is known of a stream: whether the promise is kept, and the state that the store is told.

use std::rc::Rc;
use std::time::{Duration, Instant};

use super::{GRACE, Health};
use crate::store::stream::StreamState;
use crate::stream::promise::{SyncVerdict, check_payload, check_sync};
use crate::stream::settings::StreamError;

/// Time within which all servers have to have said that they sync, before that is a fault.
const WORDS_TIMEOUT: Duration = Duration::from_secs(10);
/// The same where those that have not may be dead, which their leader knows after an election and some silence.
const DEATH_TIMEOUT: Duration = Duration::from_secs(30);
/// Time within which the stream has to have been seen: more than an election takes.
const ELECTION_TIMEOUT: Duration = Duration::from_secs(20);

/// Whether a promise is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::stream::service) enum PromiseVerdict {
    /// It is, as far as was asked.
    Kept,
    /// Nobody knows yet, which is a fault after this time. The text is a clause.
    Unknown(String, Duration),
    /// It is not. The text is a sentence.
    Broken(String),
}

impl Health {
    /// The reason why there was no good answer lately, as a clause.
    pub(in crate::stream::service) fn why(&self) -> &str {
        &self.why
    }

    /// Whether the promise is kept.
    fn verdict(&mut self, now: Instant) -> PromiseVerdict {
        let verdict = self.judge(now);
        self.judged_at = now;
        match verdict {
            PromiseVerdict::Unknown(_, time) => {
                let since = self.unknown.map_or(now, |(since, _)| since);
                self.unknown = Some((since, since + time));
            }
            _ => self.unknown = None,
        }
        verdict
    }

    fn judge(&self, now: Instant) -> PromiseVerdict {
        let stream = &self.demands.stream;
        let report = match &self.report {
            None => return PromiseVerdict::Unknown(self.why.to_string(), ELECTION_TIMEOUT),
            Some(Err(text)) => return PromiseVerdict::Broken(text.clone()),
            Some(Ok(report)) => report,
        };
        if let Some(refusal) = &self.refusal {
            let text = format!("the stream {stream} does not keep what it has to: {refusal}");
            return PromiseVerdict::Broken(text);
        }
        if !self.demands.brings_mail {
            return PromiseVerdict::Kept;
        }
        if self.is_connected
            && let Err(refusal) = check_payload(&self.server.0, self.server.1)
        {
            return PromiseVerdict::Broken(refusal);
        }
        if !self.demands.wants_words() {
            return PromiseVerdict::Kept;
        }
        match check_sync(&report.replicas, &self.words, now) {
            SyncVerdict::Kept => PromiseVerdict::Kept,
            SyncVerdict::Broken(text) => PromiseVerdict::Broken(text),
            SyncVerdict::Unknown(servers) => {
                let mut replicas = report.replicas.iter();
                let is_alive = replicas.any(|it| !it.is_late && servers.contains(&it.name));
                let time = if is_alive {
                    WORDS_TIMEOUT
                } else {
                    DEATH_TIMEOUT
                };
                let servers = servers.join(", ");
                let mute = self.mute.as_ref().map(|mute| format!(" ({mute})"));
                let mute = mute.unwrap_or_default();
                let text = format!(
                    "nobody says whether {servers} syncs always: its monitor has to answer, and those of all servers are named by ?monitor=HOST:PORT,…{mute}"
                );
                PromiseVerdict::Unknown(text, time)
            }
        }
    }

    /// The error that it amounts to as long as mail was never taken.
    pub(in crate::stream::service) fn fault(&mut self, now: Instant) -> Option<StreamError> {
        match self.verdict(now) {
            PromiseVerdict::Kept => None,
            PromiseVerdict::Broken(text) => Some(StreamError::Promise(text)),
            PromiseVerdict::Unknown(text, _) => {
                let until = self.unknown.filter(|_| self.is_connected);
                let is_late = until.is_some_and(|(_, until)| until <= now);
                is_late.then_some(match self.report {
                    Some(_) => StreamError::Promise(text),
                    None => StreamError::Unreachable(text),
                })
            }
        }
    }

    /// Whether the promise is kept on the present connection.
    pub(in crate::stream::service) fn is_good(&mut self, now: Instant) -> bool {
        self.is_fresh && self.verdict(now) == PromiseVerdict::Kept
    }

    /// The state, and whether that is another one than before.
    pub(in crate::stream::service) fn state(&mut self, now: Instant) -> (&StreamState, bool) {
        let verdict = self.verdict(now);
        let is_seen = self.good_at.is_some_and(|good| now < good + GRACE);
        self.is_broken = matches!(verdict, PromiseVerdict::Broken(_));
        let why = match verdict {
            PromiseVerdict::Kept if is_seen => None,
            PromiseVerdict::Kept => Some(Rc::clone(&self.why)),
            PromiseVerdict::Unknown(text, _) | PromiseVerdict::Broken(text) => Some(text.into()),
        };
        let was = self.state.clone();
        self.state = match (why, &was) {
            (None, _) => StreamState::Ready,
            (Some(why), StreamState::Lost { since, .. }) => {
                StreamState::Lost { since: *since, why }
            }
            (Some(why), StreamState::Ready) => StreamState::Lost { since: now, why },
        };
        self.log_state(&was);
        (&self.state, self.state != was)
    }

    /// Writes one line on a state that is new, and on a promise that is not kept, but none on reasons that come and go.
    fn log_state(&mut self, was: &StreamState) {
        match (&self.state, was) {
            (StreamState::Ready, StreamState::Lost { .. }) => {
                self.logged = None;
                log::info!("stream=ready");
            }
            (StreamState::Lost { why, .. }, StreamState::Ready) => {
                log::warn!("stream=lost error={why:?}");
            }
            _ => {}
        }
        if let StreamState::Lost { why, .. } = &self.state
            && self.is_broken
            && self.logged.as_ref() != Some(why)
        {
            log::warn!("stream=refused error={why:?}");
            self.logged = Some(Rc::clone(why));
        }
    }
}
