//! The place of mail filters, in a build that knows none.

use std::time::{Duration, Instant};

use crate::inbound::Inbound;
use crate::net::channel::Readiness;
use crate::net::connections::Connections;
use crate::net::transport::Transport;

pub(super) use NoServerFilters as ServerFilters;

/// No filter.
pub(super) struct NoServerFilters;

impl NoServerFilters {
    pub(super) fn none() -> Self {
        Self
    }

    pub(super) fn set_time(&mut self, _now: Instant) {}

    pub(super) fn on_event(&mut self, _key: usize, _readiness: Readiness) {}

    pub(super) fn begin_drain(&mut self, _timeout: Duration) {}

    pub(super) fn tick<T: Transport>(&mut self, _connections: &mut Connections<Inbound, T>) {}

    pub(super) fn next_wake<T: Transport>(
        &self,
        _connections: &Connections<Inbound, T>,
    ) -> Option<Instant> {
        None
    }
}
