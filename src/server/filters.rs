//! Mail filters, as the core of the server sees them.

use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::filters::network::FilterNetwork;
use crate::filters::service::FilterService;
use crate::filters::settings::FilterSettings;
use crate::inbound::{Completion, Inbound, Shared};
use crate::net::channel::Readiness;
use crate::net::connections::Connections;
use crate::net::transport::Transport;

/// How often sessions go on within a tick with what their filters need not reply to.
const ROUNDS_MAX: usize = 4;

/// All filters of a server, where there are any.
pub(super) struct ServerFilters<T>(Option<Box<FilterService<T>>>);

impl<T: Transport> ServerFilters<T> {
    pub(super) fn none() -> Self {
        Self(None)
    }

    /// Whether there were ever any.
    pub(super) fn are_there(&self) -> bool {
        self.0.is_some()
    }

    /// Has new sessions ask these filters, or none, over this network unless there is one already.
    pub(super) fn set(
        &mut self,
        settings: Option<Rc<FilterSettings>>,
        network: Box<dyn FilterNetwork<T>>,
        connections: &mut Connections<Inbound, T>,
    ) {
        let now = connections.now();
        self.0
            .get_or_insert_with(|| Box::new(FilterService::new(network, now)));
        connections.shared_mut().filters.set(settings);
    }

    pub(super) fn set_time(&mut self, now: Instant) {
        if let Some(service) = &mut self.0 {
            service.set_time(now);
        }
    }

    /// Notes an event of the connection with this key.
    pub(super) fn on_event(&mut self, key: usize, readiness: Readiness) {
        if let Some(service) = &mut self.0 {
            service.on_event(key, readiness);
        }
    }

    pub(super) fn begin_drain(&mut self, timeout: Duration) {
        if let Some(service) = &mut self.0 {
            service.begin_drain(timeout);
        }
    }

    /// One tick: filters are told what sessions ask, and sessions what filters have decided.
    pub(super) fn tick(&mut self, connections: &mut Connections<Inbound, T>) {
        let Some(service) = &mut self.0 else {
            return;
        };
        for _ in 0..ROUNDS_MAX {
            let Shared { filters, store, .. } = connections.shared_mut();
            let Some(hold) = store.hold() else {
                debug_assert!(false, "a server with filters has a hold");
                return;
            };
            let mut read = Vec::new();
            while let Some(answer) = hold.take_answer() {
                read.extend(service.take_answer(answer));
            }
            service.tick(filters, hold);
            for answer in read {
                connections.complete(answer.ticket.of_store(), Completion::Held(answer));
            }
            for (ticket, verdict) in service.take_verdicts() {
                connections.complete(ticket, Completion::Verdict(verdict));
            }
            if connections.shared().filters.is_empty() {
                return;
            }
        }
    }

    /// The instant at which [`tick`](Self::tick) has something to do without an event.
    pub(super) fn next_wake(&self, connections: &Connections<Inbound, T>) -> Option<Instant> {
        let service = self.0.as_ref()?;
        let has_requests = !connections.shared().filters.is_empty();
        let now = has_requests.then(|| connections.now());
        now.into_iter().chain(service.next_wake()).min()
    }
}
