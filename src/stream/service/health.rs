//! Whether a stream keeps what it has to: what was asked of its servers, what they said, and what follows.
//!
//! Nothing here knows a connection. Invariant: mail is taken only while a stream with a leader was seen lately, and nothing that was
//! said breaks a promise.

mod verdict;

use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::store::stream::StreamState;
use crate::stream::info::ServerInfo;
use crate::stream::monitor::{MonitorFacts, MonitorOutcome};
use crate::stream::promise::{ServerWords, WORD_AGE_MAX, check_delivered_stream, check_stream};
use crate::stream::report::{StreamAnswer, StreamReplica, StreamReport};
use crate::stream::settings::StreamError;
use crate::stream::target::{Durability, Node, StreamTarget};

/// Time between two questions for the stream.
const ASK_EVERY: Duration = Duration::from_secs(5);
/// Time after which a question that was not answered is asked again.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// Time between two questions while nobody can answer.
const ASK_AGAIN: Duration = Duration::from_millis(250);
/// Time between two questions while it is not known whether the promise is kept.
const ASK_SOON: Duration = Duration::from_secs(1);
/// Time without an answer for the stream after which a connection is given up: its server may be cut off from the others.
const MUTE_MAX: Duration = Duration::from_secs(10);
/// Time after which a connection is a lasting one. Others are made again only after a while.
const LASTING_MIN: Duration = Duration::from_secs(4);
/// Time for which mail is taken without a word from the stream.
pub(super) const GRACE: Duration = Duration::from_secs(15);
/// Time between two rounds of questions to monitors: half of that for which a word counts, so that the other half is left to ask again.
const ROUND_EVERY: Duration = Duration::from_secs(30);
/// Time from the start of a round to another one because something has changed, however often it does.
const ROUND_GAP: Duration = Duration::from_millis(250);
/// Time until the next round where a server did not say what it has to.
const ROUND_AGAIN: Duration = Duration::from_secs(1);
/// Time until the next round where a server did not answer that has said so before.
const ROUND_SOON: Duration = Duration::from_secs(5);

/// What a stream has to keep.
#[derive(Clone, Debug)]
pub(super) struct Demands {
    stream: Rc<str>,
    durability: Durability,
    brings_mail: bool,
}

/// What is known of a stream.
#[derive(Debug)]
pub(super) struct Health {
    demands: Demands,
    /// The last answer that has a leader, or else says that there is no such stream.
    report: Option<Result<StreamReport, String>>,
    /// The refusal of the configuration in it.
    refusal: Option<String>,
    /// Whether it came over the present connection.
    is_fresh: bool,
    is_connected: bool,
    connected_at: Instant,
    /// The server that we are connected to, and the most octets of a message there.
    server: (Box<str>, usize),
    /// The number of the last question, and when it was asked, if it is not answered.
    asked: (u64, Option<Instant>),
    ask_at: Instant,
    /// The instant of the last answer over the present connection, or of its beginning.
    answered_at: Instant,
    /// The last instant at which all was well, or at which the connection went that it was well on.
    good_at: Option<Instant>,
    /// The reason why there was no good answer lately.
    why: Rc<str>,
    words: ServerWords,
    round_at: Instant,
    round_began: Instant,
    /// The monitor that failed last, and why.
    mute: Option<String>,
    /// Since when it is not known whether the promise is kept, and when that is a fault.
    unknown: Option<(Instant, Instant)>,
    /// The instant of the last verdict.
    judged_at: Instant,
    state: StreamState,
    is_broken: bool,
    /// The broken promise that a line was written on.
    logged: Option<Rc<str>>,
}

impl Demands {
    pub(super) fn new(target: &StreamTarget, brings_mail: bool) -> Self {
        Self {
            stream: (*target.stream).into(),
            durability: target.durability,
            brings_mail,
        }
    }

    /// Checks the configuration of the stream.
    fn check(&self, report: &StreamReport) -> Result<(), String> {
        match self.brings_mail {
            true => check_stream(report),
            false => check_delivered_stream(report),
        }
    }

    /// Whether servers are asked whether they sync.
    fn wants_words(&self) -> bool {
        self.brings_mail && self.durability == Durability::Synced
    }
}

