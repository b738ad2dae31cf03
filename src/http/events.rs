//! The unwritten events of a stream: bounded, so that a slow viewer loses events and never holds anybody.

use std::collections::VecDeque;

use bytes::Bytes;

/// The most octets of events that wait for a viewer to read. A viewer that has none waiting takes one event of any size.
pub const EVENTS_BYTES_MAX: usize = 256 * 1024;

/// Events that a viewer is to read.
#[derive(Debug, Default)]
pub(super) struct EventQueue {
    events: VecDeque<Bytes>,
    bytes: usize,
}

impl EventQueue {
    /// Adds an event; whether there was room for it.
    pub(super) fn push(&mut self, event: Bytes) -> bool {
        let has_room = self.bytes == 0 || self.bytes + event.len() <= EVENTS_BYTES_MAX;
        if has_room && !event.is_empty() {
            self.bytes += event.len();
            self.events.push_back(event);
        }
        has_room
    }

    /// The next octets; none if all were written.
    pub(super) fn unwritten(&self) -> &[u8] {
        self.events.front().map_or(&[], |event| event)
    }

    /// Notes that so many of them were written.
    pub(super) fn wrote(&mut self, count: usize) {
        self.bytes -= count;
        if let Some(event) = self.events.front_mut() {
            drop(event.split_to(count));
            if event.is_empty() {
                self.events.pop_front();
            }
        }
    }

    /// Whether all were written.
    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }
}
