//! The engine: one poll, listeners, and connections of one kind.

use std::io;
use std::time::Instant;

use mio::{Interest, Registry};

use super::channel::Readiness;
use super::connections::Connections;
use super::driver::Driver;
use super::listener::Listener;
use super::listeners::{Listeners, Newcomer};
use super::peer::PeerAddress;
use super::poller::Poller;
use super::socket::Socket;
use super::token::Token;

/// The kinds of tokens that the engine keeps for itself; those of a program's own sources are greater.
const LISTENER: u8 = 0;
const CONNECTION: u8 = 1;

/// One poll, listeners whose newcomers it accepts, and connections with a driver of kind `D`. The listeners are tagged with
/// what tells a program of several apart.
pub struct Engine<D: Driver, S = ()> {
    poller: Poller,
    listeners: Listeners<S>,
    connections: Connections<D, Socket>,
}

impl<D: Driver, S: Copy> Engine<D, S> {
    /// An engine whose connections will work on `shared`. Clients are let in to these listeners from now on.
    ///
    /// # Errors
    /// There is no poll, or another program listens on one of the addresses.
    pub fn new(listeners: Vec<Listener<S>>, shared: D::Shared) -> io::Result<Self> {
        let poller = Poller::new()?;
        Ok(Self {
            listeners: Listeners::open(listeners, &poller, LISTENER)?,
            poller,
            connections: Connections::new(shared, Instant::now()),
        })
    }

    /// The connections.
    pub fn connections(&mut self) -> &mut Connections<D, Socket> {
        &mut self.connections
    }

    /// Registers a source of the program's own, such as its signals, which is told of by [`tick`](Self::tick). Its kind is
    /// greater than 1.
    ///
    /// # Errors
    /// As epoll_ctl(2).
    pub fn register(&self, source: &mut impl mio::event::Source, token: Token) -> io::Result<()> {
        debug_assert!(token.kind > CONNECTION, "the engine has this kind itself");
        let registry: &Registry = self.poller.registry();
        registry.register(source, token.into(), Interest::READABLE)
    }

    /// Takes in a connection whose dial has begun, until `deadline` at the latest.
    ///
    /// # Errors
    /// As epoll_ctl(2).
    pub fn dial(
        &mut self,
        mut socket: Socket,
        driver: D,
        peer: PeerAddress,
        deadline: Instant,
    ) -> io::Result<()> {
        let token = Token::new(CONNECTION, self.connections.next_key());
        socket.register(self.poller.registry(), token.into())?;
        self.connections.dial(socket, driver, peer, deadline);
        Ok(())
    }

    /// One turn of the event loop: poll readiness, until `wake` at the latest → serve ready connections → expire deadlines →
    /// reap and accept. `welcome` makes the driver of a newcomer, or lets it go; `foreign` is told of events of sources of the
    /// program's own.
    ///
    /// # Errors
    /// Only if the poll itself fails.
    pub fn tick(
        &mut self,
        wake: Option<Instant>,
        mut welcome: impl FnMut(&Newcomer<S>, &D::Shared) -> Option<D>,
        mut foreign: impl FnMut(Token, Readiness),
    ) -> io::Result<()> {
        let Self {
            poller,
            listeners,
            connections,
        } = self;
        let now = Instant::now();
        let wakes = [wake, connections.next_wake(), listeners.next_wake(now)];
        let wake = wakes.into_iter().flatten().min();
        poller.wait(wake.map(|wake| wake.saturating_duration_since(now)))?;
        connections.set_time(Instant::now());
        for (token, readiness) in poller.events() {
            match token.kind {
                LISTENER => listeners.on_event(token.key),
                CONNECTION => connections.on_event(token.key, readiness),
                _ => foreign(token, readiness),
            }
        }
        connections.tick(|_| {}, |_, _| {});
        listeners.accept(connections.now(), |mut newcomer| {
            let Some(driver) = welcome(&newcomer, connections.shared()) else {
                return;
            };
            let token = Token::new(CONNECTION, connections.next_key());
            match newcomer.socket.register(poller.registry(), token.into()) {
                Ok(()) => connections.add(newcomer.socket, driver, newcomer.peer, true),
                Err(error) => log::warn!("warning=\"cannot poll a connection: {error}\""),
            }
        });
        Ok(())
    }
}
