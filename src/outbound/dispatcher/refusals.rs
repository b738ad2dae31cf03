//! Sites that take no mail for good: all of it is refused, one message after the other.
//!
//! A site that is down keeps its mail for the next probe. One of which it is known that no try will ever succeed (its domain takes no mail,
//! or its hosts lead nowhere) has nothing to wait for: its connection counts as one that was opened, and settles whatever is ready.

use super::awaited::ReadFor;
use super::{DispatchTurn, Dispatcher};
use crate::net::transport::Transport;
use crate::outbound::queue::{NextJob, OutgoingEnd, OutgoingId};

/// The most messages that are refused in one tick: each is read for its report.
const REFUSALS_A_TICK_MAX: usize = 64;

impl<T: Transport> Dispatcher<T> {
    /// Begins to refuse the mail of a site, whose opening has failed for good.
    pub(super) fn begin_refusing(&mut self, id: OutgoingId) {
        self.queue.opened(id);
        self.refusing.push_back(id);
    }

    /// Refuses the next messages.
    pub(super) fn go_on_refusing(&mut self, turn: &mut DispatchTurn<'_, T>) {
        if !self.can_begin() && !self.is_draining {
            return;
        }
        for _ in 0..REFUSALS_A_TICK_MAX {
            let Some(id) = self.refusing.pop_front() else {
                return;
            };
            let outgoing = self.outgoings.get_mut(id);
            let failure = outgoing.and_then(|outgoing| outgoing.opening.failure().cloned());
            if let Some(failure) = failure.filter(|_| !self.is_draining)
                && let NextJob::Job(started) = self.queue.next_job(id, turn.clock.ms)
            {
                self.read(ReadFor::Unreached(id, started, failure), turn);
            } else {
                let ended = self.outgoings.remove(id);
                self.queue.closed(id, OutgoingEnd::Done, turn.clock.ms);
                if let Some(ended) = ended {
                    self.forget_look_up(ended.site);
                }
            }
        }
    }
}
