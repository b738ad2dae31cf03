//! The group commit of a tick, and what the store has settled so far.

use crate::inbound::{Completion, Inbound};
use crate::net::connections::Connections;
use crate::net::transport::Transport;
use crate::store::Finished;

/// Results of the group commits so far.
#[derive(Default)]
pub(super) struct Commits {
    pub(super) messages_stored: u64,
    /// Messages that were settled, stored or not.
    pub(super) messages: u64,
    /// Questions about senders and recipients that were answered.
    pub(super) questions: u64,
    /// Whether a drain was asked for that connections have not heard of.
    pub(super) drain_asked: bool,
    pub(super) finished: Vec<Finished>,
}

impl Commits {
    /// The group commit: makes the messages of this tick durable, together, and answers for those that are settled.
    pub(super) fn commit<T: Transport>(&mut self, connections: &mut Connections<Inbound, T>) {
        if std::mem::take(&mut self.drain_asked) && self.begin_drain(connections) {
            connections.drain_all();
        }
        let mut begins = false;
        let mut finished = std::mem::take(&mut self.finished);
        connections.shared_mut().store.commit(&mut finished);
        self.messages += finished.len() as u64;
        for Finished { ticket, outcome } in finished.drain(..) {
            self.messages_stored += u64::from(outcome.is_stored());
            begins |= self.are_enough(connections) && self.begin_drain(connections);
            connections.complete(ticket, Completion::Message(outcome));
        }
        self.finished = finished;
        while let Some(answer) = connections.shared_mut().store.answer() {
            self.questions += 1;
            connections.complete(answer.ticket, Completion::Answer(answer));
        }
        if !connections.shared().store.is_congested() {
            connections.end_congestion();
        }
        if begins {
            connections.drain_all();
        }
    }

    fn begin_drain<T: Transport>(&self, connections: &mut Connections<Inbound, T>) -> bool {
        let timeout = connections.shared().rules.limits.drain_timeout;
        connections.begin_drain(timeout)
    }

    /// Whether as many messages were stored as the operator wanted.
    pub(super) fn are_enough<T: Transport>(&self, connections: &Connections<Inbound, T>) -> bool {
        let exit_after = connections.shared().rules.limits.exit_after;
        (1..=self.messages_stored).contains(&exit_after)
    }
}
