//! The store of `mailoop deliver`: it stands around a Maildir, and takes messages out of a stream into it, once each.
//!
//! A durable consumer of the stream, which all who deliver share, hands messages out. One that is in all of its mailboxes is acknowledged,
//! and so leaves the stream. One whose delivery failed is handed out again after a while, to whomever; so is one of which nothing was
//! heard for a time, because its process was killed.
//!
//! A message has a name in each mailbox that its sequence in the stream and its queue id make, whoever delivers it. Where an earlier try
//! may have succeeded the mailbox is searched for it first: the consumer counts its tries, and a message that is older than the consumer
//! may have been handed out by one before.
//!
//! - `consumer` is the consumer and the pulls by which it is asked for messages; `delivery_subject` what it says of each.
//! - `desk` is what is to be said on the connection, `api_answer` what comes back.
//! - `delivery` is a message that is here; `intake` takes it in, `work` puts it into mailboxes, `outcome` says what becomes of it.
//! - `counts` is what became of messages so far.
//! - `part_reader` reads a text that lies in parts; `sweep` removes parts that no message leads to.
//!
//! # Invariants
//! - A message is acknowledged only after the store around which this stands has it in all of its mailboxes, durably.
//! - Parts are removed only after the consumer has confirmed that the message is acknowledged: before, somebody may need them.
//! - What is here has a bound, in messages, octets, and in texts that are being fetched.

mod api_answer;
mod consumer;
mod counts;
mod delivery;
mod delivery_subject;
mod desk;
mod intake;
mod outcome;
mod part_reader;
mod sweep;
mod work;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, Instant};

use self::api_answer::ApiAnswer;
use self::consumer::{CONSUMER, Consumer, make_request};
use self::delivery::StreamDelivery;
use self::desk::{Purpose, RequestDesk};
use self::outcome::FailureLog;
use self::sweep::Sweep;
use super::{StreamClient, StreamFacts, StreamMessage, StreamOutput, StreamState};
use crate::smtp::envelope::{Envelope, QueueId, Recipient};
use crate::store::process::{StoreClient, StorePipes};
use crate::store::{Admission, Answer, Draft, Failure, Finished, OnceDelivery, Store, Ticket};

pub use self::counts::DeliveryCounts;

/// The time that messages have to be finished once a drain has begun; what is left goes back to the stream.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);
/// The time after that, at which the end is not waited for any more.
const DRAIN_GRACE: Duration = Duration::from_secs(2);

/// A Maildir into which messages of a stream are delivered.
pub struct Deliveries {
    local: Box<dyn Store>,
    /// The time that the consumer waits for an acknowledgement.
    ack_wait: Duration,
    /// The time that it waits indeed, as the log has it.
    ack_wait_told: Option<Duration>,
    now: Instant,
    /// The start, and the milliseconds of the epoch at that time.
    started: Instant,
    started_ms: u64,
    /// Since when the stream hands nothing out, if so.
    lost_since: Option<Instant>,
    /// The connection, while there is one.
    facts: Option<StreamFacts>,
    desk: RequestDesk,
    consumer: Consumer,
    sweep: Sweep,
    /// The messages that are here, by their sequences.
    deliveries: BTreeMap<u64, StreamDelivery>,
    /// Their octets.
    octets: usize,
    /// What the store has, and has not settled: of which message, which mailbox, and whether it is only looked for.
    submitted: HashMap<Ticket, (u64, usize, bool)>,
    /// Messages with something to hand to the store.
    ready: VecDeque<u64>,
    /// Messages whose text is to be fetched, once fewer others are.
    long: VecDeque<u64>,
    /// Messages whose next part is fetched once the store has room.
    held: VecDeque<u64>,
    /// The number of messages whose text is being fetched.
    fetching: usize,
    /// When was last looked for what takes long.
    checked: Instant,
    /// When a drain ends, once it has begun.
    drain_end: Option<Instant>,
    failures: FailureLog,
    counts: DeliveryCounts,
}

impl Deliveries {
    /// Stands around `local`. The consumer is to wait for acknowledgements as long as `ack_wait`. It is `now`, which is `now_ms` of the
    /// epoch.
    #[must_use]
    pub fn new(local: Box<dyn Store>, ack_wait: Duration, now: Instant, now_ms: u64) -> Self {
        Self {
            local,
            ack_wait,
            ack_wait_told: None,
            now,
            started: now,
            started_ms: now_ms,
            lost_since: Some(now),
            facts: None,
            desk: RequestDesk::default(),
            consumer: Consumer::default(),
            sweep: Sweep::new(now),
            deliveries: BTreeMap::new(),
            octets: 0,
            submitted: HashMap::new(),
            ready: VecDeque::new(),
            long: VecDeque::new(),
            held: VecDeque::new(),
            fetching: 0,
            checked: now,
            drain_end: None,
            failures: FailureLog::default(),
            counts: DeliveryCounts::default(),
        }
    }

