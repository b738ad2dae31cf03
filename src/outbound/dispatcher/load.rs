//! Counts of what is under way: all of them are 0 when nothing is.

use super::Dispatcher;
use crate::net::transport::Transport;

/// Counts of what the dispatcher has under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutboundLoad {
    /// Connections to sites, also those that are being opened.
    pub connections: usize,
    /// Recipients of the mail that connections and deliveries to mailboxes here have.
    pub handed: usize,
    /// Names that are being looked up.
    pub looking_up: usize,
    /// Reads that wait for the spool process.
    pub reading: usize,
    /// Reads that are tried again in a moment, or once there is a spool process.
    pub parked: usize,
    /// Connections that have asked for mail and were not answered.
    pub asking: usize,
    /// Deliveries to mailboxes here whose result is to come.
    pub local: usize,
}

impl<T: Transport> Dispatcher<T> {
    /// What is under way.
    pub fn load(&self) -> OutboundLoad {
        OutboundLoad {
            connections: self.outgoings.len(),
            handed: self.outgoings.handed() + self.local.handed(),
            looking_up: self.looking_up.len(),
            reading: self.reading.len(),
            parked: self.parked.len(),
            asking: self.asking.len(),
            local: self.local.awaited(),
        }
    }
}
