//! Everything that the connections of HTTP work on together.

use std::collections::VecDeque;
use std::mem;
use std::rc::Rc;
use std::time::SystemTime;

use bytes::Bytes;

use super::access::AccessRules;
use super::date::HttpDate;
use super::request::HttpRequest;
use super::response::HttpAnswer;
use crate::net::driver::{ConnectionId, ConnectionName};

/// Everything that the connections of HTTP work on together: their questions to the server, one each at most.
#[derive(Debug, Default)]
pub struct HttpShared {
    /// The rules by which requests are let in.
    pub access: AccessRules,
    /// Whether the last [event](HttpNews::Event) was taken.
    pub is_event_taken: bool,
    pub(super) date: HttpDate,
    pub(super) questions: VecDeque<HttpQuestion>,
    /// Connections whose request is to be asked again once there is news.
    pub(super) waiting: Vec<ConnectionName>,
    /// Connections that are told events.
    pub(super) viewers: Vec<ConnectionName>,
    /// Octets of all responses that their clients have yet to read, but for the text of messages.
    pub(super) unread_bytes: usize,
}

/// The name of a question: the id of its connection, which has one at a time.
pub type HttpTicket = u64;

/// A request that the server is to answer.
#[derive(Clone, Debug)]
pub struct HttpQuestion {
    /// The name under which it is answered.
    pub ticket: HttpTicket,
    /// The request.
    pub request: Rc<HttpRequest>,
    /// Whether it was answered before, by [`HttpAnswer::Wait`].
    pub is_again: bool,
    /// Whether [`HttpAnswer::Wait`] is no answer any more.
    pub is_last: bool,
}

/// News for a connection.
#[derive(Debug)]
pub enum HttpNews {
    /// The answer to its question.
    Answer(HttpAnswer),
    /// Something has changed that its request may have waited for: it is to ask again.
    AskAgain,
    /// An event of the stream that it is told.
    Event(Bytes),
    /// There is no room for a connection that asks nothing: it is to end.
    MakeRoom,
    /// The server is about to end: so are streams, and connections that ask nothing.
    Drain,
}

impl HttpShared {
    /// Connections that are let in by these rules.
    #[must_use]
    pub fn new(access: AccessRules) -> Self {
        Self {
            access,
            ..Self::default()
        }
    }

    /// Tells what time it is.
    pub fn set_wall(&mut self, wall: SystemTime) {
        self.date.set(wall);
    }

    /// The number of questions that wait for their answers.
    #[must_use]
    pub fn questions(&self) -> usize {
        self.questions.len()
    }

    /// Takes the question that has waited longest.
    pub fn take_question(&mut self) -> Option<HttpQuestion> {
        self.questions.pop_front()
    }

    /// Whether requests wait for news.
    #[must_use]
    pub fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Takes the connections whose requests wait for news.
    #[must_use]
    pub fn take_waiting(&mut self) -> Vec<ConnectionName> {
        mem::take(&mut self.waiting)
    }

    /// The connections that are told events.
    #[must_use]
    pub fn viewers(&self) -> &[ConnectionName] {
        &self.viewers
    }

    /// Forgets a connection.
    pub(super) fn forget(&mut self, connection: ConnectionId) {
        self.waiting.retain(|name| name.id() != connection);
        self.viewers.retain(|name| name.id() != connection);
    }
}
