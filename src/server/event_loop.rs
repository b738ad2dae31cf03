//! The event loop: the poll, and what it tells of.
//!
//! One turn of it, [`Server::tick`], is the whole program:
//!
//! ```text
//! poll readiness → serve ready connections → commit the store once → expire deadlines → reap and accept
//! ```

use std::io;
use std::mem;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use mio::Interest;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook_mio::v1_0::Signals;

use super::beside::ServicesBeside;
use super::core::ServerCore;
use super::descriptors;
#[cfg(feature = "http")]
use super::http_clients::HttpClients;
use super::probe::CoreProbe;
use super::service_manager::{ManagerState, ServiceManager};
use super::tokens::{CONNECTION, FILTER, LISTENER, NETWORK, SIGNALS, STORE, STREAM};
#[cfg(feature = "http")]
use crate::http::access::AccessRules;
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
use crate::smtp::policy::Policy;
use crate::smtp::service::Service;
use crate::store::Store;

/// Interval at which lines are offered again to a reader of the log that did not take them.
const LOG_RETRY_INTERVAL: Duration = Duration::from_millis(100);
/// Interval at which a service manager is told the status.
const STATUS_INTERVAL: Duration = Duration::from_secs(60);

/// A mail server: one poll, and everything that it tells of.
pub struct Server {
    pub(super) poller: Poller,
    signals: Signals,
    listeners: Listeners<Service>,
    beside: ServicesBeside,
    pub(super) core: ServerCore<Carrier>,
    /// Whether a signal asked to end.
    pub(super) told_to_stop: bool,
    /// Whether a second one asked not to wait for anybody.
    stop_at_once: bool,
    reload_asked: bool,
    started: Instant,
    /// The instant at which the service manager is told the status next. Without one the loop does not wake for it.
    status_at: Option<Instant>,
    /// Whether it was told of a store that takes no mail.
    told_of_loss: bool,
    /// Whether it is told that clients are served as soon as the store takes mail.
    is_ready_awaited: bool,
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
        register_store(&mut core, &poller);
        let listeners = Listeners::open(listeners, &poller, LISTENER)?;
        Ok(Self {
            poller,
            signals,
            listeners,
            core,
            beside: ServicesBeside::default(),
            told_to_stop: false,
            stop_at_once: false,
            reload_asked: false,
            started: now,
            status_at: service_manager.is_there().then(|| now + STATUS_INTERVAL),
            told_of_loss: false,
            is_ready_awaited: false,
            service_manager,
        })
    }

    /// Lets clients of these control sockets in, until the end.
    ///
    /// # Errors
    /// The system refuses to poll it.
    pub fn open_control(&mut self, listeners: Vec<Listener<()>>) -> io::Result<()> {
        let (poller, started) = (&self.poller, self.started);
        self.beside.open_control(listeners, poller, started)
    }

    /// Lets clients of HTTP in by these rules, so many at a time, until the end.
    ///
    /// # Errors
    /// The system refuses to poll the listeners.
    #[cfg(feature = "http")]
    pub fn open_http(
        &mut self,
        listeners: Vec<Listener<()>>,
        access: AccessRules,
        clients_max: usize,
    ) -> io::Result<()> {
        let store = self.core.measure();
        let mut clients = HttpClients::new(access, clients_max, store, self.started);
        let all = self.listeners.all().iter();
        clients.set_listening(all.map(|it| format!("{} {}", it.tag(), it.address())));
        self.beside.open_http(listeners, clients, &self.poller)
    }

    /// Lets requests in by other rules.
    #[cfg(feature = "http")]
    pub fn set_http_access(&mut self, access: AccessRules) {
        if let Some(http) = self.beside.http_mut() {
            http.set_access(access);
        }
    }

    /// The listeners for HTTP.
    pub fn http_listeners(&self) -> &[Listener<()>] {
        self.beside.http().map_or(&[], |http| http.listeners())
    }

    /// The rules of new sessions.
    pub fn policy(&self) -> Rc<Policy> {
        Rc::clone(&self.core.rules().policy)
    }

    /// The listeners, until the server drains.
    pub fn listeners(&self) -> &[Listener<Service>] {
        self.listeners.all()
    }

    /// Messages stored so far.
    pub fn messages_stored(&self) -> u64 {
        self.core.messages_stored()
    }

    /// Tells the service manager that clients are served, now or once the store takes mail for the first time.
    pub fn tell_when_ready(&mut self) {
        self.is_ready_awaited = true;
        self.tell_ready();
    }

    fn tell_ready(&mut self) {
        let is_ready = self.core.store_lost_since().is_none() && !self.core.is_draining();
        if is_ready && mem::take(&mut self.is_ready_awaited) {
            self.service_manager.tell(ManagerState::Ready);
        }
    }

    fn status(&self) -> ServerStatus {
        self.core.status(self.started.elapsed())
    }

    /// Logs the status, and tells the service manager.
    fn log_status(&self) {
        log::info!("status {}", self.status());
        for (policy, result, count) in self.core.tls_results() {
            log::info!("tls policy={policy} result={result} sessions={count}");
        }
        self.tell_status();
    }

    /// Tells the service manager the status.
    fn tell_status(&self) {
        self.service_manager
            .tell(ManagerState::Status(&self.status()));
    }

    /// Tells the service manager the status once a minute, and whenever the store is lost or found.
    fn tell_status_in_time(&mut self) {
        let now = Instant::now();
        let is_lost = self.core.store_lost_since().is_some();
        let is_news = mem::replace(&mut self.told_of_loss, is_lost) != is_lost;
        if self.status_at.is_some_and(|at| is_news || at <= now) {
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
            let mail_is_done = self.core.is_draining() && self.core.is_empty();
            let done = mail_is_done && self.beside.is_done(&self.core);
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
        register_store(&mut self.core, &self.poller);
        self.accept();
        self.beside.tick(&mut self.core, &self.poller);
        if let Some(probe) = self.core.probe() {
            probe.poll();
        }
        self.tell_ready();
        self.tell_status_in_time();
        log::logger().flush();
        Ok(())
    }

    /// Waits for events, at most until something is to be done without one, and notes what they tell.
    pub(super) fn poll_readiness(&mut self) -> io::Result<()> {
        let now = Instant::now();
        let log = logging::has_backlog().then(|| now + LOG_RETRY_INTERVAL);
        let accept = self.listeners.next_wake(now);
        let probe = self.core.probe().and_then(|probe| probe.next_wake(now));
        let core = self.core.next_wake();
        let beside = self.beside.next_wake(now);
        let wakes = [core, accept, log, probe, beside, self.status_at];
        let wake = wakes.into_iter().flatten().min();
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
                    if let Some(channel) = self.core.store_channel(token.key) {
                        channel.note(readiness);
                    }
                }
                FILTER => self.core.on_filter_event(token.key, readiness),
                kind if NETWORK.contains(&kind) => self.core.on_network_event(token, readiness),
                kind if STREAM.contains(&kind) => self.core.on_stream_event(token, readiness),
                _ => self.beside.on_event(token, readiness),
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
                    self.log_status();
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

/// Has the poll tell of the pipes to store processes that were started since.
fn register_store(core: &mut ServerCore<Carrier>, poller: &Poller) {
    core.register_store(|process, channel| {
        channel.register(poller.registry(), Token::new(STORE, process).into())
    });
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
