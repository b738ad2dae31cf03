//! The place of the connection to a stream, in a build that knows none: there is none, so nothing here ever runs.

use core::marker::PhantomData;
use std::time::{Duration, Instant};

use crate::net::channel::Readiness;
use crate::net::token::Token;
use crate::store::Store;

pub(super) use NoStreamService as StreamService;

/// A connection that cannot be.
pub(super) struct NoStreamService<T>(NoService, PhantomData<T>);

enum NoService {}

impl<T> NoStreamService<T> {
    pub(super) fn set_time(&mut self, _now: Instant) {
        match self.0 {}
    }

    pub(super) fn on_event(&mut self, _token: Token, _readiness: Readiness) -> bool {
        match self.0 {}
    }

    pub(super) fn begin_drain(&mut self, _timeout: Duration) {
        match self.0 {}
    }

    pub(super) fn tick(&mut self, _store: &mut dyn Store) {
        match self.0 {}
    }

    pub(super) fn next_wake(&self) -> Option<Instant> {
        match self.0 {}
    }

    pub(super) fn is_idle(&self) -> bool {
        match self.0 {}
    }
}