impl Health {
    /// Nothing is known yet.
    pub(super) fn new(demands: Demands, now: Instant) -> Self {
        let why: Rc<str> = "no server of the stream has answered yet".into();
        Self {
            demands,
            report: None,
            refusal: None,
            is_fresh: false,
            is_connected: false,
            connected_at: now,
            server: Default::default(),
            asked: (0, None),
            ask_at: now,
            answered_at: now,
            good_at: None,
            why: Rc::clone(&why),
            words: ServerWords::new(),
            round_at: now,
            round_began: now,
            mute: None,
            unknown: None,
            judged_at: now,
            state: StreamState::Lost { since: now, why },
            is_broken: false,
            logged: None,
        }
    }

    /// Takes note of a connection.
    pub(super) fn connected(&mut self, info: &ServerInfo, now: Instant) {
        self.is_connected = true;
        self.connected_at = now;
        self.is_fresh = false;
        self.asked.1 = None;
        self.ask_at = now;
        self.answered_at = now;
        self.round_at = now;
        self.note_info(info);
        self.why = "no server of the stream says what it keeps".into();
    }

    /// Takes note of the facts of the server that we are connected to.
    pub(super) fn note_info(&mut self, info: &ServerInfo) {
        self.server = (info.name.clone(), info.payload_bytes_max);
    }

    /// Takes note that the cluster has changed.
    pub(super) fn changed(&mut self, now: Instant) {
        self.ask_at = self.ask_at.min(now);
        self.hasten_round(now);
    }

    fn hasten_round(&mut self, now: Instant) {
        let at = now.max(self.round_began + ROUND_GAP);
        self.round_at = self.round_at.min(at);
    }

    /// Takes note that there is no connection, or no other one.
    pub(super) fn disconnected(&mut self, error: &StreamError, now: Instant) {
        // The next answer was not overdue, so all was well until now.
        let was_good = |good: &Instant| now < *good + ASK_EVERY + ANSWER_TIMEOUT;
        if self.is_fresh && self.good_at.as_ref().is_some_and(was_good) {
            self.good_at = Some(now);
        }
        self.is_connected = false;
        self.is_fresh = false;
        self.why = error.to_string().into();
    }

    /// The number of a question for the stream, if it is to be asked now.
    pub(super) fn next_question(&mut self, now: Instant) -> Option<u64> {
        if let Some(at) = self.asked.1
            && at + ANSWER_TIMEOUT <= now
        {
            self.asked.1 = None;
            self.ask_at = now;
            self.why = "no server answers for the stream".into();
        }
        if !self.is_connected || self.asked.1.is_some() || self.ask_at > now {
            return None;
        }
        self.asked = (self.asked.0 + 1, Some(now));
        Some(self.asked.0)
    }

    /// Whether the server that we are connected to has not answered for too long, so that another one may do better.
    pub(super) fn is_mute(&self, now: Instant) -> bool {
        self.is_connected && self.answered_at + MUTE_MAX <= now
    }

    /// Takes the answer to a question for the stream; whether it says something good on a connection that lasts.
    pub(super) fn answered(&mut self, question: u64, answer: StreamAnswer, now: Instant) -> bool {
        if question != self.asked.0 || self.asked.1.take().is_none() {
            return false;
        }
        self.ask_at = now + ASK_EVERY;
        let stream = &self.demands.stream;
        match answer {
            StreamAnswer::Found(report)
                if report.has_leader || self.demands.check(&report).is_err() =>
            {
                if self.unknown.is_some() {
                    self.ask_at = now + ASK_SOON;
                }
                self.note_report(*report, now);
                now >= self.connected_at + LASTING_MIN
            }
            StreamAnswer::Found(_) => {
                self.why = "the stream has no leader".into();
                self.ask_at = now + ASK_AGAIN;
                false
            }
            StreamAnswer::Later(why) => {
                self.why = why.into();
                self.ask_at = now + ASK_AGAIN;
                false
            }
            StreamAnswer::NoStream => {
                self.answered_at = now;
                self.report = Some(Err(format!("there is no stream {stream}: create it")));
                false
            }
            StreamAnswer::NoJetStream => {
                self.answered_at = now;
                let text = "there is no JetStream: enable it, and for the account";
                self.report = Some(Err(text.to_owned()));
                false
            }
        }
    }

