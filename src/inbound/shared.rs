//! Everything that all connections which bring mail work on together.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Instant, SystemTime};

use bytes::BytesMut;

use super::date::DateCache;
use super::metrics::Metrics;
#[cfg(feature = "http")]
use super::metrics::ReplyCounts;
use super::rules::Rules;
use super::user_rate::UserRates;
#[cfg(feature = "milter")]
use crate::filters::requests::FilterRequests;
use crate::net::cidr::Cidr;
use crate::net::driver::ConnectionId;
use crate::net::peer::PeerAddress;
use crate::net::probe::{Probe, Seen};
#[cfg(feature = "catch")]
use crate::smtp::faults::FaultRules;
use crate::smtp::session::TransactionPool;
use crate::store::Store;

/// Everything that all connections which bring mail work on together.
pub struct Shared {
    /// The rules of the operator.
    pub rules: Rules,
    /// The destination of mail.
    pub store: Box<dyn Store>,
    /// The observer of all connections, if somebody watches.
    pub probe: Option<Rc<dyn Probe>>,
    /// Counts of replies, if somebody wants to know.
    #[cfg(feature = "http")]
    pub replies: Option<ReplyCounts>,
    /// The rules by which faults are made, with their counts.
    #[cfg(feature = "catch")]
    pub faults: FaultRules,
    /// What sessions ask of mail filters.
    #[cfg(feature = "milter")]
    pub filters: FilterRequests,
    pub(super) pool: Rc<TransactionPool>,
    pub(super) date: DateCache,
    /// A buffer for trace headers, one at a time.
    pub(super) trace: BytesMut,
    pub(super) metrics: Metrics,
    /// The recipients elsewhere that users have had of late. A reload changes the limit, and forgets nobody.
    pub(super) user_rates: UserRates,
    /// No hint at a proxy is logged before.
    pub(super) proxy_hint_after: Cell<Option<Instant>>,
}

impl Shared {
    /// Connections under these rules, whose mail goes into this store.
    #[must_use]
    pub fn new(rules: Rules, store: Box<dyn Store>) -> Self {
        Self {
            rules,
            store,
            probe: None,
            #[cfg(feature = "http")]
            replies: None,
            #[cfg(feature = "catch")]
            faults: FaultRules::default(),
            #[cfg(feature = "milter")]
            filters: FilterRequests::default(),
            pool: Rc::default(),
            date: DateCache::default(),
            trace: BytesMut::new(),
            metrics: Metrics::default(),
            user_rates: UserRates::default(),
            proxy_hint_after: Cell::default(),
        }
    }

    /// Tells what time it is, once a tick.
    pub fn set_time(&mut self, now: Instant, wall: SystemTime) {
        self.store.set_time(now);
        self.date.set(wall);
    }

    /// Tells the probe of a step, if there is one.
    pub(super) fn tell(&self, connection: ConnectionId, step: Seen<'_>) {
        if let Some(probe) = &self.probe {
            probe.saw(connection, step);
        }
    }

    /// Whether a rule may decide on something: not where there are none, unless a replay has some.
    #[cfg(feature = "catch")]
    pub(super) fn has_faults(&self) -> bool {
        !self.faults.is_empty() || self.probe.is_some()
    }

    /// The counters of the server.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Whether `peer` is a proxy, which names its client first.
    #[must_use]
    pub fn is_proxy(&self, peer: PeerAddress) -> bool {
        peer.ip()
            .is_some_and(|ip| Cidr::any_contains(&self.rules.proxies, ip))
    }
}
