//! A check that is played: what came goes in, what is to be done comes out. It knows no socket and no clock.
//!
//! A player asks [`CheckPlay::next`] for orders until there are none, tells what comes of them by
//! [`connected`](CheckPlay::connected), [`received`](CheckPlay::received) and [`ended`](CheckPlay::ended), and asks again then, and at
//! its [`deadline`](CheckPlay::deadline). No step is without one, so a check comes to its end whatever the judged server does.

mod failure;
mod goodbye;
mod peer;
mod step;

use std::collections::{BTreeMap, VecDeque};
use std::mem;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::check::{CheckAction, CheckStep, CheckValue};
use super::transcript::{CONNECTED, CheckSpeaker, CheckTranscript};
use super::verdict::{CheckOutcome, CheckVerdict};
pub use peer::PeerEnd;
use peer::PlayPeer;
use step::StepState;

/// The longest time of a whole check, unless an answer may take more than half of that.
const CHECK_TIME_MAX: Duration = Duration::from_secs(25);

/// What the judge says of itself, and how long it waits.
#[derive(Clone, Debug)]
pub struct PlayTerms {
    /// The sender.
    pub from: String,
    /// The recipient.
    pub to: String,
    /// The second recipient.
    pub to2: String,
    /// The line that ends a message. Without one it is a dot, or what the reply to DATA names in quotation marks where it
    /// `learns_end`.
    pub end: Option<String>,
    /// Whether the reply to DATA says which line ends a message.
    pub learns_end: bool,
    /// How long an answer may take.
    pub timeout: Duration,
}

/// What is to be done for a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlayOrder {
    /// Begin the connection of this peer.
    Connect {
        /// The number of the peer.
        peer: u8,
        /// Whether it ends with a reset when it is closed.
        resets_on_close: bool,
    },
    /// Say these octets, in a segment of their own.
    Send {
        /// The number of the peer.
        peer: u8,
        /// The octets.
        octets: Vec<u8>,
    },
    /// Close the connection of this peer.
    Close {
        /// The number of the peer.
        peer: u8,
    },
}

/// A check that is played.
pub struct CheckPlay {
    steps: Rc<[CheckStep]>,
    terms: Rc<PlayTerms>,
    /// The place of the present step.
    at: usize,
    state: Option<StepState>,
    peers: BTreeMap<u8, PlayPeer>,
    orders: VecDeque<PlayOrder>,
    begun: Instant,
    decided: Option<(CheckVerdict, Instant)>,
    /// The time until which peers that are still connected may take their leave.
    leaves_by: Option<Instant>,
    transcript: CheckTranscript,
    /// The line that ends a message, once a server has named it.
    end: Option<String>,
}

/// The progress of a step.
enum StepProgress {
    Done,
    Waits,
    Over(CheckVerdict),
}

impl CheckPlay {
    /// A check of these steps, which begins now.
    #[must_use]
    pub fn new(steps: Rc<[CheckStep]>, terms: Rc<PlayTerms>, now: Instant) -> Self {
        Self {
            steps,
            terms,
            at: 0,
            state: None,
            peers: BTreeMap::new(),
            orders: VecDeque::new(),
            begun: now,
            decided: None,
            leaves_by: None,
            transcript: CheckTranscript::default(),
            end: None,
        }
    }

    /// The next thing to do now, if there is one.
    pub fn next(&mut self, now: Instant) -> Option<PlayOrder> {
        loop {
            if let Some(order) = self.orders.pop_front() {
                self.note_order(&order, now);
                return Some(order);
            }
            if self.decided.is_some() {
                self.take_leave(now);
                if self.orders.is_empty() {
                    return None;
                }
                continue;
            }
            match self.play_in_time(now) {
                StepProgress::Done => {
                    self.at += 1;
                    self.state = None;
                }
                StepProgress::Waits if self.orders.is_empty() => return None,
                StepProgress::Waits => {}
                StepProgress::Over(verdict) => self.decided = Some((verdict, now)),
            }
        }
    }