    /// The milliseconds of the epoch.
    fn now_ms(&self) -> u64 {
        let since = self.now.saturating_duration_since(self.started).as_millis();
        self.started_ms + u64::try_from(since).unwrap_or(u64::MAX / 2)
    }

    /// The interval at which is looked for what takes long.
    fn check_interval(&self) -> Duration {
        let share = self.ack_wait / 12;
        share.clamp(Duration::from_millis(50), Duration::from_secs(2))
    }

    /// Tells the consumer of messages that take longer than a third of the time that it waits.
    fn report_work(&mut self) {
        if self.facts.is_none() || self.now < self.checked + self.check_interval() {
            return;
        }
        self.checked = self.now;
        for delivery in self.deliveries.values_mut() {
            // What is late by now, as after a long time without a connection, somebody else may have.
            let is_late = delivery.is_late(self.ack_wait, self.now);
            if delivery.touched + self.ack_wait / 3 <= self.now && !is_late {
                delivery.touched = self.now;
                self.desk.acknowledge(delivery.reply.clone(), "+WPI");
            }
        }
    }

    /// Takes an answer to a request.
    fn answered(&mut self, purpose: Purpose, message: &StreamMessage) {
        match purpose {
            Purpose::Message(sequence) => self.message_answered(sequence, message),
            Purpose::Consumer => self.consumer_answered(ApiAnswer::read(message)),
            Purpose::Sweep => {
                let (now, now_ms) = (self.now, self.now_ms());
                match self.sweep.take(ApiAnswer::read(message), now, now_ms) {
                    true => self.desk.ask_later(Purpose::Sweep, now),
                    false if self.sweep.is_under_way() => self.desk.ask(Purpose::Sweep),
                    false => {}
                }
            }
        }
    }

    /// Says a request.
    fn send_request(&mut self, purpose: Purpose, facts: &StreamFacts, out: &mut dyn StreamOutput) {
        let (subject, payload) = match purpose {
            Purpose::Message(sequence) => return self.send_for_message(sequence, facts, out),
            Purpose::Consumer => make_request(&facts.stream, self.ack_wait),
            Purpose::Sweep => match self.sweep.request(&facts.stream) {
                Some(request) => request,
                None => return,
            },
        };
        let token = self.desk.begin(purpose, self.now);
        out.publish(&subject, Some(&token), &[], &payload);
    }
}

impl StreamClient for Deliveries {
    fn connected(&mut self, facts: &StreamFacts) {
        self.facts = Some(facts.clone());
        self.desk.disconnected();
        self.consumer.disconnected();
        self.held.clear();
        self.desk.ask(Purpose::Consumer);
        for (sequence, delivery) in &self.deliveries {
            if delivery.is_asking() {
                self.desk.ask(Purpose::Message(*sequence));
            }
        }
        if self.sweep.is_under_way() {
            self.desk.ask(Purpose::Sweep);
        }
    }

    fn disconnected(&mut self) {
        self.facts = None;
        self.desk.disconnected();
        self.consumer.disconnected();
        self.held.clear();
    }

    fn set_state(&mut self, state: StreamState) {
        self.lost_since = match state {
            StreamState::Ready => None,
            StreamState::Lost { since, .. } => Some(since),
        };
    }

    fn received(&mut self, message: StreamMessage) {
        if message.status.is_none()
            && let Some(reply) = &message.reply
            && let Some(subject) = delivery_subject::DeliverySubject::read(reply)
        {
            return self.take_in(message, &subject);
        }
        let Some(token) = &message.token else {
            return;
        };
        if let Some(purpose) = self.desk.answered(token) {
            self.answered(purpose, &message);
        } else if self.consumer.status(token, &message, self.now) {
            self.desk.ask_later(Purpose::Consumer, self.now);
        }
    }

