//! Mail filters, as the core of the server sees them.

use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::filters::answers::{FilterAnswer, SessionFilters};
use crate::filters::settings::FilterSettings;
use crate::inbound::{Completion, Inbound, Shared};
use crate::net::channel::Readiness;
use crate::net::connections::Connections;
use crate::net::transport::Transport;

/// How often sessions go on within a tick with what their filters need not reply to.
const ROUNDS_MAX: usize = 4;

/// What answers the sessions of a server that ask filters, where any do.
pub(super) struct ServerFilters(Option<Box<dyn SessionFilters>>);

impl ServerFilters {
    pub(super) fn none() -> Self {
        Self(None)
    }

    /// Whether there were ever any.
    pub(super) fn are_there(&self) -> bool {
        self.0.is_some()
    }

    /// Has new sessions ask these filters, or none. What `make` makes answers them, unless there is something already.
    pub(super) fn set<T: Transport>(
        &mut self,
        settings: Option<Rc<FilterSettings>>,
        make: impl FnOnce() -> Box<dyn SessionFilters>,
        connections: &mut Connections<Inbound, T>,
    ) {
        let requests = &mut connections.shared_mut().filters;
        if self.0.is_none() {
            let made = make();
            requests.watch(made.watch());
            self.0 = Some(made);
        }
        requests.set(settings);
    }

    pub(super) fn set_time(&mut self, now: Instant) {
        if let Some(filters) = &mut self.0 {
            filters.set_time(now);
        }
    }

    /// Notes an event of the connection with this key.
    pub(super) fn on_event(&mut self, key: usize, readiness: Readiness) {
        if let Some(filters) = &mut self.0 {
            filters.on_event(key, readiness);
        }
    }

    pub(super) fn begin_drain(&mut self, timeout: Duration) {
        if let Some(filters) = &mut self.0 {
            filters.begin_drain(timeout);
        }
    }

    /// One tick: filters are told what sessions ask, and sessions what filters have decided.
    pub(super) fn tick<T: Transport>(&mut self, connections: &mut Connections<Inbound, T>) {
        let Some(filters) = &mut self.0 else {
            return;
        };
        for _ in 0..ROUNDS_MAX {
            let Shared {
                filters: requests,
                store,
                ..
            } = connections.shared_mut();
            for answer in filters.answer(requests, &mut **store) {
                let (ticket, completion) = match answer {
                    FilterAnswer::Held(read) => (read.ticket.of_store(), Completion::Held(read)),
                    FilterAnswer::Verdict(_, ticket, verdict) => {
                        (ticket, Completion::Verdict(verdict))
                    }
                };
                connections.complete(ticket, completion);
            }
            if connections.shared().filters.is_empty() {
                return;
            }
        }
    }

    /// The instant at which [`tick`](Self::tick) has something to do without an event.
    pub(super) fn next_wake<T: Transport>(
        &self,
        connections: &Connections<Inbound, T>,
    ) -> Option<Instant> {
        let filters = self.0.as_ref()?;
        let has_requests = !connections.shared().filters.is_empty();
        let now = has_requests.then(|| connections.now());
        now.into_iter().chain(filters.next_wake()).min()
    }
}
