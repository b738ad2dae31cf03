//! The desk between the connections to servers of a stream and the service that makes them: what has come, and what is to be said.

use std::collections::VecDeque;
use std::mem;
use std::rc::Rc;

use super::info::ServerInfo;
use super::say;
use super::settings::StreamError;
use crate::net::driver::ConnectionName;
use crate::store::stream::{StreamMessage, StreamOutput};

/// The most octets of messages that wait to be taken; one more is always let in.
pub const INBOX_BYTES_MAX: usize = 1024 * 1024;
/// The most messages that wait to be taken.
pub const INBOX_MESSAGES_MAX: usize = 4096;
/// With so much news no more complaints are kept.
const EVENTS_MAX: usize = 16;
/// Octets of memory that a field of headers takes beside its text.
const FIELD_BYTES: usize = 32;
/// With so many octets unsent no more is taken.
pub const OUTBOX_BYTES_MAX: usize = 256 * 1024;

/// The number of an attempt to have a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkAttempt(pub u64);

/// News of a connection.
#[derive(Clone, Debug)]
pub enum LinkEvent {
    /// It is there, and messages may be sent.
    Opened(ConnectionName, Box<ServerInfo>),
    /// Facts about the server or its cluster have changed.
    Changed(Box<ServerInfo>),
    /// The server does not let us do something.
    Forbidden(Box<str>),
    /// It is over.
    Closed(StreamError),
}

/// All that the connections to servers share. Only the present attempt is heard.
#[derive(Debug, Default)]
pub struct StreamDesk {
    /// The present attempt.
    pub attempt: LinkAttempt,
    /// The subject of answers, without the token and the dot before it.
    pub inbox_subject: Rc<str>,
    events: Vec<LinkEvent>,
    inbox: VecDeque<StreamMessage>,
    inbox_bytes: usize,
    outbox: Vec<u8>,
    /// Octets that the connection has taken from the outbox and not written.
    unwritten: usize,
}

impl StreamDesk {
    /// A desk for answers to this subject.
    #[must_use]
    pub fn new(inbox_subject: Rc<str>) -> Self {
        Self {
            inbox_subject,
            ..Self::default()
        }
    }

    /// Begins another attempt, to which nothing of the one before is left but messages that have come.
    pub fn begin_attempt(&mut self) -> LinkAttempt {
        self.attempt.0 += 1;
        self.events.clear();
        self.outbox.clear();
        self.unwritten = 0;
        self.attempt
    }

    /// Takes news of an attempt.
    pub fn tell(&mut self, attempt: LinkAttempt, event: LinkEvent) {
        if attempt != self.attempt {
            return;
        }
        // A server may say either as often as it likes.
        let is_much = self.events.len() >= EVENTS_MAX;
        match (&event, self.events.last_mut()) {
            (LinkEvent::Changed(_), Some(last @ LinkEvent::Changed(_))) => *last = event,
            (LinkEvent::Forbidden(_), _) if is_much => {}
            _ => self.events.push(event),
        }
    }

    /// The news since the last call.
    pub fn take_events(&mut self) -> Vec<LinkEvent> {
        mem::take(&mut self.events)
    }

    /// Whether messages are to be taken before more may come.
    #[must_use]
    pub fn is_inbox_full(&self) -> bool {
        self.inbox_bytes >= INBOX_BYTES_MAX || self.inbox.len() >= INBOX_MESSAGES_MAX
    }

    /// Takes in a message that has come; the token is taken from its subject.
    pub fn put_message(&mut self, mut message: StreamMessage) {
        let token = message.subject.strip_prefix(&*self.inbox_subject);
        message.token = token
            .and_then(|token| token.strip_prefix('.'))
            .map(Into::into);
        self.inbox_bytes += octets(&message);
        self.inbox.push_back(message);
    }

    /// The next message that has come.
    pub fn take_message(&mut self) -> Option<StreamMessage> {
        let message = self.inbox.pop_front()?;
        self.inbox_bytes -= octets(&message);
        Some(message)
    }

    /// Whether news or messages wait to be taken.
    #[must_use]
    pub fn has_news(&self) -> bool {
        !self.inbox.is_empty() || !self.events.is_empty()
    }

