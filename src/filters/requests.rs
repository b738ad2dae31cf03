//! What the sessions of clients ask of their filters.

use std::collections::VecDeque;
use std::rc::Rc;

use super::settings::{FilterSettings, FilterTarget};
use crate::net::driver::ConnectionId;
use crate::net::peer::PeerAddress;
use crate::smtp::service::Service;
use crate::store::Ticket;
use crate::store::hold::HeldText;

/// Tickets of verdicts begin here: those of a store count from 1, and never come so far.
const FIRST_TICKET: u64 = 1 << 63;

/// The name of a session that has filters: one connection may have one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FilterSessionId {
    /// Its number among all.
    pub number: u64,
    /// Its connection.
    pub connection: ConnectionId,
}

/// A step of a session that its filters decide on.
#[derive(Debug)]
pub enum SessionStep {
    /// The client has connected.
    Connect {
        /// Its name.
        name: Box<str>,
        /// Its address.
        address: PeerAddress,
    },
    /// HELO, EHLO or LHLO, with the name of the client.
    Hello(Rc<str>),
    /// MAIL: the sender in its brackets, and the parameters.
    Sender(Vec<Box<[u8]>>),
    /// RCPT: the recipient in its brackets, and the parameters.
    Recipient(Vec<Box<[u8]>>),
    /// DATA, or the first BDAT.
    Data,
    /// A command that is unknown, without its line end.
    Unknown(Box<[u8]>),
    /// A message that has come whole.
    Message(HeldText),
}

/// Names and values of macros, which filters are told with a step.
pub type MacroValues = Vec<(&'static str, Box<str>)>;

/// A request of a session.
#[derive(Debug)]
pub enum FilterRequest {
    /// A session begins, which has these filters.
    Open(FilterSessionId, Rc<FilterSettings>, Vec<Rc<FilterTarget>>),
    /// The verdict on a step is wanted, with these macros from now on.
    Ask(FilterSessionId, Ticket, MacroValues, SessionStep),
    /// The transaction is over without a message.
    Abort(FilterSessionId),
    /// The session is over.
    Close(FilterSessionId),
}

impl FilterRequest {
    /// The session that it is of.
    #[must_use]
    pub fn session(&self) -> FilterSessionId {
        match self {
            Self::Open(session, ..)
            | Self::Ask(session, ..)
            | Self::Abort(session)
            | Self::Close(session) => *session,
        }
    }
}

/// An observer of all requests, told of each before it waits to be taken.
pub trait FilterWatch {
    /// Told of a request.
    fn asked(&self, request: &FilterRequest);
}

/// All requests that wait to be taken, once a tick.
#[derive(Default)]
pub struct FilterRequests {
    settings: Option<Rc<FilterSettings>>,
    watch: Option<Rc<dyn FilterWatch>>,
    requests: VecDeque<FilterRequest>,
    sessions: u64,
    tickets: u64,
}

impl FilterRequests {
    /// Has new sessions ask these filters; `None` for no filter at all.
    pub fn set(&mut self, settings: Option<Rc<FilterSettings>>) {
        self.settings = settings;
    }

    /// Has all requests observed from here on, or none.
    pub fn watch(&mut self, watch: Option<Rc<dyn FilterWatch>>) {
        self.watch = watch;
    }

    /// Begins a session of a client with this connection, on a listener for this service; `None` if that has no filters.
    pub fn open(&mut self, connection: ConnectionId, service: Service) -> Option<FilterSessionId> {
        let settings = self.settings.as_ref()?;
        let targets = settings.of(service);
        if targets.is_empty() {
            return None;
        }
        self.sessions += 1;
        let session = FilterSessionId {
            number: self.sessions,
            connection,
        };
        let request = FilterRequest::Open(session, Rc::clone(settings), targets.to_vec());
        self.push(request);
        Some(session)
    }

    /// Asks for the verdict on a step.
    pub fn ask(
        &mut self,
        session: FilterSessionId,
        macros: MacroValues,
        step: SessionStep,
    ) -> Ticket {
        self.tickets += 1;
        let ticket = Ticket(FIRST_TICKET + self.tickets);
        self.push(FilterRequest::Ask(session, ticket, macros, step));
        ticket
    }

    /// Ends the transaction of a session, which may begin another one.
    pub fn abort(&mut self, session: FilterSessionId) {
        self.push(FilterRequest::Abort(session));
    }

    /// Ends a session.
    pub fn close(&mut self, session: FilterSessionId) {
        self.push(FilterRequest::Close(session));
    }

    fn push(&mut self, request: FilterRequest) {
        if let Some(watch) = &self.watch {
            watch.asked(&request);
        }
        self.requests.push_back(request);
    }

    /// Takes the next request.
    pub fn take(&mut self) -> Option<FilterRequest> {
        self.requests.pop_front()
    }

    /// Whether a request waits to be taken.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }
}
