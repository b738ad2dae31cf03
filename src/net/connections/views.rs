//! The connections as an observer sees them: by ranges of keys, so that a look at many of them can be had in parts.

use core::ops::Range;

use super::Connections;
pub use crate::net::connection::ConnectionView;
use crate::net::driver::{ConnectionId, ConnectionName, Driver};
use crate::net::transport::Transport;

impl<D: Driver, T: Transport> Connections<D, T> {
    /// Views of the connections with these keys, in their order. Keys without a connection cost next to nothing.
    pub fn views(&self, keys: Range<usize>) -> impl Iterator<Item = ConnectionView<'_, D>> {
        let end = keys.end.min(self.keys_end());
        (keys.start..end).filter_map(|key| {
            let slot = self.slots.get(key)?;
            Some(slot.connection.view(key, slot.wait, self.scratch.now))
        })
    }

    /// A view of the connection with this name, if it is still there.
    pub fn view(&self, name: ConnectionName) -> Option<ConnectionView<'_, D>> {
        let mut views = self.views(name.key..name.key + 1);
        views.next().filter(|view| view.id == name.id)
    }

    /// Changes the transport of every connection, for observers of its calls.
    pub fn update_transports(&mut self, mut update: impl FnMut(ConnectionId, &mut T)) {
        for (_, slot) in &mut self.slots {
            let id = slot.connection.id();
            update(id, slot.connection.transport_mut());
        }
    }

    /// The end of all keys: no connection has this key or a greater one.
    pub fn keys_end(&self) -> usize {
        self.slots.capacity()
    }

    /// The number of connections whose turn is due: those in the run queue, of which some may have been served otherwise.
    pub fn runnable(&self) -> usize {
        self.run_queue.len() + self.run_queue.cpu_len()
    }
}
