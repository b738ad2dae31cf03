//! The event loop: the poll, and what it tells of.
//!
//! One turn of it, [`Server::tick`], is the whole program:
//!
//! ```text
//! poll readiness → serve ready connections → commit the store once → expire deadlines → reap and accept
//! ```

use std::io;
use std::mem;
use std::time::{Duration, Instant, SystemTime};

use mio::Interest;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook_mio::v1_0::Signals;

use super::control::ControlSocket;
use super::core::ServerCore;
use super::descriptors;
use super::probe::CoreProbe;
use super::service_manager::{ManagerState, ServiceManager};
use crate::inbound::metrics::ServerStatus;
use crate::inbound::{Rejection, Rules};
use crate::logging;
use crate::net::carrier::Carrier;
use crate::net::listener::Listener;
use crate::net::listeners::{Listeners, Newcomer};
use crate::net::peer::PeerAddress;
use crate::net::poller::Poller;
use crate::net::socket::Socket;
use crate::net::token::Token;
use crate::smtp::event::Limit;
use crate::smtp::service::Service;
use crate::store::Store;

/// Interval at which lines are offered again to a reader of the log that did not take them.
const LOG_RETRY_INTERVAL: Duration = Duration::from_millis(100);
/// Interval at which a service manager is told the status.
const STATUS_INTERVAL: Duration = Duration::from_secs(60);

/// The kinds of tokens.
const SIGNALS: u8 = 0;
const STORE: u8 = 1;
const LISTENER: u8 = 2;
const CONNECTION: u8 = 3;
const CONTROL_LISTENER: u8 = 4;
const CONTROL: u8 = 5;

/// A mail server: one poll, and everything that it tells of.
pub struct Server {
    poller: Poller,
    signals: Signals,
    listeners: Listeners<Service>,
    /// The control socket, if there is one.
    control: Option<Box<ControlSocket>>,
    core: ServerCore<Carrier>,
    /// Whether a signal asked to end.
    told_to_stop: bool,
    /// Whether a second one asked not to wait for anybody.
    stop_at_once: bool,
    reload_asked: bool,
    started: Instant,
    /// The instant at which the service manager is told the status next. Without one the loop does not wake for it.
    status_at: Option<Instant>,
    service_manager: ServiceManager,
}

/// Why [`Server::run`] returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// A signal, or enough messages, ended the server.
    Ended,
    /// SIGHUP asked for [`Server::reload`]; connections wait for [`Server::run`] meanwhile.
    ReloadAsked,
}

