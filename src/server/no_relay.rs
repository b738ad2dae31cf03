//! The place of mail that is sent on, in a build that sends none: there is none, so nothing here ever runs.

use core::marker::PhantomData;
use std::time::{Duration, Instant, SystemTime};

use crate::net::channel::Readiness;
use crate::net::token::Token;
use crate::store::Store;

pub(super) use NoOutbound as Outbound;

/// Something that cannot be.
pub struct NoOutbound<T>(Never, PhantomData<T>);

enum Never {}

impl<T> NoOutbound<T> {
    pub(super) fn set_time(&mut self, _now: Instant, _wall: SystemTime) {
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

    pub(super) fn next_timer(&self) -> Option<Instant> {
        match self.0 {}
    }

    pub(super) fn queued(&self) -> usize {
        match self.0 {}
    }

    pub(super) fn counts(&self) -> [usize; 2] {
        match self.0 {}
    }

    pub(super) fn tls_results(&self) -> Vec<(&'static str, &'static str, u64)> {
        match self.0 {}
    }

    pub(super) fn is_idle(&self) -> bool {
        match self.0 {}
    }
}
