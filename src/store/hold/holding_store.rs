//! A store that has texts on hold beside it.

use std::time::Instant;

use super::{HeldTexts, Hold};
use crate::smtp::envelope::{Envelope, QueueId, Recipient};
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
    Admission, Answer, Draft, Failure, Finished, OnceDelivery, STORE_PROCESSES_MAX, Store,
    StoreClient, StorePipes, Ticket,
};

/// The number of the hold process; those of the store come before it.
pub const HOLD_PROCESS: usize = STORE_PROCESSES_MAX - 1;

/// A store that has texts on hold beside it, as a server with filters needs one.
pub struct HoldingStore {
    inner: Box<dyn Store>,
    hold: Hold,
}

impl HoldingStore {
    /// Stands around a store.
    #[must_use]
    pub fn new(inner: Box<dyn Store>, hold: Hold) -> Self {
        Self { inner, hold }
    }
}

impl Store for HoldingStore {
    fn set_time(&mut self, now: Instant) {
        self.inner.set_time(now);
        self.hold.set_time(now);
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
        self.inner.begin(envelope)
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
        self.inner.submit(draft)
    }

    fn commit(&mut self, finished: &mut Vec<Finished>) {
        self.inner.commit(finished);
        self.hold.commit();
    }

    fn is_pending(&self) -> bool {
        self.inner.is_pending() || self.hold.is_pending()
    }

    fn is_congested(&self) -> bool {
        self.inner.is_congested() || self.hold.is_congested()
    }

    fn next_wake(&self) -> Option<Instant> {
        let wakes = self.inner.next_wake().into_iter();
        wakes.chain(self.hold.next_wake()).min()
    }

    fn hold(&mut self) -> Option<&mut Hold> {
        Some(&mut self.hold)
    }

    fn held_texts(&mut self) -> Option<&mut dyn HeldTexts> {
        Some(&mut self.hold)
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
        match process {
            HOLD_PROCESS => self.hold.take_pipes(),
            _ => self.inner.take_pipes(process),
        }
    }

    fn client(&mut self, process: usize) -> Option<&mut dyn StoreClient> {
        match process {
            HOLD_PROCESS => self.hold.client(),
            _ => self.inner.client(process),
        }
    }

    fn return_pipes(&mut self, process: usize, pipes: StorePipes) {
        match process {
            HOLD_PROCESS => self.hold.return_pipes(pipes),
            _ => self.inner.return_pipes(process, pipes),
        }
    }
}
