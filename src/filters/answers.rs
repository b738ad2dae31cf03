//! What sessions are answered, once a tick, and by what.

use std::rc::Rc;
use std::time::{Duration, Instant};

use super::requests::{FilterRequests, FilterSessionId, FilterWatch};
use super::verdict::FilterVerdict;
use crate::net::channel::Readiness;
use crate::store::hold::HoldAnswer;
use crate::store::{Store, Ticket};

/// An answer to a session.
#[derive(Debug)]
pub enum FilterAnswer {
    /// Text of its message, which the hold was asked for.
    Held(HoldAnswer),
    /// What its filters have decided.
    Verdict(FilterSessionId, Ticket, FilterVerdict),
}

/// What answers sessions: filters, or what stands around them or in their place.
pub trait SessionFilters {
    /// Tells what time it is, once a tick.
    fn set_time(&mut self, now: Instant) {
        let _ = now;
    }

    /// Notes an event of the connection with this key.
    fn on_event(&mut self, key: usize, readiness: Readiness) {
        let _ = (key, readiness);
    }

    /// Takes what sessions ask, and returns what they are answered now. Called again within a tick where answers have led to requests.
    fn answer(&mut self, requests: &mut FilterRequests, store: &mut dyn Store)
    -> Vec<FilterAnswer>;

    /// The instant at which it has something to do without an event.
    fn next_wake(&self) -> Option<Instant> {
        None
    }

    /// Begins nothing new any more. What is under way may finish within this time.
    fn begin_drain(&mut self, timeout: Duration) {
        let _ = timeout;
    }

    /// The observer of requests, if it has one.
    fn watch(&self) -> Option<Rc<dyn FilterWatch>> {
        None
    }
}