impl Server {
    /// Makes a server of listeners that are open and a store, which `probe` watches. Nobody is served before [`run`](Self::run).
    ///
    /// # Errors
    /// The system refuses what every server needs.
    pub fn start(
        listeners: Vec<Listener<Service>>,
        mut rules: Rules,
        store: Box<dyn Store>,
        service_manager: ServiceManager,
        probe: Option<Box<dyn CoreProbe>>,
    ) -> io::Result<Self> {
        rules.limits = descriptors::cap(rules.limits);
        let poller = Poller::new()?;
        let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP, SIGUSR1])?;
        let registry = poller.registry();
        let token = Token::new(SIGNALS, 0).into();
        registry.register(&mut signals, token, Interest::READABLE)?;
        let now = Instant::now();
        let mut core = match probe {
            Some(probe) => ServerCore::watched(rules, store, now, probe),
            None => ServerCore::new(rules, store, now),
        };
        if let Some(channel) = core.store_channel() {
            channel.register(registry, Token::new(STORE, 0).into())?;
        }
        let listeners = Listeners::open(listeners, &poller, LISTENER)?;
        Ok(Self {
            poller,
            signals,
            listeners,
            core,
            control: None,
            told_to_stop: false,
            stop_at_once: false,
            reload_asked: false,
            started: now,
            status_at: service_manager.is_there().then(|| now + STATUS_INTERVAL),
            service_manager,
        })
    }

    /// Lets clients of the control socket in, until the end.
    ///
    /// # Errors
    /// The system refuses to poll it.
    pub fn open_control(&mut self, listener: Listener<()>) -> io::Result<()> {
        let kinds = [CONTROL_LISTENER, CONTROL];
        let control = ControlSocket::open(listener, &self.poller, kinds, self.started)?;
        self.control = Some(Box::new(control));
        Ok(())
    }

    /// Serves clients of the control socket, where there is one.
    fn serve_control(&mut self) {
        if let Some(control) = &mut self.control {
            control.tick(&self.core, &self.poller);
        }
    }

    /// The listeners, until the server drains.
    pub fn listeners(&self) -> &[Listener<Service>] {
        self.listeners.all()
    }

    /// Messages stored so far.
    pub fn messages_stored(&self) -> u64 {
        self.core.messages_stored()
    }

    /// Tells the service manager that clients are served.
    pub fn tell_ready(&self) {
        self.service_manager.tell(ManagerState::Ready);
    }

    fn status(&self) -> ServerStatus {
        self.core.status(self.started.elapsed())
    }

    /// Tells the service manager the status.
    fn tell_status(&self) {
        self.service_manager
            .tell(ManagerState::Status(&self.status()));
    }

    /// Tells the service manager the status once a minute.
    fn tell_status_in_time(&mut self) {
        let now = Instant::now();
        if self.status_at.is_some_and(|at| at <= now) {
            self.status_at = Some(now + STATUS_INTERVAL);
            self.tell_status();
        }
    }

    /// Serves until a signal, or enough messages, end it, or until there is something to reload.
    ///
    /// # Errors
    /// Only if the poll itself fails.
    pub fn run(&mut self) -> io::Result<Stop> {
        loop {
            self.tick()?;
            let done = self.core.is_draining() && self.core.is_empty();
            if done || self.stop_at_once {
                self.core.log_metrics();
                return Ok(Stop::Ended);
            }
            if mem::take(&mut self.reload_asked) {
                return Ok(Stop::ReloadAsked);
            }
        }
    }

    /// Goes on with other rules.
    pub fn reload(&mut self, mut rules: Rules) {
        rules.limits = descriptors::cap(rules.limits);
        self.core.reload(rules);
    }

    /// One turn of the loop.
    ///
    /// # Errors
    /// Only if the poll itself fails.
    pub fn tick(&mut self) -> io::Result<()> {
        self.poll_readiness()?;
        self.core.tick(|_, _| {});
        self.accept();
        self.serve_control();
        if let Some(probe) = self.core.probe() {
            probe.poll();
        }
        self.tell_status_in_time();
        log::logger().flush();
        Ok(())
    }

    /// Waits for events, at most until something is to be done without one, and notes what they tell.
    fn poll_readiness(&mut self) -> io::Result<()> {
        let now = Instant::now();
        let log = logging::has_backlog().then(|| now + LOG_RETRY_INTERVAL);
        let accept = self.listeners.next_wake(now);
        let probe = self.core.probe().and_then(|probe| probe.next_wake(now));
        let core = self.core.next_wake();
        let wakes = [core, accept, log, probe, self.status_at];
        let mut wake = wakes.into_iter().flatten().min();
        if let Some(control) = &self.control {
            wake = wake.into_iter().chain(control.next_wake(now)).min();
        }
        self.poller
            .wait(wake.map(|wake| wake.saturating_duration_since(now)))?;
        self.core.set_time(Instant::now(), SystemTime::now());
        let mut signalled = false;
        for (token, readiness) in self.poller.events() {
            match token.kind {
                SIGNALS => signalled = true,
                LISTENER => self.listeners.on_event(token.key),
                CONNECTION => self.core.on_event(token.key, readiness),
                STORE => {
                    if let Some(channel) = self.core.store_channel() {
                        channel.note(readiness);
                    }
                }
                CONTROL_LISTENER | CONTROL => {
                    if let Some(control) = &mut self.control {
                        control.on_event(token, readiness);
                    }
                }
                kind => debug_assert!(false, "no source is of kind {kind}"),
            }
        }
        if signalled {
            self.handle_signals();
        }
        Ok(())
    }

    /// The first SIGTERM or SIGINT ends the server gracefully, a second one at once.
    fn handle_signals(&mut self) {
        for signal in self.signals.pending() {
            match signal {
                SIGHUP => self.reload_asked = true,
                SIGUSR1 => {
                    log::info!("status {}", self.status());
                    self.tell_status();
                }
                _ if self.told_to_stop => self.stop_at_once = true,
                _ => {
                    self.told_to_stop = true;
                    self.core.ask_to_drain();
                }
            }
        }
    }

    /// Lets clients in, or stops listening once a drain has begun.
    fn accept(&mut self) {
        if self.core.is_draining() && !self.listeners.all().is_empty() {
            self.stop_listening();
        }
        let Self {
            listeners,
            core,
            poller,
            ..
        } = self;
        listeners.accept(Instant::now(), |newcomer| {
            let refusal = if newcomer.is_surplus {
                Some(Rejection::Limit(Limit::Descriptors))
            } else {
                core.refusal_for(newcomer.peer)
            };
            match refusal {
                Some(refusal) => refuse(newcomer, core, refusal),
                None => add(newcomer, core, poller),
            }
        });
    }

    /// Clients that wait to be accepted are told of the drain; no others come.
    fn stop_listening(&mut self) {
        let core = &mut self.core;
        self.listeners
            .close(|newcomer| refuse(newcomer, core, Rejection::Drain));
        self.service_manager.tell(ManagerState::Stopping);
    }
}

fn add(newcomer: Newcomer<Service>, core: &mut ServerCore<Carrier>, poller: &Poller) {
    let Newcomer {
        mut socket,
        tag: service,
        peer,
        ..
    } = newcomer;
    let token = Token::new(CONNECTION, core.next_key());
    match socket.register(poller.registry(), token.into()) {
        Ok(()) => {
            let transport = carrier(socket, peer, core);
            core.add(transport, service, peer);
        }
        Err(error) => log::warn!("warning=\"cannot poll a connection: {error}\" peer={peer}"),
    }
}

fn refuse(newcomer: Newcomer<Service>, core: &mut ServerCore<Carrier>, why: Rejection) {
    let Newcomer {
        socket,
        tag: service,
        peer,
        ..
    } = newcomer;
    let transport = carrier(socket, peer, core);
    core.refuse(transport, service, peer, why);
}

/// The transport of the next connection, watched where there is a probe.
fn carrier(socket: Socket, peer: PeerAddress, core: &mut ServerCore<Carrier>) -> Carrier {
    let connection = core.next_connection();
    let transport = Carrier::Socket(socket);
    match core.probe() {
        Some(probe) => probe.carry(transport, connection, peer),
        None => transport,
    }
}
