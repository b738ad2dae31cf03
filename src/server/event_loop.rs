//! The poll loop.

use std::io::{self, ErrorKind};
use std::mem;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use bytes::BytesMut;
use mio::{Events, Interest, Poll, Token};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook_mio::v1_0::Signals;

use super::cidr::Cidr;
use super::connections::Connections;
use super::peer::PeerAddress;
use super::service_manager::{ServiceManager, State};
use super::store_channel::StoreChannel;
use super::totals::{Reason, Status};
use super::{Limits, descriptors};
use crate::logging;
use crate::net::channel::Readiness;
use crate::net::descriptors::Reserve;
use crate::net::link::StartTls;
use crate::net::listener::{Accepted, BACKLOG, Listener};
use crate::net::socket::Socket;
use crate::net::transport::Transport;
use crate::smtp::event::Limit;
use crate::smtp::policy::Policy;
use crate::smtp::reply::{self, Reply};
use crate::smtp::service::Service;
use crate::store::Store;

/// The most events taken from the kernel in one tick.
const EVENTS_MAX: usize = 1024;
/// The most connections that one listener accepts in one tick.
const ACCEPTS_MAX: usize = 64;
/// How long a listener is left alone after an error that only time can mend.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How soon lines are offered again to a reader of the log that did not take them.
const LOG_RETRY_INTERVAL: Duration = Duration::from_millis(100);

/// How often a service manager is told what there is to do.
const STATUS_INTERVAL: Duration = Duration::from_secs(60);

const SIGNALS: Token = Token(0);
const STORE: Token = Token(1);
/// The first listener; behind the last one come the connections, by their keys.
const LISTENERS: usize = 2;

/// A mail server: one poll, and everything that it tells of.
pub struct Server {
    poll: Poll,
    events: Events,
    signals: Signals,
    listeners: Vec<Listener<Service>>,
    /// The token of the connection whose key is 0.
    first_connection: usize,
    connections: Connections<Socket>,
    /// The pipes to the store process, as long as there is one.
    store_channel: Option<StoreChannel>,
    reserve: Reserve,
    /// Nobody is accepted before this.
    accept_after: Option<Instant>,
    /// Whether a signal asked to end.
    told_to_stop: bool,
    /// Whether a second one asked not to wait for anybody.
    stop_at_once: bool,
    reload_asked: bool,
    started: Instant,
    /// When the service manager is told next what there is to do. Where there is none the loop does not wake for it.
    status_at: Option<Instant>,
    service_manager: ServiceManager,
}

/// Why [`Server::run`] returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// A signal, or enough messages, ended the server.
    Ended,
    /// SIGHUP asked for [`Server::reconfigure`]; connections wait for [`Server::run`] meanwhile.
    ReloadAsked,
}

