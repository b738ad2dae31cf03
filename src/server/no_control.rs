//! The place of the control socket in a build without it: there is none, so nothing here ever runs.

use std::io::{self, ErrorKind};
use std::time::Instant;

use super::core::ServerCore;
use crate::net::channel::Readiness;
use crate::net::listener::Listener;
use crate::net::poller::Poller;
use crate::net::token::Token;
use crate::net::transport::Transport;

pub(super) use NoControlSocket as ControlSocket;

/// A control socket that cannot be.
pub(super) enum NoControlSocket {}

impl NoControlSocket {
    /// Opens none.
    pub(super) fn open(
        _listeners: Vec<Listener<()>>,
        _poller: &Poller,
        _kinds: [u8; 2],
        _started: Instant,
    ) -> io::Result<Self> {
        Err(ErrorKind::Unsupported.into())
    }

    pub(super) fn on_event(&mut self, _token: Token, _readiness: Readiness) {
        match *self {}
    }

    pub(super) fn next_wake(&self, _now: Instant) -> Option<Instant> {
        match *self {}
    }

    pub(super) fn is_done(&mut self) -> bool {
        match *self {}
    }

    pub(super) fn tick<T: Transport>(&mut self, _core: &mut ServerCore<T>, _poller: &Poller) {
        match *self {}
    }
}
