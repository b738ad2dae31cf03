//! The services beside mail: each has its own listeners and clients, in the same event loop.

use std::io;
use std::time::Instant;

use super::control::ControlSocket;
use super::core::ServerCore;
use super::http::HttpSockets;
#[cfg(feature = "http")]
use super::http_clients::HttpClients;
use super::tokens::{CONTROL, HTTP};
use crate::net::carrier::Carrier;
use crate::net::channel::Readiness;
use crate::net::listener::Listener;
use crate::net::poller::Poller;
#[cfg(feature = "http")]
use crate::net::socket::Socket;
use crate::net::token::Token;

/// The services beside mail, as far as there are any.
#[derive(Default)]
pub(super) struct ServicesBeside {
    control: Option<Box<ControlSocket>>,
    http: Option<Box<HttpSockets>>,
}

impl ServicesBeside {
    /// Lets clients of these control sockets in, until the end.
    pub(super) fn open_control(
        &mut self,
        listeners: Vec<Listener<()>>,
        poller: &Poller,
        started: Instant,
    ) -> io::Result<()> {
        let control = ControlSocket::open(listeners, poller, CONTROL, started)?;
        self.control = Some(Box::new(control));
        Ok(())
    }

    /// Lets clients of HTTP in, until the end.
    #[cfg(feature = "http")]
    pub(super) fn open_http(
        &mut self,
        listeners: Vec<Listener<()>>,
        clients: HttpClients<Socket>,
        poller: &Poller,
    ) -> io::Result<()> {
        let http = HttpSockets::open(listeners, clients, poller, HTTP)?;
        self.http = Some(Box::new(http));
        Ok(())
    }

    /// HTTP, if anybody listens for it.
    pub(super) fn http(&self) -> Option<&HttpSockets> {
        self.http.as_deref()
    }

    /// HTTP, if anybody listens for it, to be changed.
    #[cfg(feature = "http")]
    pub(super) fn http_mut(&mut self) -> Option<&mut HttpSockets> {
        self.http.as_deref_mut()
    }

    /// The instant at which something is to be done without an event.
    pub(super) fn next_wake(&self, now: Instant) -> Option<Instant> {
        let control = self.control.as_ref().and_then(|it| it.next_wake(now));
        let http = self.http.as_ref().and_then(|it| it.next_wake(now));
        control.into_iter().chain(http).min()
    }

    /// Notes an event, if it is of one of them.
    pub(super) fn on_event(&mut self, token: Token, readiness: Readiness) {
        if CONTROL.contains(&token.kind) {
            if let Some(control) = &mut self.control {
                control.on_event(token, readiness);
            }
        } else if HTTP.contains(&token.kind) {
            if let Some(http) = &mut self.http {
                http.on_event(token, readiness);
            }
        } else {
            debug_assert!(false, "no source is of kind {}", token.kind);
        }
    }

    /// One tick of each, after that of mail.
    pub(super) fn tick(&mut self, core: &mut ServerCore<Carrier>, poller: &Poller) {
        if let Some(control) = &mut self.control {
            control.tick(core, poller);
        }
        if let Some(http) = &mut self.http {
            http.tick(core, poller);
        }
    }

    /// Whether the end of the server would cut nobody off. An operator who waits to hear of a change has until the end of the drain.
    pub(super) fn is_done(&mut self, core: &ServerCore<Carrier>) -> bool {
        let control = self.control.as_mut();
        let is_told = core.connections().is_time_up() || control.is_none_or(|it| it.is_done());
        is_told && self.http.as_ref().is_none_or(|http| http.is_done())
    }
}