    fn note_report(&mut self, report: StreamReport, now: Instant) {
        let known: &[StreamReplica] = match &self.report {
            Some(Ok(known)) => &known.replicas,
            _ => &[],
        };
        // One that was away has to say anew what it does.
        for replica in &report.replicas {
            let was_there = |it: &StreamReplica| it.name == replica.name && it.may_acknowledge();
            if replica.is_offline || replica.is_silent && known.iter().any(was_there) {
                self.words.remove(&replica.name);
            }
        }
        if known != report.replicas {
            self.unknown = None;
            self.hasten_round(now);
        }
        self.refusal = self.demands.check(&report).err();
        self.report = Some(Ok(report));
        self.is_fresh = true;
        self.answered_at = now;
        self.good_at = Some(now);
    }

    /// Whether monitors are to be asked now, and takes note that they are.
    pub(super) fn begins_round(&mut self, now: Instant) -> bool {
        let begins = self.is_connected && self.demands.wants_words() && self.round_at <= now;
        if begins {
            self.round_at = now + ROUND_EVERY;
            self.round_began = now;
        }
        begins
    }

    /// Takes what a monitor has said.
    pub(super) fn heard(&mut self, node: &Node, outcome: MonitorOutcome, now: Instant) {
        match outcome {
            Ok(facts) => {
                let server = facts.server.clone();
                self.words.insert(server, (now, facts));
            }
            Err(why) => self.mute = Some(format!("{node}: {why}")),
        }
    }

    /// Takes note that all monitors have answered, or have not in time.
    pub(super) fn end_round(&mut self, now: Instant) {
        let Some(Ok(report)) = &self.report else {
            return;
        };
        let lacks = |word: Option<&(Instant, MonitorFacts)>| match word {
            None => Some(ROUND_AGAIN),
            Some((at, _)) if *at < self.round_began => Some(ROUND_SOON),
            Some(_) => None,
        };
        let replicas = report.replicas.iter();
        let present = replicas.filter(|replica| replica.may_acknowledge());
        let wait = present.filter_map(|replica| lacks(self.words.get(&replica.name)));
        let wait = wait.min().unwrap_or(ROUND_EVERY);
        self.round_at = self.round_at.min(now + wait);
        let names: Vec<&str> = report
            .replicas
            .iter()
            .map(|replica| &*replica.name)
            .collect();
        self.words.retain(|name, _| names.contains(&&**name));
    }

    /// The most octets of a message.
    pub(super) fn payload_bytes_max(&self) -> usize {
        let server = self.server.1;
        let Some(Ok(report)) = &self.report else {
            return server;
        };
        let stream = report.message_bytes_max();
        stream.map_or(server, |stream| stream.min(server))
    }

    /// The names of the servers that have the stream.
    pub(super) fn replicas(&self) -> String {
        let Some(Ok(report)) = &self.report else {
            return String::new();
        };
        let names: Vec<&str> = report
            .replicas
            .iter()
            .map(|replica| &*replica.name)
            .collect();
        names.join(",")
    }

    /// The instant at which something is to be asked or judged anew. While monitors are being asked no round begins.
    pub(super) fn next_wake(&self, is_asking: bool) -> Option<Instant> {
        let ask = match self.asked.1 {
            Some(at) => at + ANSWER_TIMEOUT,
            None => self.ask_at,
        };
        let begins_round = self.demands.wants_words() && !is_asking;
        let round = begins_round.then_some(self.round_at);
        let mute = Some(self.answered_at + MUTE_MAX);
        let asks = [Some(ask), round, mute].map(|at| at.filter(|_| self.is_connected));
        let grace = match self.state {
            StreamState::Ready => self.good_at.map(|good| good + GRACE),
            StreamState::Lost { .. } => None,
        };
        let words = self.unknown.map(|(_, until)| until);
        let words = words.filter(|at| self.is_connected && *at > self.judged_at);
        let ages = self.words.values().map(|(at, _)| *at + WORD_AGE_MAX);
        let age = ages.filter(|at| *at > self.judged_at).min();
        let wakes = asks.into_iter().chain([grace, words, age]);
        wakes.flatten().min()
    }
}
