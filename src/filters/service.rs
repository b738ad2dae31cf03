//! Filters within the loop: connections to them, and the sessions that ask, once a tick.

use std::collections::{BTreeSet, HashMap};
use std::mem;
use std::time::{Duration, Instant};

use super::desk::{FilterDesk, FilterExchangeId};
use super::link::FilterLink;
use super::log::FilterLog;
use super::network::FilterNetwork;
use super::requests::{FilterRequest, FilterRequests, FilterSessionId, SessionStep};
use super::session::{FilterSession, FilterWork};
use super::settings::FilterTarget;
use super::verdict::FilterVerdict;
use crate::net::channel::Readiness;
use crate::net::connections::Connections;
use crate::net::endpoint::SocketAddress;
use crate::net::peer::PeerAddress;
use crate::net::transport::Transport;
use crate::store::Ticket;
use crate::store::hold::{Hold, HoldAnswer};

/// All filters of a server.
pub struct FilterService<T> {
    network: Box<dyn FilterNetwork<T>>,
    links: Connections<FilterLink, T>,
    sessions: HashMap<FilterSessionId, FilterSession>,
    /// Sessions that have something to do.
    busy: BTreeSet<FilterSessionId>,
    /// Sessions with a message that filters look at.
    looking: BTreeSet<FilterSessionId>,
    /// Sessions that wait for room where a new body is put aside.
    held_back: BTreeSet<FilterSessionId>,
    verdicts: Vec<(Ticket, FilterVerdict)>,
    now: Instant,
}

impl<T: Transport> FilterService<T> {
    /// A service that connects as sessions ask.
    #[must_use]
    pub fn new(network: Box<dyn FilterNetwork<T>>, now: Instant) -> Self {
        Self {
            network,
            links: Connections::new(FilterDesk::default(), now),
            sessions: HashMap::new(),
            busy: BTreeSet::new(),
            looking: BTreeSet::new(),
            held_back: BTreeSet::new(),
            verdicts: Vec::new(),
            now,
        }
    }

    /// Tells what time it is, once a tick.
    pub fn set_time(&mut self, now: Instant) {
        self.now = now;
        self.links.set_time(now);
    }

    /// Notes an event of the connection with this key.
    pub fn on_event(&mut self, key: usize, readiness: Readiness) {
        self.links.on_event(key, readiness);
    }

    /// Takes what was read of a message on hold, if a session here waits for it. Gives it back otherwise.
    pub fn take_answer(&mut self, mut answer: HoldAnswer) -> Option<HoldAnswer> {
        for id in &self.looking {
            let Some(session) = self.sessions.get_mut(id) else {
                continue;
            };
            match session.take_answer(answer) {
                None => {
                    self.busy.insert(*id);
                    return None;
                }
                Some(other) => answer = other,
            }
        }
        Some(answer)
    }

    /// One tick: takes in what filters have said and sessions ask, and has filters told.
    pub fn tick(&mut self, requests: &mut FilterRequests, hold: &mut Hold) {
        self.links.tick(|_| {}, |_, _| {});
        self.busy.extend(self.links.shared_mut().take_news());
        while let Some(request) = requests.take() {
            self.take(request, hold);
        }
        if !hold.is_congested() {
            self.busy.append(&mut self.held_back);
        }
        for id in mem::take(&mut self.busy) {
            self.with(id, hold, FilterSession::run);
            let session = self.sessions.get(&id);
            if session.is_none_or(|session| !session.is_looking()) {
                self.looking.remove(&id);
            }
            if session.is_some_and(FilterSession::is_held_back) {
                self.held_back.insert(id);
            }
        }
        for name in self.links.shared_mut().take_woken() {
            self.links.wake(name);
        }
        if self.links.shared_mut().take_room() {
            self.links.end_congestion();
        }
        // What could be written at once makes room at once.
        self.busy.extend(self.links.shared_mut().take_news());
    }

    /// Takes the verdicts of this tick.
    pub fn take_verdicts(&mut self) -> Vec<(Ticket, FilterVerdict)> {
        mem::take(&mut self.verdicts)
    }

    /// The instant at which [`tick`](Self::tick) has something to do without an event.
    #[must_use]
    pub fn next_wake(&self) -> Option<Instant> {
        let busy = (!self.busy.is_empty()).then_some(self.now);
        busy.into_iter().chain(self.links.next_wake()).min()
    }

    /// Begins nothing new any more. What is under way may finish within this time.
    pub fn begin_drain(&mut self, timeout: Duration) {
        self.links.begin_drain(timeout);
    }

    fn take(&mut self, request: FilterRequest, hold: &mut Hold) {
        match request {
            FilterRequest::Open(id, connection, settings, service) => {
                let log = FilterLog::new(connection);
                let session = FilterSession::new(id, settings, service, log);
                self.sessions.insert(id, session);
            }
            FilterRequest::Ask(id, ticket, macros, step) => {
                if let Some(session) = self.sessions.get_mut(&id) {
                    if let SessionStep::Message(_) = step {
                        self.looking.insert(id);
                    }
                    session.ask(ticket, macros, step);
                    self.busy.insert(id);
                }
            }
            FilterRequest::Abort(id) => self.with(id, hold, FilterSession::abort),
            FilterRequest::Close(id) => {
                if let Some(session) = self.sessions.remove(&id) {
                    let mut work = FilterWork {
                        desk: self.links.shared_mut(),
                        hold,
                        dials: &mut Vec::new(),
                        verdicts: &mut self.verdicts,
                        now: self.now,
                    };
                    session.close(&mut work);
                }
            }
        }
    }

    /// Has a session work, and makes the connections that it needs.
    fn with(
        &mut self,
        id: FilterSessionId,
        hold: &mut Hold,
        act: impl FnOnce(&mut FilterSession, &mut FilterWork<'_>),
    ) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let mut dials = Vec::new();
        let mut work = FilterWork {
            desk: self.links.shared_mut(),
            hold,
            dials: &mut dials,
            verdicts: &mut self.verdicts,
            now: self.now,
        };
        act(session, &mut work);
        let timeout = session.settings().connect_timeout;
        for (exchange, target) in dials {
            self.dial(exchange, &target, timeout);
        }
    }

    /// Begins a connection to the first address of a filter at which that does not fail at once.
    fn dial(&mut self, exchange: FilterExchangeId, target: &FilterTarget, timeout: Duration) {
        let deadline = self.now + timeout;
        let mut fault = "its name has no address".to_owned();
        for address in &target.addresses {
            let key = self.links.next_key();
            match self.network.connect(address, key) {
                Ok(transport) => {
                    let peer = match address {
                        SocketAddress::Tcp(address) => (*address).into(),
                        SocketAddress::Unix(_) => PeerAddress::Unix,
                    };
                    self.links.shared_mut().set_deadline(exchange, deadline);
                    let driver = FilterLink::new(exchange);
                    self.links.dial(transport, driver, peer, deadline);
                    return;
                }
                Err(error) => fault = error.to_string(),
            }
        }
        self.links.shared_mut().over(exchange, &fault);
        self.busy.extend(self.links.shared_mut().take_news());
    }
}
