//! A store that is measured: how long messages wait for it, how many it settles at a time, and what fails.

use std::cell::Cell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::http::metrics::{Histogram, MESSAGES, SECONDS};
use crate::smtp::envelope::{Envelope, QueueId, Recipient};
#[cfg(feature = "milter")]
use crate::store::hold::{HeldTexts, Hold};
#[cfg(feature = "catch")]
use crate::store::inbox::Inbox;
#[cfg(feature = "relay")]
use crate::store::spool::SpoolStore;
#[cfg(feature = "stream")]
use crate::store::stream::StreamClient;
#[cfg(feature = "stream")]
use crate::store::stream::deliveries::DeliveryCounts;
#[cfg(feature = "stream")]
use crate::store::stream::publisher::StreamCounts;
use crate::store::{
    Admission, Answer, Draft, Failure, Finished, OnceDelivery, Outcome, Store, StoreClient,
    StorePipes, Ticket,
};

/// Time after a failure of the store for which the server counts as not ready.
pub const FAILED_STORE_TIME: Duration = Duration::from_secs(10);

/// What a store was seen to do.
#[derive(Debug)]
pub struct StoreMetrics {
    /// How long messages waited to be settled, in microseconds.
    pub waits: Histogram,
    /// The numbers of messages that were settled together.
    pub groups: Histogram,
    /// Messages that could not be stored.
    pub failures: Cell<u64>,
    /// The last time at which one failed for want of the store, and none was stored since.
    pub failed_at: Cell<Option<Instant>>,
}

impl Default for StoreMetrics {
    fn default() -> Self {
        Self {
            waits: Histogram::new(&SECONDS),
            groups: Histogram::new(&MESSAGES),
            failures: Cell::default(),
            failed_at: Cell::default(),
        }
    }
}

impl StoreMetrics {
    fn note(&self, outcome: &Outcome, now: Instant) {
        if outcome.is_stored() {
            return self.failed_at.set(None);
        }
        self.failures.set(self.failures.get() + 1);
        let results = match outcome {
            Outcome::Failed(failure) => core::slice::from_ref(failure).iter().collect(),
            Outcome::PerRecipient(results) => {
                results.iter().filter_map(|it| it.as_ref().err()).collect()
            }
            Outcome::Stored => Vec::new(),
        };
        let is_of_store = |failure: &&Failure| matches!(failure, Failure::Io(_) | Failure::Full(_));
        if results.iter().any(is_of_store) {
            self.failed_at.set(Some(now));
        }
    }
}

/// A store that is measured.
pub struct MeasuredStore {
    inner: Box<dyn Store>,
    metrics: Rc<StoreMetrics>,
    now: Instant,
    /// The time at which each message was submitted that is not settled.
    submitted: HashMap<Ticket, Instant>,
}

impl MeasuredStore {
    /// Stands around a store.
    #[must_use]
    pub fn new(inner: Box<dyn Store>, metrics: Rc<StoreMetrics>) -> Self {
        Self {
            inner,
            metrics,
            now: Instant::now(),
            submitted: HashMap::new(),
        }
    }
}

impl Store for MeasuredStore {
    fn set_time(&mut self, now: Instant) {
        self.now = now;
        self.inner.set_time(now);
    }

    fn admit(&mut self, declared_bytes: u64, min_free: u64) -> Result<Admission, Failure> {
        self.inner.admit(declared_bytes, min_free)
    }

    fn check(
        &mut self,
        recipient: &Recipient,
        envelope: &Envelope,
        to_make: usize,
    ) -> Result<Admission, Failure> {
        self.inner.check(recipient, envelope, to_make)
    }

    fn answer(&mut self) -> Option<Answer> {
        self.inner.answer()
    }

    fn begin(&mut self, envelope: &Envelope) -> Result<(QueueId, Draft), Failure> {
        let begun = self.inner.begin(envelope);
        if let Err(Failure::Io(_) | Failure::Full(_)) = &begun {
            self.metrics.failures.set(self.metrics.failures.get() + 1);
            self.metrics.failed_at.set(Some(self.now));
        }
        begun
    }

    fn begin_once(&mut self, delivery: &OnceDelivery<'_>) -> Result<Draft, Failure> {
        self.inner.begin_once(delivery)
    }

    fn look_for(&mut self, delivery: &OnceDelivery<'_>) -> Result<Ticket, Failure> {
        self.inner.look_for(delivery)
    }

    fn readdress(
        &mut self,
        draft: &mut Draft,
        envelope: &Envelope,
    ) -> Result<Option<QueueId>, Failure> {
        self.inner.readdress(draft, envelope)
    }

    fn write(&mut self, draft: &mut Draft, text: &[u8]) -> Result<(), Failure> {
        self.inner.write(draft, text)
    }

    fn abort(&mut self, draft: Draft) {
        self.inner.abort(draft);
    }

    fn is_final_delivery(&self, draft: &Draft) -> bool {
        self.inner.is_final_delivery(draft)
    }

    fn submit(&mut self, draft: Draft) -> Ticket {
        let ticket = self.inner.submit(draft);
        self.submitted.insert(ticket, self.now);
        ticket
    }

    fn commit(&mut self, finished: &mut Vec<Finished>) {
        let before = finished.len();
        self.inner.commit(finished);
        let settled = &finished[before..];
        if settled.is_empty() {
            return;
        }
        self.metrics.groups.add(settled.len() as u64);
        let submitted = &mut self.submitted;
        for Finished { ticket, outcome } in settled {
            if let Some(at) = submitted.remove(ticket) {
                let waited = self.now.saturating_duration_since(at).as_micros();
                let waited = u64::try_from(waited).unwrap_or(u64::MAX);
                self.metrics.waits.add(waited);
            }
            self.metrics.note(outcome, self.now);
        }
    }

    fn is_pending(&self) -> bool {
        self.inner.is_pending()
    }

    fn is_congested(&self) -> bool {
        self.inner.is_congested()
    }

    fn next_wake(&self) -> Option<Instant> {
        self.inner.next_wake()
    }

    #[cfg(feature = "milter")]
    fn hold(&mut self) -> Option<&mut Hold> {
        self.inner.hold()
    }

    #[cfg(feature = "milter")]
    fn held_texts(&mut self) -> Option<&mut dyn HeldTexts> {
        self.inner.held_texts()
    }

    #[cfg(feature = "relay")]
    fn spool(&mut self) -> Option<&mut dyn SpoolStore> {
        self.inner.spool()
    }

    #[cfg(feature = "catch")]
    fn inbox(&mut self) -> Option<&mut Inbox> {
        self.inner.inbox()
    }

    #[cfg(feature = "stream")]
    fn stream(&mut self) -> Option<&mut dyn StreamClient> {
        self.inner.stream()
    }

    #[cfg(feature = "stream")]
    fn stream_counts(&self) -> Option<StreamCounts> {
        self.inner.stream_counts()
    }

    #[cfg(feature = "stream")]
    fn delivery_counts(&self) -> Option<DeliveryCounts> {
        self.inner.delivery_counts()
    }

    fn lost_since(&self) -> Option<Instant> {
        self.inner.lost_since()
    }

    fn take_pipes(&mut self, process: usize) -> Option<StorePipes> {
        self.inner.take_pipes(process)
    }

    fn client(&mut self, process: usize) -> Option<&mut dyn StoreClient> {
        self.inner.client(process)
    }

    fn return_pipes(&mut self, process: usize, pipes: StorePipes) {
        self.inner.return_pipes(process, pipes);
    }
}
