//! The graceful end: nothing begins any more, and what is in flight may finish.

use std::time::{Duration, Instant};

use super::Connections;
use crate::net::connection::Connection;
use crate::net::driver::{Drain, Driver};
use crate::net::transport::Transport;

impl<D: Driver, T: Transport> Connections<D, T> {
    /// Notes that a drain begins, which may last for `timeout`; whether it had not begun before. Connections hear of it in
    /// [`drain_all`](Self::drain_all).
    pub fn begin_drain(&mut self, timeout: Duration) -> bool {
        let begins = !self.is_draining();
        if begins {
            self.drain = Drain::Until(self.scratch.now + timeout);
        }
        begins
    }

    /// Whether a drain has begun.
    pub fn is_draining(&self) -> bool {
        self.drain != Drain::No
    }

    /// Whether the time of a drain is up.
    pub fn is_time_up(&self) -> bool {
        self.drain == Drain::TimeIsUp
    }

    /// Gives every connection a turn, which is where it follows the drain.
    pub fn drain_all(&mut self) {
        let keys: Vec<usize> = self.slots.iter().map(|(key, _)| key).collect();
        for key in keys {
            self.turn(key, Connection::on_ready);
        }
    }

    /// The end of the time that is left, where there is such.
    pub(super) fn drain_deadline(&self) -> Option<Instant> {
        match self.drain {
            Drain::Until(deadline) => Some(deadline),
            Drain::No | Drain::TimeIsUp => None,
        }
    }

    /// Ends the time of a drain once it has passed.
    pub(super) fn expire_drain(&mut self) {
        let has_passed = |deadline| deadline <= self.scratch.now;
        if self.drain_deadline().is_some_and(has_passed) {
            self.drain = Drain::TimeIsUp;
            self.drain_all();
        }
    }
}
