//! A part of a store that publishes numbers, publishes again what was lost, and checks what it is told.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use mailoop::smtp::envelope::{Envelope, QueueId, Recipient};
use mailoop::store::stream::{StreamClient, StreamFacts, StreamMessage, StreamOutput, StreamState};
use mailoop::store::{Admission, Draft, Failure, Finished, Store, Ticket};
use mailoop::stream::desk::OUTBOX_BYTES_MAX;

/// Time after which a publish that was not answered is published again.
const AGAIN_AFTER: Duration = Duration::from_secs(3);
/// The most publishes under way.
const UNDER_WAY_MAX: usize = 50;

/// What publishes.
pub struct Witness {
    pub now: Instant,
    pub state: Option<StreamState>,
    pub is_connected: bool,
    pub connections: usize,
    pub losses: usize,
    /// How many are to be published, and how many octets each has.
    pub wanted: u64,
    pub octets: usize,
    begun: u64,
    /// What is under way, and when it was published last; never on this connection if not at all.
    under_way: BTreeMap<u64, Option<Instant>>,
    /// The sequence of each that was acknowledged.
    pub acknowledged: BTreeMap<u64, u64>,
    /// Messages that were delivered to it besides.
    pub delivered: Vec<StreamMessage>,
    has_begun_drain: bool,
}

impl Witness {
    pub fn new(now: Instant, wanted: u64, octets: usize) -> Self {
        Self {
            now,
            state: None,
            is_connected: false,
            connections: 0,
            losses: 0,
            wanted,
            octets,
            begun: 0,
            under_way: BTreeMap::new(),
            acknowledged: BTreeMap::new(),
            delivered: Vec::new(),
            has_begun_drain: false,
        }
    }

    pub fn is_ready(&self) -> bool {
        self.state == Some(StreamState::Ready)
    }

    pub fn is_done(&self) -> bool {
        self.acknowledged.len() as u64 == self.wanted
    }

    /// The instant at which it publishes something again.
    pub fn next_wake(&self) -> Option<Instant> {
        let times = self.under_way.values().flatten();
        let times = times.map(|at| *at + AGAIN_AFTER);
        // What is late is said once there is room.
        times.filter(|at| self.is_connected && *at > self.now).min()
    }

    fn publish(&mut self, number: u64, out: &mut dyn StreamOutput) {
        self.under_way.insert(number, Some(self.now));
        let id = format!("id{number}");
        let headers = [("Nats-Msg-Id", &*id), ("Nats-Expected-Stream", "MAIL")];
        let payload = vec![b'a' + (number % 26) as u8; self.octets];
        let subject = format!("mail.message.{id}");
        out.publish(&subject, Some(&number.to_string()), &headers, &payload);
    }
}

impl StreamClient for Witness {
    fn connected(&mut self, facts: &StreamFacts) {
        assert!(self.state.is_some(), "the state is told before");
        assert!(
            !self.is_connected,
            "a connection comes after the end of the last one"
        );
        assert_eq!(&*facts.stream, "MAIL");
        assert!(facts.payload_bytes_max >= 64 * 1024);
        self.is_connected = true;
        self.connections += 1;
        self.under_way.values_mut().for_each(|at| *at = None);
    }

    fn disconnected(&mut self) {
        assert!(self.is_connected, "only a connection ends");
        self.is_connected = false;
    }

    fn set_state(&mut self, state: StreamState) {
        assert_ne!(self.state.as_ref(), Some(&state), "a state is told once");
        if let (Some(StreamState::Ready), StreamState::Lost { since, .. }) = (&self.state, &state) {
            assert_eq!(*since, self.now);
            self.losses += 1;
        }
        self.state = Some(state);
    }

    fn received(&mut self, message: StreamMessage) {
        let token = message
            .token
            .as_deref()
            .and_then(|token| token.parse().ok());
        let Some(number) = token else {
            self.delivered.push(message);
            return;
        };
        let text = String::from_utf8_lossy(&message.payload).into_owned();
        let sequence = text.strip_prefix("{\"stream\":\"MAIL\",\"seq\":");
        let Some(sequence) = sequence else {
            return;
        };
        let digits: String = sequence.chars().take_while(char::is_ascii_digit).collect();
        let sequence = digits.parse().unwrap();
        let known = self.acknowledged.insert(number, sequence);
        assert!(
            known.is_none_or(|known| known == sequence),
            "{number} is there twice"
        );
        self.under_way.remove(&number);
    }

    fn send(&mut self, out: &mut dyn StreamOutput) {
        assert!(self.is_connected, "only a connection is spoken on");
        let late = |at: &Option<Instant>| at.is_none_or(|at| at + AGAIN_AFTER <= self.now);
        let again: Vec<u64> = self
            .under_way
            .iter()
            .filter(|(_, at)| late(at))
            .map(|(number, _)| *number)
            .collect();
        for number in again {
            if out.is_full() {
                return;
            }
            self.publish(number, out);
        }
        while self.begun < self.wanted && self.under_way.len() < UNDER_WAY_MAX && !out.is_full() {
            self.begun += 1;
            self.publish(self.begun, out);
        }
        assert!(self.octets < OUTBOX_BYTES_MAX);
    }

    fn begin_drain(&mut self) {
        assert!(!self.has_begun_drain, "a drain begins once");
        self.has_begun_drain = true;
        self.wanted = self.begun;
    }

    fn is_idle(&self) -> bool {
        self.under_way.is_empty()
    }
}

impl Store for Witness {
    fn check(&mut self, _: &Recipient, _: &Envelope, _: usize) -> Result<Admission, Failure> {
        panic!("nobody sends mail here");
    }

    fn begin(&mut self, _: &Envelope) -> Result<(QueueId, Draft), Failure> {
        panic!("nobody sends mail here");
    }

    fn write(&mut self, _: &mut Draft, _: &[u8]) -> Result<(), Failure> {
        panic!("nobody sends mail here");
    }

    fn abort(&mut self, _: Draft) {}

    fn submit(&mut self, _: Draft) -> Ticket {
        panic!("nobody sends mail here");
    }

    fn commit(&mut self, _: &mut Vec<Finished>) {}

    fn is_pending(&self) -> bool {
        false
    }

    fn stream(&mut self) -> Option<&mut dyn StreamClient> {
        Some(self)
    }
}
