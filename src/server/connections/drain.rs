//! The graceful end: no transaction begins any more, and those in flight may finish.

use super::Connections;
use crate::net::transport::Transport;
use crate::server::connection::{Connection, Drain};

impl<T: Transport> Connections<T> {
    /// Begins to end: no transaction begins any more, those in flight have until the drain timeout.
    pub fn start_draining(&mut self) {
        if self.begin_drain() {
            self.drain_all();
        }
    }

    /// Notes that a drain begins; whether it had not before.
    pub(super) fn begin_drain(&mut self) -> bool {
        let begins = !self.is_draining();
        if begins {
            self.drain = Drain::Until(self.scratch.now + self.limits.drain_timeout);
        }
        begins
    }

    /// Whether [`start_draining`](Self::start_draining) was called, or enough messages were stored.
    pub fn is_draining(&self) -> bool {
        !matches!(self.drain, Drain::No)
    }

    /// Gives everyone a turn, which is where a drain is heeded.
    pub(super) fn drain_all(&mut self) {
        for key in 0..self.slots.capacity() {
            self.turn(key, Connection::on_ready);
        }
    }
}
