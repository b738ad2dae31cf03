//! The run queue: connections that have something to do and wait for more than an event, in three queues by what they wait for.

use std::collections::VecDeque;
use std::mem;

use super::fair_queue::FairQueue;
use super::place::Place;
use crate::net::peer::AddressGroup;

/// The queues, each in the order in which connections came to it. What a connection waits for, and at which place, is noted in
/// its slot; other places are skipped.
#[derive(Default)]
pub(super) struct RunQueue {
    /// Connections that an event has told of, or that used up their turn and have more to do.
    runnable: VecDeque<Place>,
    /// Connections that wait for room in what all share.
    congested: VecDeque<Place>,
    /// Connections whose key derivation or handshake takes more iterations.
    cpu: FairQueue,
}

impl RunQueue {
    pub(super) fn push(&mut self, place: Place) {
        self.runnable.push_back(place);
    }

    /// Adds a connection to those that wait for the CPU; one that `has_begun` goes before the others of its source.
    pub(super) fn push_for_cpu(&mut self, source: AddressGroup, place: Place, has_begun: bool) {
        self.cpu.push(source, place, has_begun);
    }

    pub(super) fn push_for_room(&mut self, place: Place) {
        self.congested.push_back(place);
    }

    pub(super) fn pop(&mut self) -> Option<Place> {
        self.runnable.pop_front()
    }

    pub(super) fn pop_for_cpu(&mut self) -> Option<Place> {
        self.cpu.pop()
    }

    /// Takes all that wait for room.
    pub(super) fn take_congested(&mut self) -> VecDeque<Place> {
        mem::take(&mut self.congested)
    }

    pub(super) fn len(&self) -> usize {
        self.runnable.len()
    }

    pub(super) fn cpu_len(&self) -> usize {
        self.cpu.len()
    }

    /// Whether a connection waits for no more than the next tick.
    pub(super) fn has_work(&self) -> bool {
        !self.runnable.is_empty() || !self.cpu.is_empty()
    }
}
