//! The turns of a tick: who is served, in which order, and how much of the tick each kind of work may take.

use std::mem;

use super::Connections;
use crate::net::budget::{Budget, TICK_ITERATIONS_MAX, TICK_WORK_MAX, TURN_WORK_MAX};
use crate::net::connection::Connection;
use crate::net::driver::{ConnectionName, Driver, Wait};
use crate::net::transport::Transport;

/// The most work, beside their iterations, of all those that waited for the CPU, in one tick.
const CPU_WORK_MAX: u32 = 8 * TURN_WORK_MAX;

impl<D: Driver, T: Transport> Connections<D, T> {
    /// Gives those a turn of which an event told, or that had more to do than the last one allowed, as long as the work of a
    /// tick is not done; the others go first in the next one.
    pub(super) fn serve(&mut self) {
        self.scratch.work = Budget::new(TICK_WORK_MAX);
        // Who gets into the queue meanwhile is served in the next tick.
        for _ in 0..self.run_queue.len() {
            if self.scratch.work.is_spent() || self.held_back.runnable {
                break;
            }
            let Some(place) = self.run_queue.pop() else {
                break;
            };
            if let Some(slot) = self.slot_at(place)
                && slot.wait == Wait::Turn
            {
                slot.wait = Wait::Input;
                self.turn(place.key, Connection::on_ready);
            }
        }
        self.serve_cpu();
    }

    /// Shares out the iterations of this tick among those whose key derivation or handshake takes some, by the addresses that
    /// they come from. No other turn has any: a newcomer must not come before those who wait.
    fn serve_cpu(&mut self) {
        // However much the others did, those that wait here are served.
        let tick = mem::replace(&mut self.scratch.work, Budget::new(CPU_WORK_MAX));
        self.scratch.iterations = TICK_ITERATIONS_MAX;
        for _ in 0..self.run_queue.cpu_len() {
            let is_spent = self.scratch.iterations == 0 || self.scratch.work.is_spent();
            if is_spent || self.held_back.cpu {
                break;
            }
            let Some(place) = self.run_queue.pop_for_cpu() else {
                break;
            };
            if let Some(slot) = self.slot_at(place)
                && slot.wait == Wait::Cpu
            {
                slot.wait = Wait::Input;
                self.turn(place.key, Connection::on_ready);
            }
        }
        self.scratch.iterations = 0;
        self.scratch.work = tick;
    }

    /// Gives a turn to those that wait for room, since there is some again.
    pub fn end_congestion(&mut self) {
        for place in self.run_queue.take_congested() {
            if let Some(slot) = self.slot_at(place)
                && slot.wait == Wait::Room
            {
                slot.wait = Wait::Turn;
                self.run_queue.push(place);
            }
        }
    }

    /// Gives an answer to the connection that waits for it, if it is still there.
    pub fn complete(&mut self, ticket: D::Ticket, completion: D::Completion) {
        let Some(name) = self.awaiting.remove(&ticket) else {
            return;
        };
        let Some(slot) = self.slot_of(name) else {
            return;
        };
        if slot.wait == Wait::Completion(ticket) {
            // It may wait for another answer to the same ticket.
            slot.wait = Wait::Input;
        }
        let wait = slot.wait;
        self.turn(name.key, |connection, lent| {
            connection.on_completion(completion, wait, lent)
        });
    }

    /// Gives a connection something that it did not ask for, if it is still there, whatever it waits for; whether it is. So a server
    /// sends what it has by itself, as the events of a stream.
    pub fn tell(&mut self, name: ConnectionName, completion: D::Completion) -> bool {
        let Some(slot) = self.slot_of(name) else {
            return false;
        };
        let wait = slot.wait;
        self.turn(name.key, |connection, lent| {
            connection.on_completion(completion, wait, lent)
        });
        true
    }

    /// Gives a connection a turn at once, if it is still there, because of something that no event tells of. Its driver is offered
    /// its input, as after an event, whatever it waits for.
    pub fn wake(&mut self, name: ConnectionName) {
        if self.slot_of(name).is_some() {
            self.turn(name.key, Connection::on_ready);
        }
    }
}
