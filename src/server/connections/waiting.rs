//! Connections that have something to do and wait for more than an event: a turn, room in the store, time of the CPU for a
//! password or a handshake.

use std::collections::VecDeque;
use std::mem;

use super::fair_queue::FairQueue;
use super::{Connections, Name};
use crate::net::transport::Transport;
use crate::server::budget::{Budget, TICK_ROUNDS_MAX, TICK_WORK_MAX, TURN_WORK_MAX};
use crate::server::connection::Connection;
use crate::server::peer::Source;

/// The most work, beside their rounds, of all those that waited for the CPU, in one tick.
const CPU_WORK_MAX: u32 = 8 * TURN_WORK_MAX;

/// Which list a connection is on; it is noted beside the connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum List {
    None,
    Runnable,
    Congested,
    Cpu,
}

/// The lists, each in the order in which connections came to it. Of one that has moved to another list meanwhile, a
/// name may be left.
#[derive(Default)]
pub(super) struct Waiting {
    /// Those that used up their turn and have more to do.
    runnable: VecDeque<Name>,
    /// Those that have more message text than the store takes now.
    congested: VecDeque<Name>,
    /// Those whose password or handshake takes more time of the CPU.
    cpu: FairQueue,
}

impl Waiting {
    pub(super) fn for_a_turn(&mut self, list: &mut List, name: Name) {
        if *list != List::Runnable {
            *list = List::Runnable;
            self.runnable.push_back(name);
        }
    }

    pub(super) fn for_the_cpu(
        &mut self,
        list: &mut List,
        name: Name,
        source: Source,
        has_begun: bool,
    ) {
        if *list == List::None {
            *list = List::Cpu;
            self.cpu.push(source, name, has_begun);
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
        !self.runnable.is_empty() || !self.cpu.is_empty()
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
        self.serve_cpu();
    }

    /// Shares out the rounds of this tick among those whose password or handshake takes some, by the addresses they come from.
    /// There are none in other turns: who comes anew must not come before who waits.
    fn serve_cpu(&mut self) {
        // However much the others did, who waits here is served.
        let tick = mem::replace(&mut self.scratch.work, Budget::new(CPU_WORK_MAX));
        self.scratch.rounds = TICK_ROUNDS_MAX;
        for _ in 0..self.waiting.cpu.len() {
            if self.scratch.rounds == 0 || self.scratch.work.is_spent() {
                break;
            }
            let Some(name) = self.waiting.cpu.pop() else {
                break;
            };
            if let Some(slot) = self.slot_of(name)
                && slot.list == List::Cpu
            {
                slot.list = List::None;
                self.turn(name.key, Connection::on_ready);
            }
        }
        self.scratch.rounds = 0;
        self.scratch.work = tick;
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
