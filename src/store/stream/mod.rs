//! A store behind a stream: a message log that several servers replicate (NATS JetStream), spoken with over one connection.
//!
//! Nothing here knows a socket, or the octets of that protocol. A [`StreamClient`] is what a store does on the connection, sans-IO:
//! the part of the server that has the connection tells it when there is one and what has come, and takes what it has to say.
//!
//! Invariant: nothing is settled before the stream has acknowledged it, and nothing is forgotten that it has not.

pub mod deliveries;
pub mod publisher;
pub mod record;
pub mod server_time;

use std::rc::Rc;
use std::time::Instant;

/// The first part of all subjects of mail: a stream is given `mail.>`.
pub const SUBJECT_PREFIX: &str = "mail";

/// What a store does on a connection to a stream.
pub trait StreamClient {
    /// Takes note that there is a connection to a server of the stream, which keeps what was promised. What was said on an earlier
    /// one and not answered is to be said again.
    fn connected(&mut self, facts: &StreamFacts);

    /// Takes note that the connection is gone.
    fn disconnected(&mut self);

    /// Takes note of whether mail can be taken. Told whenever that changes, and before anything else.
    fn set_state(&mut self, state: StreamState);

    /// Takes a message that was sent to a reply subject of this store, or delivered to it.
    fn received(&mut self, message: StreamMessage);

    /// Says what there is to say, until `out` [is full](StreamOutput::is_full). Called once a tick while there is a connection.
    fn send(&mut self, out: &mut dyn StreamOutput);

    /// Begins nothing new any more. What is under way may finish.
    fn begin_drain(&mut self) {}

    /// Whether nothing is under way for which the end of the server would have to wait.
    fn is_idle(&self) -> bool {
        true
    }
}

/// Facts about a connection to a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamFacts {
    /// The name of the stream.
    pub stream: Rc<str>,
    /// The most octets of headers and payload of one message.
    pub payload_bytes_max: usize,
}

/// Whether a stream takes mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamState {
    /// It does, and keeps what was promised.
    Ready,
    /// It does not.
    Lost {
        /// When that began.
        since: Instant,
        /// Why, as a clause.
        why: Rc<str>,
    },
}

/// A message that a server of the stream has sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamMessage {
    /// The token of the reply subject that it was sent to, if it is an answer: see [`StreamOutput::publish`].
    pub token: Option<Box<str>>,
    /// Its subject.
    pub subject: Box<str>,
    /// The subject that an answer to it goes to.
    pub reply: Option<Box<str>>,
    /// The status of its headers, such as 503 where nobody answers on a subject.
    pub status: Option<u16>,
    /// The fields of its headers, in their order.
    pub headers: Vec<(Box<str>, Box<str>)>,
    /// Its payload.
    pub payload: Box<[u8]>,
    /// Whether it is too long to be taken in: its headers and its payload are left out.
    pub is_left_out: bool,
}

impl StreamMessage {
    /// The value of the first header field of this name, which is compared as it is.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find(|(known, _)| **known == *name)
            .map(|(_, value)| &**value)
    }
}

/// Messages on their way to a server of the stream.
pub trait StreamOutput {
    /// Whether so much is unsent that no more is taken now. One message is always taken whole.
    fn is_full(&self) -> bool;

    /// Publishes a message. Its answer comes to a reply subject that ends in `token`, if one is given: letters and digits, and no
    /// dots, of which `link` begins none. No header holds a line break.
    fn publish(
        &mut self,
        subject: &str,
        token: Option<&str>,
        headers: &[(&str, &str)],
        payload: &[u8],
    );
}
