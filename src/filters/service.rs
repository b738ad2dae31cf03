//! Filters within the loop: connections to them, and the sessions that ask, once a tick.

use std::collections::{BTreeSet, HashMap};
use std::mem;
use std::time::{Duration, Instant};

use super::answers::{FilterAnswer, SessionFilters};
use super::desk::{FilterDesk, FilterExchangeId};
use super::link::FilterLink;
use super::log::FilterLog;
use super::network::FilterNetwork;
use super::requests::{FilterRequest, FilterRequests, FilterSessionId, SessionStep};
use super::session::{FilterSession, FilterWork};
use super::settings::FilterTarget;
use crate::net::channel::Readiness;
use crate::net::connections::Connections;
use crate::net::endpoint::SocketAddress;
use crate::net::peer::PeerAddress;
use crate::net::transport::Transport;
use crate::store::Store;
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
    answers: Vec<FilterAnswer>,
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
            answers: Vec::new(),
            now,
        }
    }

    /// Takes what was read of a message on hold, if a session here waits for it. Gives it back otherwise.
    fn take_read(&mut self, mut answer: HoldAnswer) -> Option<HoldAnswer> {
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

    fn take(&mut self, request: FilterRequest, hold: &mut Hold) {
        match request {
            FilterRequest::Open(id, settings, service) => {
                let log = FilterLog::new(id.connection);
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
                        answers: &mut self.answers,
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
            answers: &mut self.answers,
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

impl<T: Transport> SessionFilters for FilterService<T> {
    fn set_time(&mut self, now: Instant) {
        self.now = now;
        self.links.set_time(now);
    }

    fn on_event(&mut self, key: usize, readiness: Readiness) {
        self.links.on_event(key, readiness);
    }

    /// Takes in what filters have said and sessions ask, and has filters told.
    fn answer(
        &mut self,
        requests: &mut FilterRequests,
        store: &mut dyn Store,
    ) -> Vec<FilterAnswer> {
        let Some(hold) = store.hold() else {
            debug_assert!(false, "a server with filters has a hold");
            return Vec::new();
        };
        while let Some(answer) = hold.take_answer() {
            let of_client = self.take_read(answer).map(FilterAnswer::Held);
            self.answers.extend(of_client);
        }
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
        mem::take(&mut self.answers)
    }

    fn next_wake(&self) -> Option<Instant> {
        let busy = (!self.busy.is_empty()).then_some(self.now);
        busy.into_iter().chain(self.links.next_wake()).min()
    }

    fn begin_drain(&mut self, timeout: Duration) {
        self.links.begin_drain(timeout);
    }
}
