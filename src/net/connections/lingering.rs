//! Connections that linger are bounded, since they take descriptors and no other limit counts them.

use std::collections::VecDeque;

use crate::net::driver::ConnectionId;
use crate::net::driver::ConnectionName;

/// The most connections that linger at a time, less where descriptors are fewer. Clients that are sent away and never close
/// could otherwise take every descriptor, since a lingering connection counts to no other limit.
pub const LINGERING_MAX: usize = 1024;

/// Connections that linger, the oldest first.
#[derive(Default)]
pub(super) struct Lingering(VecDeque<ConnectionName>);

impl Lingering {
    /// Notes a connection that has begun to linger.
    pub(super) fn push(&mut self, name: ConnectionName) {
        self.0.push_back(name);
    }

    /// Forgets a connection that is removed. The search is short: who began first is mostly done first.
    pub(super) fn remove(&mut self, id: ConnectionId) {
        if let Some(index) = self.0.iter().position(|name| name.id == id) {
            self.0.remove(index);
        }
    }

    /// Takes the oldest off, where there are more than `max`.
    pub(super) fn pop_over(&mut self, max: usize) -> Option<ConnectionName> {
        (self.0.len() > max).then(|| self.0.pop_front()).flatten()
    }
}