impl Server {
    /// Makes a server of listeners that are open and a store. Nobody is served before [`run`](Self::run).
    ///
    /// # Errors
    /// The system refuses what every server needs.
    pub fn start(
        mut listeners: Vec<Listener<Service>>,
        policy: Policy,
        limits: Limits,
        store: Box<dyn Store>,
        service_manager: ServiceManager,
    ) -> io::Result<Self> {
        let limits = descriptors::cap(limits);

        let poll = Poll::new()?;
        let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP, SIGUSR1])?;
        poll.registry()
            .register(&mut signals, SIGNALS, Interest::READABLE)?;
        for (index, listener) in listeners.iter_mut().enumerate() {
            listener.register(poll.registry(), Token(LISTENERS + index))?;
        }
        let now = Instant::now();
        let mut connections = Connections::new(Rc::new(policy), limits, store, now);
        let store_channel = connections.take_store_pipes().map(StoreChannel::new);
        if let Some(channel) = &store_channel {
            channel.register(poll.registry(), STORE)?;
        }
        Ok(Self {
            poll,
            events: Events::with_capacity(EVENTS_MAX),
            signals,
            first_connection: LISTENERS + listeners.len(),
            listeners,
            connections,
            store_channel,
            reserve: Reserve::new(),
            accept_after: None,
            told_to_stop: false,
            stop_at_once: false,
            reload_asked: false,
            started: now,
            status_at: service_manager.is_there().then(|| now + STATUS_INTERVAL),
            service_manager,
        })
    }

    /// Where it listens, until it drains.
    pub fn listeners(&self) -> &[Listener<Service>] {
        &self.listeners
    }

    /// Messages stored so far.
    pub fn messages_stored(&self) -> u64 {
        self.connections.messages_stored()
    }

    /// Tells the service manager that clients are served.
    pub fn tell_ready(&self) {
        self.service_manager.tell(State::Ready);
    }

    fn status(&self) -> Status {
        self.connections.status(self.started.elapsed())
    }

    /// Tells the service manager what there is to do.
    fn tell_status(&self) {
        self.service_manager.tell(State::Status(&self.status()));
    }

    /// Tells that once a minute.
    fn tell_status_in_time(&mut self) {
        let now = Instant::now();
        if self.status_at.is_some_and(|at| at <= now) {
            self.status_at = Some(now + STATUS_INTERVAL);
            self.tell_status();
        }
    }

    /// Says whose connections begin with a PROXY header. Nobody else's is believed.
    pub fn set_proxies(&mut self, proxies: Vec<Cidr>) {
        self.connections.set_proxies(proxies);
    }

    /// Says who may say by XCLIENT for whom it speaks.
    pub fn set_spokesmen(&mut self, spokesmen: Vec<Cidr>) {
        self.connections.set_spokesmen(spokesmen);
    }

    /// Says what it takes to begin TLS; whoever has begun goes on as it was.
    pub fn set_tls(&mut self, tls: Option<Rc<dyn StartTls>>) {
        self.connections.set_tls(tls);
    }

    /// Serves until a signal, or enough messages, end it, or until there is something to reload.
    ///
    /// # Errors
    /// Only if poll itself fails.
    pub fn run(&mut self) -> io::Result<Stop> {
        loop {
            self.tick()?;
            let done = self.connections.is_draining() && self.connections.is_empty();
            if done || self.stop_at_once {
                self.connections.log_totals();
                return Ok(Stop::Ended);
            }
            if mem::take(&mut self.reload_asked) {
                return Ok(Stop::ReloadAsked);
            }
        }
    }

    /// Goes on with other rules: `policy` is for new sessions, `limits` are for all.
    pub fn reconfigure(&mut self, policy: Policy, limits: Limits) {
        let limits = descriptors::cap(limits);
        self.connections.reconfigure(Rc::new(policy), limits);
    }

    /// One turn of the loop.
    ///
    /// # Errors
    /// Only if poll itself fails.
    pub fn tick(&mut self) -> io::Result<()> {
        self.poll_readiness()?;
        self.serve_ready();
        self.exchange_with_store();
        self.connections.commit();
        self.connections.expire_deadlines();
        self.connections.reap();
        self.accept();
        self.tell_status_in_time();
        log::logger().flush();
        Ok(())
    }

    /// Waits for events, at most until something is to be done without one.
    fn poll_readiness(&mut self) -> io::Result<()> {
        let now = Instant::now();
        let may_accept = self.listeners.iter().any(|listener| listener.accept_ready);
        let accept = may_accept.then(|| self.accept_after.unwrap_or(now));
        let log = logging::has_backlog().then(|| now + LOG_RETRY_INTERVAL);
        let store = self.has_store_output().then_some(now);
        let wakes = [
            self.connections.next_wake(),
            store,
            accept,
            log,
            self.status_at,
        ];
        let wake = wakes.into_iter().flatten().min();
        let timeout = wake.map(|wake| wake.saturating_duration_since(now));
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        self.connections.set_time(Instant::now(), SystemTime::now());
        Ok(())
    }

    /// Serves who an event tells of, and who has work left from the last tick.
    fn serve_ready(&mut self) {
        let mut signalled = false;
        for event in &self.events {
            let readiness = Readiness::from(event);
            match event.token() {
                SIGNALS => signalled = true,
                STORE => {
                    if let Some(channel) = &mut self.store_channel {
                        channel.note(readiness);
                    }
                }
                Token(token) if token < self.first_connection => {
                    if let Some(listener) = self.listeners.get_mut(token - LISTENERS) {
                        listener.accept_ready = true;
                    }
                }
                Token(token) => self
                    .connections
                    .on_event(token - self.first_connection, readiness),
            }
        }
        self.connections.serve_runnable();
        if signalled {
            self.heed_signals();
        }
    }

    /// Writes what the store client has for the store process, and hands it what has come.
    fn exchange_with_store(&mut self) {
        if let Some(channel) = &mut self.store_channel
            && let Some(client) = self.connections.store_client()
            && let Err(error) = channel.exchange(client)
        {
            // The commit that follows settles what the process had.
            client.disconnected(error);
            self.store_channel = None;
        }
    }

    /// Whether there is something to write to the store process, and room for it.
    fn has_store_output(&mut self) -> bool {
        let client = self.connections.store_client();
        let channel = self.store_channel.as_ref().zip(client);
        channel.is_some_and(|(channel, client)| channel.can_send(client))
    }

    /// The first SIGTERM or SIGINT ends the server in good order, a second one at once.
    fn heed_signals(&mut self) {
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
                    self.connections.start_draining();
                }
            }
        }
    }

    /// Lets in who is waiting, or closes the doors.
    fn accept(&mut self) {
        if self.connections.is_draining() && !self.listeners.is_empty() {
            self.close_doors();
            self.service_manager.tell(State::Stopping);
        }
        let now = Instant::now();
        if self.accept_after.is_some_and(|after| now < after) {
            return;
        }
        if self.accept_after.take().is_some() {
            // What failed then may have been to get the reserve back.
            self.reserve.restore();
        }
        for index in 0..self.listeners.len() {
            for _ in 0..ACCEPTS_MAX {
                if !self.accept_one(index, now) {
                    break;
                }
            }
        }
    }

    /// Lets nobody in any more. Who stands at a door already is told so, unless the door is not ours: whoever
    /// passed it to us keeps it open.
    fn close_doors(&mut self) {
        let listeners = mem::take(&mut self.listeners).into_iter();
        for mut listener in listeners.filter(|listener| !listener.is_inherited()) {
            let service = listener.tag();
            for _ in 0..BACKLOG {
                match listener.accept(&mut self.reserve) {
                    Accepted::Connection(stream, peer) | Accepted::Surplus(stream, peer) => {
                        let (peer, reply) = (peer.into(), reply::SHUTTING_DOWN);
                        self.turn_away(stream, service, peer, reply, Reason::Drain);
                        self.reserve.restore();
                    }
                    Accepted::Aborted => {}
                    Accepted::Nobody | Accepted::Failed(_) => break,
                }
            }
        }
    }

    /// Accepts one connection; whether another one may be waiting.
    fn accept_one(&mut self, index: usize, now: Instant) -> bool {
        let Some(listener) = self.listeners.get_mut(index) else {
            return false;
        };
        if !listener.accept_ready {
            return false;
        }
        let service = listener.tag();
        match listener.accept(&mut self.reserve) {
            Accepted::Connection(stream, peer) => {
                let peer = peer.into();
                match self.connections.limit_for(peer) {
                    None => self.welcome(stream, service, peer),
                    Some(limit) => {
                        let reply = reply::TOO_MANY_CONNECTIONS;
                        self.turn_away(stream, service, peer, reply, Reason::Limit(limit));
                    }
                }
            }
            Accepted::Surplus(stream, peer) => {
                let reply = reply::TOO_MANY_CONNECTIONS;
                let reason = Reason::Limit(Limit::Descriptors);
                self.turn_away(stream, service, peer.into(), reply, reason);
                self.reserve.restore();
            }
            Accepted::Aborted => {}
            Accepted::Nobody => return false,
            Accepted::Failed(error) => {
                log::warn!("warning=\"cannot accept: {error}\"");
                self.accept_after = Some(now + ACCEPT_PAUSE);
                self.reserve.restore();
                return false;
            }
        }
        true
    }

    fn welcome(&mut self, mut stream: Socket, service: Service, peer: PeerAddress) {
        let token = Token(self.first_connection + self.connections.next_key());
        match stream.register(self.poll.registry(), token) {
            Ok(()) => self.connections.add(stream, service, peer),
            Err(error) => log::warn!("warning=\"cannot poll a connection: {error}\" peer={peer}"),
        }
    }

    /// Tells a client why it is not let in, unless it could hear that only in TLS. It goes at once: to wait for it could
    /// need what is lacking.
    fn turn_away(
        &mut self,
        mut stream: Socket,
        service: Service,
        peer: PeerAddress,
        reply: Reply,
        reason: Reason,
    ) {
        let mut farewell = BytesMut::new();
        if !service.begins_with_tls() {
            reply.write(&mut farewell, false);
        }
        let written = stream.write(&farewell).unwrap_or(0);
        self.connections.turned_away(peer, written, reason);
    }
}

impl Drop for Server {
    /// Gives the store its pipes back, so that it waits for the store process.
    fn drop(&mut self) {
        if let Some(channel) = self.store_channel.take() {
            self.connections.return_store_pipes(channel.into_pipes());
        }
    }
}