    /// Goes on with the present step, unless the time of the whole check is up.
    fn play_in_time(&mut self, now: Instant) -> StepProgress {
        match self.play_step(now) {
            StepProgress::Waits if now >= self.ends_by() => self.out_of_time(),
            progress => progress,
        }
    }

    /// The instant at which it is to be asked again, unless something comes before.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        match &self.decided {
            Some(_) => self.leaves_by,
            None => {
                let state = self.state.as_ref();
                state.map(|state| state.next_at.min(self.ends_by()))
            }
        }
    }

    /// The end of the time that a whole check may take.
    fn ends_by(&self) -> Instant {
        self.begun + CHECK_TIME_MAX.max(2 * self.terms.timeout)
    }

    /// Whether it is over, and nobody is connected any more.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.decided.is_some()
            && self.orders.is_empty()
            && !self.peers.values().any(PlayPeer::is_there)
    }

    /// The step that it is at and its number, counted from 0, while there is no verdict.
    #[must_use]
    pub fn present_step(&self) -> Option<(usize, &CheckStep)> {
        let step = self.steps.get(self.at).filter(|_| self.decided.is_none());
        step.map(|step| (self.at, step))
    }

    /// Whether this peer has a connection, or will have one.
    #[must_use]
    pub fn is_there(&self, peer: u8) -> bool {
        self.peers.get(&peer).is_some_and(PlayPeer::is_there)
    }

    /// Takes what came of it, once it is over.
    #[must_use]
    pub fn take_outcome(&mut self, now: Instant) -> CheckOutcome {
        let not_over = || (CheckVerdict::NotRun("it was broken off".to_owned()), now);
        let (verdict, at) = self.decided.take().unwrap_or_else(not_over);
        CheckOutcome {
            verdict,
            transcript: mem::take(&mut self.transcript),
            took: at.saturating_duration_since(self.begun),
        }
    }

    /// The connection of a peer is there.
    pub fn connected(&mut self, peer: u8, now: Instant) {
        self.note(peer, CheckSpeaker::Note, CONNECTED.as_bytes(), now);
        self.peer(peer).connected();
    }

    /// These octets came to a peer.
    pub fn received(&mut self, peer: u8, octets: &[u8], now: Instant) {
        self.note(peer, CheckSpeaker::Server, octets, now);
        self.peer(peer).received(octets);
    }

    /// The connection of a peer has ended, or could not be had.
    pub fn ended(&mut self, peer: u8, end: PeerEnd, now: Instant) {
        if self.peer(peer).is_there() {
            self.note(peer, CheckSpeaker::Note, end.to_string().as_bytes(), now);
        }
        self.peer(peer).ended(end);
    }

    fn peer(&mut self, number: u8) -> &mut PlayPeer {
        self.peers.entry(number).or_default()
    }

    /// Notes what was said, until the verdict is clear.
    fn note(&mut self, peer: u8, speaker: CheckSpeaker, octets: &[u8], now: Instant) {
        if self.decided.is_none() {
            let at = now.saturating_duration_since(self.begun);
            self.transcript.note(at, peer, speaker, octets);
        }
    }

    fn note_order(&mut self, order: &PlayOrder, now: Instant) {
        match order {
            PlayOrder::Connect { .. } => {}
            PlayOrder::Send { peer, octets } => {
                self.note(*peer, CheckSpeaker::Client, octets, now);
            }
            PlayOrder::Close { peer } => {
                self.note(*peer, CheckSpeaker::Note, b"the client is gone", now);
            }
        }
    }

    /// Whether this peer ends its connection with a reset.
    fn resets(&self, peer: u8) -> bool {
        self.steps.iter().any(|step| {
            step.action == CheckAction::Abort && step.peers.numbers().any(|number| number == peer)
        })
    }

    /// The line that ends a message.
    fn end_line(&self) -> &str {
        let named = self.terms.end.as_deref().or(self.end.as_deref());
        named.unwrap_or(".")
    }

    fn value(&self, value: CheckValue) -> &str {
        match value {
            CheckValue::From => &self.terms.from,
            CheckValue::To => &self.terms.to,
            CheckValue::To2 => &self.terms.to2,
            CheckValue::End => self.end_line(),
        }
    }
}
