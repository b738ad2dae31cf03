//! A server that makes faults by rule.

use super::core::ServerCore;
use super::event_loop::Server;
use crate::net::transport::Transport;
use crate::smtp::faults::FaultRules;

impl<T: Transport> ServerCore<T> {
    /// Makes faults by these rules. Those that are in force already keep their counts.
    pub fn set_faults(&mut self, faults: FaultRules) {
        let present = &mut self.connections.shared_mut().faults;
        if !present.are_same(&faults) {
            *present = faults;
        }
    }
}

impl Server {
    /// Makes faults by these rules. Those that are in force already keep their counts.
    pub fn set_faults(&mut self, faults: FaultRules) {
        self.core.set_faults(faults);
    }
}
