//! Connections that have something to do and wait for more than an event: a turn, room in the store, rounds for a password.

use std::collections::VecDeque;
use std::mem;

use super::{Connections, Name};
use crate::server::budget::{Budget, TICK_WORK_MAX};
use crate::server::connection::Connection;
use crate::server::transport::Transport;

/// How many rounds of passwords are done in one tick, for all connections together. So many take 0.15 ms where the processor
/// knows SHA-256, and less than 1 ms where not, which is what everybody else waits.
pub const TICK_ROUNDS_MAX: u32 = 1000;

/// Which list a connection is on; it is noted beside the connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum List {
    None,
    Runnable,
    Congested,
    Stretching,
}

/// The lists, each in the order in which connections came to it. Of one that has moved to another list meanwhile, a
/// name may be left.
#[derive(Default)]
pub(super) struct Waiting {
    /// Those that used up their turn and have more to do.
    runnable: VecDeque<Name>,
    /// Those that have more message text than the store takes now.
    congested: VecDeque<Name>,
    /// Those whose password takes more rounds.
    stretching: VecDeque<Name>,
}

impl Waiting {
    pub(super) fn for_a_turn(&mut self, list: &mut List, name: Name) {
        if *list != List::Runnable {
            *list = List::Runnable;
            self.runnable.push_back(name);
        }
    }

    pub(super) fn for_rounds(&mut self, list: &mut List, name: Name) {
        if *list == List::None {
            *list = List::Stretching;
            self.stretching.push_back(name);
        }
    }

    pub(super) fn for_the_store(&mut self, list: &mut List, name: Name) {
        if *list == List::None {
            *list = List::Congested;
            self.congested.push_back(name);
        }
    }

    /// Whether somebody waits for no more than the next tick.
    pub(super) fn has_work(&self) -> bool {
        !self.runnable.is_empty() || !self.stretching.is_empty()
    }
}

impl<T: Transport> Connections<T> {
    /// Gives those a turn of which an event told, or that had more to do than the last one allowed, as long as the work of a
    /// tick is not done; the others go first in the next one.
    pub fn serve_runnable(&mut self) {
        self.scratch.work = Budget::new(TICK_WORK_MAX);
        // Who gets on the list meanwhile is served in the next tick.
        for _ in 0..self.waiting.runnable.len() {
            if self.scratch.work.is_spent() {
                break;
            }
            let Some(name) = self.waiting.runnable.pop_front() else {
                return;
            };
            if let Some(slot) = self.slot_of(name) {
                slot.list = List::None;
                self.turn(name.key, Connection::on_ready);
            }
        }
        self.serve_stretching();
    }

    /// Shares out the rounds of this tick among those whose password takes some, in the order in which they asked. There
    /// are none in other turns: who logs in anew must not come before who waits.
    fn serve_stretching(&mut self) {
        self.scratch.rounds = TICK_ROUNDS_MAX;
        for _ in 0..self.waiting.stretching.len() {
            if self.scratch.rounds == 0 {
                break;
            }
            let Some(name) = self.waiting.stretching.pop_front() else {
                break;
            };
            if let Some(slot) = self.slot_of(name)
                && slot.list == List::Stretching
            {
                slot.list = List::None;
                self.turn(name.key, Connection::on_ready);
            }
            // Who is at it goes on first.
            let last = self.waiting.stretching.back();
            if self.scratch.rounds == 0 && last.is_some_and(|last| last.id == name.id) {
                self.waiting.stretching.rotate_right(1);
            }
        }
        self.scratch.rounds = 0;
    }

    /// The store takes text again: gives those a turn that wait for it.
    pub(super) fn end_congestion(&mut self) {
        for name in mem::take(&mut self.waiting.congested) {
            if let Some(slot) = self.slot_of(name)
                && slot.list == List::Congested
            {
                slot.list = List::Runnable;
                self.waiting.runnable.push_back(name);
            }
        }
    }
}
