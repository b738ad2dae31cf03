//! Everything that all connections which bring mail work on together.

use std::rc::Rc;
use std::time::{Instant, SystemTime};

use bytes::BytesMut;

use super::cidr::Cidr;
use super::date::DateCache;
use super::metrics::Metrics;
use super::rules::Rules;
use crate::net::driver::ConnectionId;
use crate::net::peer::PeerAddress;
use crate::net::probe::{Probe, Seen};
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
    pub(super) pool: Rc<TransactionPool>,
    pub(super) date: DateCache,
    /// A buffer for trace headers, one at a time.
    pub(super) trace: BytesMut,
    pub(super) metrics: Metrics,
}

impl Shared {
    /// Connections under these rules, whose mail goes into this store.
    #[must_use]
    pub fn new(rules: Rules, store: Box<dyn Store>) -> Self {
        Self {
            rules,
            store,
            probe: None,
            pool: Rc::default(),
            date: DateCache::default(),
            trace: BytesMut::new(),
            metrics: Metrics::default(),
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
