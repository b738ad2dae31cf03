//! The ids of connections, and the means of a replay, in which some connections are there and others are missing.

use super::Connections;
use crate::net::driver::{ConnectionId, Driver};
use crate::net::transport::Transport;

impl<D: Driver, T: Transport> Connections<D, T> {
    /// The id that the next connection will have, also one that is refused.
    pub fn next_connection(&self) -> ConnectionId {
        ConnectionId(self.next_id)
    }

    /// Holds these kinds in the run queue back, and no others any longer.
    pub fn hold_back(&mut self, held_back: HeldBack) {
        self.held_back = held_back;
    }

    /// Gives the next connection this id, and those after it the ids that follow: others may have ids of the same record.
    pub fn number_from(&mut self, first: ConnectionId) {
        self.next_id = first.0;
    }
}

/// Kinds of connections in the run queue that get no turn: in a replay of one connection the others are missing that came before it.
#[derive(Clone, Copy, Debug, Default)]
pub struct HeldBack {
    /// Connections of which an event told, or that had work left.
    pub runnable: bool,
    /// Connections that wait for the CPU.
    pub cpu: bool,
}
