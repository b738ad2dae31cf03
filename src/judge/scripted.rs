//! A server that judges a client: a script says what it answers, and what has to be true of the client in the end. It knows no
//! socket, no process and no clock.
//!
//! A player asks [`ScriptedPlay::next`] for orders until there are none, tells what comes of them by
//! [`connected`](ScriptedPlay::connected), [`received`](ScriptedPlay::received), [`ended`](ScriptedPlay::ended) and
//! [`exited`](ScriptedPlay::exited), and asks again then, and at its [`deadline`](ScriptedPlay::deadline).

mod client;
mod demands;
mod script;
mod session;

use core::fmt;
use std::collections::{BTreeMap, VecDeque};
use std::mem;
use std::time::{Duration, Instant};

use super::check::{CheckPlace, CheckStep};
use super::play::{PeerEnd, PlayOrder};
use super::reply::Quoted8Bit;
use super::transcript::{CheckSpeaker, CheckTranscript};
use super::verdict::{CheckFailure, CheckFailureKind, CheckOutcome, CheckVerdict};
use client::{ClientProgress, ScriptedClient};
use demands::ClientEvidence;
use script::ServerScript;

/// The longest time of a whole check, unless the client may be silent for more than half of that.
const CHECK_TIME_MAX: Duration = Duration::from_secs(25);
/// The time for a command to begin, if the client may not be silent for longer than that: some are compiled first.
const START_TIME_MIN: Duration = Duration::from_secs(10);
/// The time for connections to end whose command has.
const AFTER_EXIT_MAX: Duration = Duration::from_secs(1);
/// The most lines of what a command printed that are told.
const PRINTED_LINES_MAX: usize = 10;

/// The end of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientExit {
    /// It ended with this exit code.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
}

impl fmt::Display for ClientExit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "the command ended with exit code {code}"),
            Self::Signal(signal) => write!(f, "signal {signal} ended the command"),
        }
    }
}

/// A check of a client that is played.
pub struct ScriptedPlay {
    script: ServerScript,
    /// The place at which the check begins.
    place: CheckPlace,
    /// How long the client may be silent while it is its turn.
    timeout: Duration,
    begun: Instant,
    /// The instant at which something happened last.
    active_at: Instant,
    clients: BTreeMap<u8, ScriptedClient>,
    orders: VecDeque<PlayOrder>,
    evidence: ClientEvidence,
    decided: Option<(CheckVerdict, Instant)>,
    transcript: CheckTranscript,
}

impl ScriptedPlay {
    /// A check of these steps, which begins now.
    #[must_use]
    pub fn new(place: CheckPlace, steps: &[CheckStep], timeout: Duration, now: Instant) -> Self {
        Self {
            script: ServerScript::new(steps),
            place,
            timeout,
            begun: now,
            active_at: now,
            clients: BTreeMap::new(),
            orders: VecDeque::new(),
            evidence: ClientEvidence::default(),
            decided: None,
            transcript: CheckTranscript::default(),
        }
    }

    /// What the command finds on its standard input.
    #[must_use]
    pub fn input(&self) -> &[u8] {
        &self.script.input
    }

    /// Whether connections end with a reset when they are closed.
    #[must_use]
    pub fn resets_on_close(&self) -> bool {
        self.script.resets()
    }

    /// The next thing to do now, if there is one.
    pub fn next(&mut self, now: Instant) -> Option<PlayOrder> {
        loop {
            if let Some(order) = self.orders.pop_front() {
                self.note_order(&order, now);
                return Some(order);
            }
            if self.decided.is_some() {
                return self.close_next();
            }
            if !self.progress(now) {
                self.decided = Some((self.verdict(now)?, now));
            }
        }
    }

