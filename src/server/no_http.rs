//! The place of HTTP in a build without it: nobody listens for that, so nothing here ever runs.

use std::time::Instant;

use super::core::ServerCore;
use crate::net::carrier::Carrier;
use crate::net::channel::Readiness;
use crate::net::listener::Listener;
use crate::net::poller::Poller;
use crate::net::token::Token;

pub(super) use NoHttpSockets as HttpSockets;

/// Listeners for HTTP that cannot be.
pub(super) enum NoHttpSockets {}

impl NoHttpSockets {
    pub(super) fn listeners(&self) -> &[Listener<()>] {
        match *self {}
    }

    pub(super) fn on_event(&mut self, _token: Token, _readiness: Readiness) {
        match *self {}
    }

    pub(super) fn next_wake(&self, _now: Instant) -> Option<Instant> {
        match *self {}
    }

    pub(super) fn is_done(&self) -> bool {
        match *self {}
    }

    pub(super) fn tick(&mut self, _core: &mut ServerCore<Carrier>, _poller: &Poller) {
        match *self {}
    }
}
