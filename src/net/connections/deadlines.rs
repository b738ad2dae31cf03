//! Deadlines: of each connection by its timer, and of the drain.

use super::Connections;
use crate::net::driver::{ConnectionId, Driver};
use crate::net::transport::Transport;

impl<D: Driver, T: Transport> Connections<D, T> {
    /// Changes every driver, and has their deadlines computed anew.
    pub fn update_drivers(&mut self, mut update: impl FnMut(ConnectionId, &mut D)) {
        for (key, slot) in &mut self.slots {
            let id = slot.connection.id();
            update(id, slot.connection.driver_mut());
            let deadline = slot.connection.deadline(&self.shared);
            self.timers.set(key, &mut slot.alarm, deadline);
        }
    }

    /// Expires the deadlines that have passed, that of a drain as well.
    pub(super) fn expire_deadlines(&mut self) {
        while let Some(key) = self.timers.due(self.scratch.now) {
            let Some(slot) = self.slots.get_mut(key) else {
                debug_assert!(false, "an alarm of a connection that was removed");
                return;
            };
            self.timers.clear(key, &mut slot.alarm);
            let deadline = slot.connection.deadline(&self.shared);
            if deadline.is_some_and(|deadline| deadline <= self.scratch.now) {
                let wait = slot.wait;
                self.turn(key, |connection, lent| connection.on_deadline(wait, lent));
                // One that stays in the past comes again in the next tick, or this one would never end.
                if let Some(slot) = self.slots.get_mut(key) {
                    self.timers.postpone(key, &mut slot.alarm, self.scratch.now);
                }
            } else {
                self.timers.set(key, &mut slot.alarm, deadline);
            }
        }
        self.expire_drain();
    }
}