    /// Octets that are not written.
    #[must_use]
    pub fn unsent(&self) -> usize {
        self.outbox.len() + self.unwritten
    }

    /// Whether there is something that the connection has not taken.
    #[must_use]
    pub fn has_output(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// Exchanges what is to be said for an empty buffer, whose memory is used again.
    pub(super) fn take_output(&mut self, written: &mut Vec<u8>) {
        written.clear();
        mem::swap(&mut self.outbox, written);
    }

    /// Takes note of what the connection has not written.
    pub(super) fn set_unwritten(&mut self, attempt: LinkAttempt, octets: usize) {
        if attempt == self.attempt {
            self.unwritten = octets;
        }
    }
}

impl StreamOutput for StreamDesk {
    fn is_full(&self) -> bool {
        self.unsent() >= OUTBOX_BYTES_MAX
    }

    fn publish(
        &mut self,
        subject: &str,
        token: Option<&str>,
        headers: &[(&str, &str)],
        payload: &[u8],
    ) {
        let reply = token.map(|token| format!("{}.{token}", self.inbox_subject));
        let out = &mut self.outbox;
        say::publish(subject, reply.as_deref(), headers, payload, out);
    }
}

/// The octets of a message, about.
fn octets(message: &StreamMessage) -> usize {
    let headers = message.headers.iter();
    let headers = headers.map(|(name, value)| FIELD_BYTES + name.len() + value.len());
    message.subject.len() + message.payload.len() + headers.sum::<usize>()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    fn message(subject: &str, bytes: usize) -> StreamMessage {
        StreamMessage {
            subject: subject.into(),
            payload: vec![0; bytes].into(),
            ..StreamMessage::default()
        }
    }

    #[test]
    fn an_answer_has_the_token_of_its_subject() {
        let mut desk = StreamDesk::new("_INBOX.x".into());
        for subject in ["_INBOX.x.17", "mail.message.17", "_INBOX.xy.17"] {
            desk.put_message(message(subject, 0));
        }
        let mut token = || desk.take_message().unwrap().token;
        assert_eq!(token().as_deref(), Some("17"));
        assert_eq!(token(), None);
        assert_eq!(token(), None);
    }

    #[test]
    fn an_inbox_is_full_by_octets_or_by_number() {
        let mut desk = StreamDesk::default();
        desk.put_message(message("", INBOX_BYTES_MAX));
        assert!(desk.is_inbox_full());
        desk.take_message().unwrap();
        assert!(!desk.is_inbox_full());
        for _ in 0..INBOX_MESSAGES_MAX {
            assert!(!desk.is_inbox_full());
            desk.put_message(message("", 0));
        }
        assert!(desk.is_inbox_full());
    }

    #[test]
    fn news_that_is_said_without_end_is_bounded() {
        let mut desk = StreamDesk::default();
        let attempt = desk.begin_attempt();
        for number in 0..10_000 {
            let info = ServerInfo {
                payload_bytes_max: number,
                ..ServerInfo::default()
            };
            desk.tell(attempt, LinkEvent::Changed(Box::new(info)));
            desk.tell(attempt, LinkEvent::Forbidden("no".into()));
        }
        let error = StreamError::Unreachable("gone".to_owned());
        desk.tell(attempt, LinkEvent::Closed(error));
        let events = desk.take_events();
        assert!(events.len() <= EVENTS_MAX + 2, "{}", events.len());
        let [.., LinkEvent::Changed(info), LinkEvent::Closed(_)] = &events[..] else {
            panic!("{events:?}");
        };
        assert_eq!(info.payload_bytes_max, 9999);
    }

    #[test]
    fn an_attempt_that_is_over_is_not_heard() {
        let mut desk = StreamDesk::default();
        let old = desk.begin_attempt();
        desk.publish("mail.a", None, &[], b"x");
        desk.tell(old, LinkEvent::Forbidden("a".into()));
        let new = desk.begin_attempt();
        desk.tell(old, LinkEvent::Forbidden("b".into()));
        desk.set_unwritten(old, 7);
        assert_eq!((desk.unsent(), desk.take_events().len()), (0, 0));
        desk.tell(new, LinkEvent::Forbidden("c".into()));
        assert_eq!(desk.take_events().len(), 1);
    }
}
