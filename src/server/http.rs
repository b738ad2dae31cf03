//! HTTP over sockets: its listeners, and the clients that came by them.

use std::io;
use std::time::{Instant, SystemTime};

use super::core::ServerCore;
use super::http_clients::HttpClients;
use super::live::LiveLoop;
use crate::http::access::AccessRules;
use crate::net::carrier::Carrier;
use crate::net::channel::Readiness;
use crate::net::listener::Listener;
use crate::net::listeners::{Listeners, Newcomer};
use crate::net::poller::Poller;
use crate::net::socket::Socket;
use crate::net::token::Token;

/// Listeners for HTTP, and their clients.
pub(super) struct HttpSockets {
    listeners: Listeners<()>,
    clients: HttpClients<Socket>,
    /// Clients that look at the loop.
    live: LiveLoop,
    /// The kind of tokens of clients.
    kind: u8,
    /// Whether there is a client, or may be: without, a tick of the loop pays for no more than to look here.
    is_awake: bool,
}

impl HttpSockets {
    /// Lets clients in, whose time is that of the start of the server. The kinds of tokens are those of the listeners and of the clients.
    pub(super) fn open(
        listeners: Vec<Listener<()>>,
        clients: HttpClients<Socket>,
        poller: &Poller,
        [listener_kind, kind]: [u8; 2],
    ) -> io::Result<Self> {
        Ok(Self {
            listeners: Listeners::open(listeners, poller, listener_kind)?,
            live: LiveLoop::new(clients.now()),
            clients,
            kind,
            is_awake: true,
        })
    }

    /// The rules by which requests are let in.
    pub(super) fn set_access(&mut self, access: AccessRules) {
        self.clients.set_access(access);
    }

    /// The listeners, which stay open through a drain: whoever looks whether the server is ready is to be told.
    pub(super) fn listeners(&self) -> &[Listener<()>] {
        self.listeners.all()
    }

    /// Notes an event of a listener or of a client.
    pub(super) fn on_event(&mut self, token: Token, readiness: Readiness) {
        self.is_awake = true;
        if token.kind == self.kind {
            self.clients.on_event(token.key, readiness);
        } else {
            self.listeners.on_event(token.key);
        }
    }

    /// The instant at which something is to be done without an event.
    pub(super) fn next_wake(&self, now: Instant) -> Option<Instant> {
        let wakes = [self.clients.next_wake(), self.listeners.next_wake(now)];
        wakes.into_iter().flatten().min().filter(|_| self.is_awake)
    }

    /// Whether no client waits for a response, or reads one.
    pub(super) fn is_done(&self) -> bool {
        self.clients.is_done()
    }

    /// One tick, after that of mail: serves clients, answers them from what `core` is now, tells viewers of the tick, and lets others in.
    pub(super) fn tick(&mut self, core: &mut ServerCore<Carrier>, poller: &Poller) {
        let now = core.connections().now();
        let took = Instant::now().saturating_duration_since(now);
        self.clients.note_tick(took);
        if !self.is_awake {
            return;
        }
        self.clients.set_time(now, SystemTime::now());
        self.live.end_tick(core, poller);
        self.clients.tick(core);
        self.live.tell(&mut self.clients, core);
        self.accept(poller, now);
        self.is_awake = !self.clients.is_empty() || self.listeners.next_wake(now).is_some();
    }

    fn accept(&mut self, poller: &Poller, now: Instant) {
        let Self {
            listeners,
            clients,
            kind,
            ..
        } = self;
        listeners.accept(now, |newcomer| {
            let Newcomer {
                mut socket, peer, ..
            } = newcomer;
            if newcomer.is_surplus || !clients.make_room() {
                return clients.refuse(socket, peer);
            }
            let token = Token::new(*kind, clients.next_key());
            match socket.register(poller.registry(), token.into()) {
                Ok(()) => clients.add(socket, peer),
                Err(error) => log::warn!("warning=\"cannot poll a client of HTTP: {error}\""),
            }
        });
    }
}