    /// The instant at which it is to be asked again, unless something comes before.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        if self.decided.is_some() {
            return None;
        }
        let waits = self.clients.values().filter_map(|client| client.next_at);
        let patience = (!self.is_busy()).then(|| self.active_at + self.patience());
        waits.chain(patience).chain([self.ends_by()]).min()
    }

    /// Whether the verdict is clear, and nobody is connected any more.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.decided.is_some() && self.orders.is_empty() && !self.is_anybody_there()
    }

    /// Takes what came of it, once it is over. The command has printed this.
    #[must_use]
    pub fn take_outcome(&mut self, printed: &[u8], now: Instant) -> CheckOutcome {
        let not_over = || (CheckVerdict::NotRun("it was broken off".to_owned()), now);
        let (verdict, at) = self.decided.take().unwrap_or_else(not_over);
        let lines: Vec<_> = printed.split(|octet| *octet == b'\n').collect();
        let lines = lines.strip_suffix(&[&b""[..]]).unwrap_or(&lines);
        for line in &lines[lines.len().saturating_sub(PRINTED_LINES_MAX)..] {
            let note = format!("the command printed {}", Quoted8Bit(line));
            self.note(0, CheckSpeaker::Note, note.as_bytes(), at);
        }
        CheckOutcome {
            verdict,
            transcript: mem::take(&mut self.transcript),
            took: at.saturating_duration_since(self.begun),
        }
    }

    /// The client has connected, and has this number.
    pub fn connected(&mut self, number: u8, now: Instant) {
        self.happened(number, CheckSpeaker::Note, b"the client has connected", now);
        self.evidence.has_connected = true;
        let client = ScriptedClient::new(&self.script.opening);
        self.clients.insert(number, client);
    }

    /// These octets came from a client.
    pub fn received(&mut self, number: u8, octets: &[u8], now: Instant) {
        self.happened(number, CheckSpeaker::Client, octets, now);
        if let Some(client) = self.clients.get_mut(&number) {
            client.received(octets);
        }
    }

    /// The connection of a client has ended.
    pub fn ended(&mut self, number: u8, end: &PeerEnd, now: Instant) {
        let Some(client) = self.clients.get_mut(&number) else {
            return;
        };
        if client.is_there() {
            client.end();
            let note = match end {
                PeerEnd::Closed => "the client closed the connection".to_owned(),
                PeerEnd::Failed(_) | PeerEnd::Unreachable(_) => end.to_string(),
            };
            self.happened(number, CheckSpeaker::Note, note.as_bytes(), now);
        }
    }

    /// The command has ended.
    pub fn exited(&mut self, exit: ClientExit, now: Instant) {
        self.evidence.exit = Some(exit);
        self.happened(0, CheckSpeaker::Note, exit.to_string().as_bytes(), now);
    }

    /// Something happened, which is noted until the verdict is clear.
    fn happened(&mut self, number: u8, speaker: CheckSpeaker, octets: &[u8], now: Instant) {
        self.active_at = now;
        if self.decided.is_none() {
            self.note(number, speaker, octets, now);
        }
    }

    fn note(&mut self, number: u8, speaker: CheckSpeaker, octets: &[u8], now: Instant) {
        let at = now.saturating_duration_since(self.begun);
        self.transcript.note(at, number, speaker, octets);
    }

    fn note_order(&mut self, order: &PlayOrder, now: Instant) {
        match order {
            PlayOrder::Connect { .. } => {}
            PlayOrder::Send { peer, octets } => {
                self.happened(*peer, CheckSpeaker::Server, octets, now);
            }
            PlayOrder::Close { peer } => {
                let note = b"the judge closed the connection";
                self.happened(*peer, CheckSpeaker::Note, note, now);
            }
        }
    }

    /// Goes on with all clients, as far as can be. Whether anything was done.
    fn progress(&mut self, now: Instant) -> bool {
        let mut has_gone_on = false;
        for (number, client) in &mut self.clients {
            match client.go_on(*number, &mut self.script, &mut self.evidence, now) {
                ClientProgress::Waits => {}
                ClientProgress::Done => has_gone_on = true,
                ClientProgress::Order(order) => {
                    self.orders.push_back(order);
                    has_gone_on = true;
                }
                ClientProgress::Failed(failure) => {
                    self.decided = Some((CheckVerdict::Failed(failure), now));
                    return true;
                }
            }
        }
        has_gone_on
    }

    /// The verdict, where nothing more is to come, or nothing came for too long.
    fn verdict(&self, now: Instant) -> Option<CheckVerdict> {
        let is_late = now >= self.active_at + self.patience();
        if self.evidence.exit.is_some() && (!self.is_anybody_there() || is_late) {
            return Some(self.evidence.verdict(&self.script.demands, &self.place));
        }
        let timed_out = |(expected, came)| {
            CheckVerdict::Failed(CheckFailure {
                place: self.place.clone(),
                expected,
                came,
                kind: CheckFailureKind::Timeout,
            })
        };
        if is_late && !self.is_busy() {
            return Some(timed_out(self.missing()));
        }
        let slow = || {
            let expected = "the end of the command in its time".to_owned();
            (expected, "a client that is slow at each step".to_owned())
        };
        (now >= self.ends_by()).then(|| timed_out(slow()))
    }

    /// What has to come next, and what came instead.
    fn missing(&self) -> (String, String) {
        let time = self.patience().as_secs_f32();
        let there = self.clients.values().find(|client| client.is_there());
        match there {
            Some(client) => {
                let (expected, came) = client.missing();
                (expected, format!("{came} within {time} s"))
            }
            None if self.clients.is_empty() => (
                "a connection of the client".to_owned(),
                format!("none within {time} s"),
            ),
            None => (
                "the end of the command, whose connection has ended".to_owned(),
                format!("a command that still runs after {time} s"),
            ),
        }
    }

    /// How long nothing may happen.
    fn patience(&self) -> Duration {
        match self.evidence.exit {
            Some(_) => AFTER_EXIT_MAX,
            None if self.clients.is_empty() => self.timeout.max(START_TIME_MIN),
            None => self.timeout,
        }
    }

    fn ends_by(&self) -> Instant {
        self.begun + CHECK_TIME_MAX.max(2 * self.timeout)
    }

    /// Whether the judge has something to do before the client.
    fn is_busy(&self) -> bool {
        self.clients.values().any(|client| client.next_at.is_some())
    }

    fn is_anybody_there(&self) -> bool {
        self.clients.values().any(ScriptedClient::is_there)
    }

    /// Closes what is still open, one connection after the other.
    fn close_next(&mut self) -> Option<PlayOrder> {
        let mut clients = self.clients.iter_mut();
        let (number, client) = clients.find(|(_, client)| client.is_there())?;
        client.end();
        Some(PlayOrder::Close { peer: *number })
    }
}
