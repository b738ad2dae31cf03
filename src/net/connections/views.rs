//! The connections as an observer sees them: by ranges of keys, so that a look at many of them can be had in parts.

use core::ops::Range;

use super::Connections;
pub use crate::net::connection::ConnectionView;
use crate::net::driver::Driver;
use crate::net::transport::Transport;

impl<D: Driver, T: Transport> Connections<D, T> {
    /// Views of the connections with these keys, in their order. Keys without a connection cost next to nothing.
    pub fn views(&self, keys: Range<usize>) -> impl Iterator<Item = ConnectionView<'_, D>> {
        let end = keys.end.min(self.keys_end());
        (keys.start..end).filter_map(|key| {
            let slot = self.slots.get(key)?;
            Some(slot.connection.view(slot.wait, self.scratch.now))
        })
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