    fn send(&mut self, out: &mut dyn StreamOutput) {
        let Some(facts) = self.facts.clone() else {
            return;
        };
        self.desk.send_acknowledgements(out);
        while !out.is_full()
            && let Some(purpose) = self.desk.next_request()
        {
            self.send_request(purpose, &facts, out);
        }
        let subject = format!("$JS.API.CONSUMER.MSG.NEXT.{}.{CONSUMER}", facts.stream);
        while self.drain_end.is_none() && !out.is_full() {
            let (here, octets, desk) = (self.deliveries.len(), self.octets, &mut self.desk);
            let pull = self
                .consumer
                .pull(here, octets, self.now, || desk.new_token());
            let Some((token, request)) = pull else {
                break;
            };
            out.publish(&subject, Some(&token), &[], &request);
        }
    }

    fn begin_drain(&mut self) {
        if self.drain_end.is_none() {
            self.drain_end = Some(self.now + DRAIN_TIMEOUT);
            self.give_back_unbegun();
        }
    }

    fn is_idle(&self) -> bool {
        let is_said = self.facts.is_none() || self.desk.has_acknowledged();
        // A disk that hangs keeps nobody from the end.
        let end = self.drain_end.map(|end| end + DRAIN_GRACE);
        self.deliveries.is_empty() && is_said || end.is_some_and(|end| end <= self.now)
    }
}

impl Store for Deliveries {
    fn set_time(&mut self, now: Instant) {
        self.now = now;
        self.local.set_time(now);
        self.desk.set_time(now);
        self.consumer.set_time(now);
        self.report_work();
        if self.drain_end.is_some_and(|end| end <= now) {
            self.give_back_all();
        }
        if self.facts.is_some() && self.drain_end.is_none() && self.sweep.begin(now) {
            self.desk.ask(Purpose::Sweep);
        }
        self.failures.set_time(now);
    }

    fn admit(&mut self, declared_bytes: u64, min_free: u64) -> Result<Admission, Failure> {
        self.local.admit(declared_bytes, min_free)
    }

    fn check(
        &mut self,
        recipient: &Recipient,
        envelope: &Envelope,
        to_make: usize,
    ) -> Result<Admission, Failure> {
        self.local.check(recipient, envelope, to_make)
    }

    fn answer(&mut self) -> Option<Answer> {
        self.local.answer()
    }

    fn begin(&mut self, envelope: &Envelope) -> Result<(QueueId, Draft), Failure> {
        self.local.begin(envelope)
    }

    fn begin_once(&mut self, delivery: &OnceDelivery<'_>) -> Result<Draft, Failure> {
        self.local.begin_once(delivery)
    }

    fn write(&mut self, draft: &mut Draft, text: &[u8]) -> Result<(), Failure> {
        self.local.write(draft, text)
    }

    fn abort(&mut self, draft: Draft) {
        self.local.abort(draft);
    }

    fn submit(&mut self, draft: Draft) -> Ticket {
        self.local.submit(draft)
    }

    fn commit(&mut self, finished: &mut Vec<Finished>) {
        let start = finished.len();
        self.local.commit(finished);
        self.take_settled(finished, start);
        self.run(finished);
    }

    fn is_pending(&self) -> bool {
        self.local.is_pending() || !self.ready.is_empty() && !self.local.is_congested()
    }

    fn is_congested(&self) -> bool {
        self.local.is_congested()
    }

    fn next_wake(&self) -> Option<Instant> {
        let is_connected = self.facts.is_some();
        let check = is_connected && !self.deliveries.is_empty();
        let check = check.then(|| self.checked + self.check_interval());
        let sweep = self.sweep.next_wake();
        let sweep = sweep.filter(|_| is_connected && self.drain_end.is_none());
        let drain_end = self.drain_end.filter(|_| !self.deliveries.is_empty());
        let drain_end = drain_end.map(|end| match end <= self.now {
            true => end + DRAIN_GRACE,
            false => end,
        });
        let wakes = [
            self.local.next_wake(),
            self.desk.next_wake(),
            self.consumer.next_wake(),
            check,
            sweep,
            drain_end,
        ];
        wakes.into_iter().flatten().min()
    }

    fn lost_since(&self) -> Option<Instant> {
        self.lost_since
    }

    fn stream(&mut self) -> Option<&mut dyn StreamClient> {
        Some(self)
    }

    fn delivery_counts(&self) -> Option<DeliveryCounts> {
        Some(DeliveryCounts {
            here: self.deliveries.len(),
            is_connected: self.facts.is_some(),
            ..self.counts
        })
    }

    fn take_pipes(&mut self, process: usize) -> Option<StorePipes> {
        self.local.take_pipes(process)
    }

    fn client(&mut self, process: usize) -> Option<&mut dyn StoreClient> {
        self.local.client(process)
    }

    fn return_pipes(&mut self, process: usize, pipes: StorePipes) {
        self.local.return_pipes(process, pipes);
    }
}
