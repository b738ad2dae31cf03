//! The inbox of tests: the last messages, in memory, bounded in number and octets.
//!
//! A message that comes when the inbox is full takes the place of the oldest ones. The newest is always kept, also where it alone is
//! larger than all may be: a test that has sent a message has to find it, and its size has a limit of its own.

mod message;
mod sessions;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

pub use message::CaughtMessage;
pub use sessions::{
    CaughtSession, DIALOGUE_BYTES_MAX, MessageTranscript, SESSIONS_BYTES_MAX, SESSIONS_MAX,
    SessionLog,
};

/// The bounds of an inbox: the oldest messages go first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InboxLimits {
    /// The most messages.
    pub messages_max: usize,
    /// The most octets of memory for their text, envelopes and transcripts together.
    pub bytes_max: usize,
}

/// The last messages that came.
#[derive(Debug)]
pub struct Inbox {
    limits: InboxLimits,
    /// The messages by their number, so the oldest first.
    messages: BTreeMap<u64, Rc<CaughtMessage>>,
    /// The number of each message by its id.
    numbers: HashMap<Rc<str>, u64>,
    /// The octets of memory that they take.
    bytes: usize,
    /// The messages that ever came.
    total: u64,
    generation: u64,
    sessions: Rc<SessionLog>,
}

impl Inbox {
    /// An empty inbox.
    #[must_use]
    pub fn new(limits: InboxLimits) -> Self {
        Self {
            limits,
            messages: BTreeMap::new(),
            numbers: HashMap::new(),
            bytes: 0,
            total: 0,
            generation: 0,
            sessions: Rc::default(),
        }
    }

    /// The bounds.
    #[must_use]
    pub fn limits(&self) -> InboxLimits {
        self.limits
    }

    /// A number that is another after each change of the inbox.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The number of messages in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Whether it holds no message.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// The octets of memory that its messages take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The number of messages that ever came.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The number of messages that nobody has looked at.
    #[must_use]
    pub fn unread(&self) -> usize {
        let messages = self.messages.values();
        messages.filter(|message| !message.is_read.get()).count()
    }

    /// The messages, the newest first.
    pub fn newest_first(&self) -> impl DoubleEndedIterator<Item = &Rc<CaughtMessage>> {
        self.messages.values().rev()
    }

    /// The message that came last.
    #[must_use]
    pub fn latest(&self) -> Option<&Rc<CaughtMessage>> {
        self.newest_first().next()
    }

    /// The message with this id.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<&Rc<CaughtMessage>> {
        self.messages.get(self.numbers.get(id)?)
    }

    /// Takes in a message, which gets the next number. The oldest ones go as far as the bounds want it.
    pub fn add(&mut self, mut message: CaughtMessage) {
        self.total += 1;
        self.generation += 1;
        message.number = self.total;
        self.bytes += message.memory();
        let replaced = self.numbers.insert(message.id.as_str().into(), self.total);
        debug_assert!(replaced.is_none(), "a queue id is used once");
        self.messages.insert(self.total, Rc::new(message));
        while self.messages.len() > 1 && self.is_over_its_bounds() {
            let oldest = self.messages.pop_first();
            self.forget(oldest.map(|(_, message)| message));
        }
    }

    fn is_over_its_bounds(&self) -> bool {
        self.messages.len() > self.limits.messages_max || self.bytes > self.limits.bytes_max
    }

    /// Notes that a message was looked at, or is to be taken for new; whether it is there.
    pub fn mark_read(&mut self, id: &str, is_read: bool) -> bool {
        let Some(message) = self.find(id) else {
            return false;
        };
        let was_read = message.is_read.replace(is_read);
        self.generation += u64::from(was_read != is_read);
        true
    }

    /// Deletes a message; whether it was there.
    pub fn delete(&mut self, id: &str) -> bool {
        let number = self.numbers.get(id);
        let deleted = number.and_then(|number| self.messages.remove(number));
        let was_there = deleted.is_some();
        self.generation += u64::from(was_there);
        self.forget(deleted);
        was_there
    }

    /// Deletes the messages that `keeps` refuses.
    pub fn retain(&mut self, keeps: impl Fn(&CaughtMessage) -> bool) {
        let refused = self.messages.values().filter(|message| !keeps(message));
        let refused: Vec<_> = refused.map(|message| message.number).collect();
        self.generation += u64::from(!refused.is_empty());
        for number in refused {
            let deleted = self.messages.remove(&number);
            self.forget(deleted);
        }
    }

    /// Deletes all messages.
    pub fn clear(&mut self) {
        self.generation += u64::from(!self.messages.is_empty());
        self.messages.clear();
        self.numbers.clear();
        self.bytes = 0;
    }

    /// Forgets what is known of a message that was taken out.
    fn forget(&mut self, message: Option<Rc<CaughtMessage>>) {
        if let Some(message) = message {
            self.bytes -= message.memory();
            self.numbers.remove(message.id.as_str());
        }
    }

    /// The sessions that are going on, and the last ones that stored nothing.
    #[must_use]
    pub fn session_log(&self) -> &Rc<SessionLog> {
        &self.sessions
    }

    /// All sessions that are known, the newest first: those of the log, and those that brought messages which are still here.
    #[must_use]
    pub fn sessions(&self) -> Vec<Rc<CaughtSession>> {
        let mut sessions = self.sessions.all();
        let transcripts = self
            .messages
            .values()
            .filter_map(|it| it.transcript.as_ref());
        sessions.extend(transcripts.map(|transcript| Rc::clone(&transcript.session)));
        sessions.sort_by_key(|session| session.connection);
        sessions.dedup_by_key(|session| session.connection);
        sessions.reverse();
        sessions
    }

    /// What was said in the session of a connection, as the log numbers it; without what led to messages that are gone.
    #[must_use]
    pub fn session_transcript(&self, connection: u64) -> Option<String> {
        let mut sessions = self.sessions().into_iter();
        let session = sessions.find(|session| session.connection == connection)?;
        let transcripts = self
            .messages
            .values()
            .filter_map(|it| it.transcript.as_ref());
        let of_it = transcripts.filter(|it| it.session.connection == connection);
        let mut parts: Vec<_> = of_it
            .map(|transcript| Rc::clone(&transcript.part))
            .collect();
        let last = session.part();
        if !parts.iter().any(|part| Rc::ptr_eq(part, &last)) {
            parts.push(last);
        }
        let parts: String = parts.iter().map(|part| part.text()).collect();
        Some(session.opening.text() + &parts)
    }
}
