//! What was said in the sessions of the inbox: of each message as long as it is there, and of the last sessions that stored nothing.
//!
//! A session has an opening, up to its first `MAIL`, and then parts, each of which ends with a stored message and goes with it. What is
//! kept is bounded for each part, and for all sessions together that have no message.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::SystemTime;

/// The most octets of an opening, and of each part, that are kept. At the end stands `...` where there were more.
pub const DIALOGUE_BYTES_MAX: usize = 32 * 1024;
/// The octets that may follow in a part after its message was stored: its reply, and the end of the session.
const TAIL_BYTES_MAX: usize = 1024;
/// The most sessions that have ended without a message and are kept.
pub const SESSIONS_MAX: usize = 100;
/// The most octets of dialogue that the sessions which go on, and those that have ended without a message, take together.
pub const SESSIONS_BYTES_MAX: usize = 8 * 1024 * 1024;
/// The most characters of a name that a client gives with its hello.
const HELLO_CHARACTERS_MAX: usize = 255;
/// The most characters of the reply that a session is known by.
const REPLY_CHARACTERS_MAX: usize = 512;
/// The octets that a session takes beside its dialogue.
const SESSION_OVERHEAD_BYTES: usize = 512;
/// The line in place of what was too much.
const CUT: &str = "...\n";

/// Lines of a dialogue, each with `C: ` or `S: ` before it.
#[derive(Debug)]
pub(super) struct SessionDialogue {
    text: RefCell<String>,
    /// The most octets of text.
    bytes_max: Cell<usize>,
}

impl Default for SessionDialogue {
    fn default() -> Self {
        Self {
            text: RefCell::default(),
            bytes_max: Cell::new(DIALOGUE_BYTES_MAX),
        }
    }
}

impl SessionDialogue {
    /// The lines.
    pub(super) fn text(&self) -> String {
        self.text.borrow().clone()
    }

    fn len(&self) -> usize {
        self.text.borrow().len()
    }

    /// Appends a line, or notes that there is no more room; returns the octets that it takes.
    fn push(&self, who: char, line: &str) -> usize {
        let mut text = self.text.borrow_mut();
        let before = text.len();
        if before + line.len() + "C: \n".len() + CUT.len() <= self.bytes_max.get() {
            for piece in [who.encode_utf8(&mut [0; 4]), ": ", line, "\n"] {
                text.push_str(piece);
            }
        } else if before < self.bytes_max.get() {
            text.push_str(CUT);
            self.bytes_max.set(0);
        }
        text.len() - before
    }

    /// Takes no more than the tail from now on. What is reserved beyond the text is given back.
    fn finish(&self) {
        let mut text = self.text.borrow_mut();
        text.shrink_to_fit();
        let bytes_max = self.bytes_max.get().min(text.len() + TAIL_BYTES_MAX);
        self.bytes_max.set(bytes_max);
    }
}

/// What was said when a message came.
#[derive(Clone, Debug)]
pub struct MessageTranscript {
    /// The session that brought it.
    pub session: Rc<CaughtSession>,
    /// The part of it that ended with the message.
    pub(super) part: Rc<SessionDialogue>,
    /// The octets that it may take.
    memory: usize,
}

impl MessageTranscript {
    /// The opening of the session, and its part with the message.
    #[must_use]
    pub fn text(&self) -> String {
        self.session.opening.text() + &self.part.text()
    }

    /// The octets of memory that it takes at most.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.memory
    }
}

/// One session, as far as it is kept.
#[derive(Debug)]
pub struct CaughtSession {
    /// The number of its connection, as the log has it.
    pub connection: u64,
    /// The protocol of its listener, as the log has it.
    pub service: &'static str,
    /// The address of its client.
    pub peer: String,
    /// The time at which the client came.
    pub started: SystemTime,
    hello: RefCell<String>,
    messages: Cell<u64>,
    last_refusal: RefCell<String>,
    ended: Cell<Option<&'static str>>,
    /// The lines before the first `MAIL`.
    pub(super) opening: SessionDialogue,
    part: RefCell<Rc<SessionDialogue>>,
    /// Where the next line goes.
    place: Cell<SessionPart>,
    /// The octets of dialogue that no message has taken over.
    loose_bytes: Cell<usize>,
}

/// The part of a session that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SessionPart {
    /// The opening.
    Opening,
    /// A part without a stored message so far.
    Open,
    /// The end of a part whose message was stored.
    Tail,
}

impl CaughtSession {
    fn new(connection: u64, service: &'static str, peer: String, started: SystemTime) -> Self {
        Self {
            connection,
            service,
            peer,
            started,
            hello: RefCell::default(),
            messages: Cell::default(),
            last_refusal: RefCell::default(),
            ended: Cell::default(),
            opening: SessionDialogue::default(),
            part: RefCell::default(),
            place: Cell::new(SessionPart::Opening),
            loose_bytes: Cell::default(),
        }
    }

    /// The name that the client gave with HELO or EHLO; empty if it gave none.
    #[must_use]
    pub fn hello(&self) -> String {
        self.hello.borrow().clone()
    }

    /// The number of messages that were stored.
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.messages.get()
    }

    /// The last reply that refused something; empty if there was none.
    #[must_use]
    pub fn last_refusal(&self) -> String {
        self.last_refusal.borrow().clone()
    }

    /// The reason for which it ended, as the log has it; `None` while it goes on.
    #[must_use]
    pub fn ended(&self) -> Option<&'static str> {
        self.ended.get()
    }

    /// What was said up to its first `MAIL`, and then since the last message before.
    #[must_use]
    pub fn transcript(&self) -> String {
        self.opening.text() + &self.part.borrow().text()
    }

    /// The last part.
    pub(super) fn part(&self) -> Rc<SessionDialogue> {
        Rc::clone(&self.part.borrow())
    }

    /// Notes a line of the client.
    fn client_says(&self, line: &str) -> usize {
        let (verb, argument) = line.split_once(' ').unwrap_or((line, ""));
        let is_hello = ["EHLO", "HELO", "LHLO"];
        if is_hello
            .iter()
            .any(|hello| verb.eq_ignore_ascii_case(hello))
        {
            let name = argument.chars().take(HELLO_CHARACTERS_MAX);
            *self.hello.borrow_mut() = name.collect();
        }
        if verb.eq_ignore_ascii_case("MAIL") && self.place.get() != SessionPart::Open {
            self.part.take();
            self.place.set(SessionPart::Open);
        }
        self.push('C', line)
    }

    /// Notes a line of the server.
    fn server_says(&self, line: &str) -> usize {
        if line.starts_with(['4', '5']) {
            let reply = line.chars().take(REPLY_CHARACTERS_MAX);
            *self.last_refusal.borrow_mut() = reply.collect();
        }
        self.push('S', line)
    }

    /// Appends a line; returns the octets that it takes of those that no message has.
    fn push(&self, who: char, line: &str) -> usize {
        let pushed = match self.place.get() {
            SessionPart::Opening => self.opening.push(who, line),
            SessionPart::Open => self.part.borrow().push(who, line),
            SessionPart::Tail => {
                self.part.borrow().push(who, line);
                return 0;
            }
        };
        self.loose_bytes.set(self.loose_bytes.get() + pushed);
        pushed
    }

    /// Whether there is something to see that is in the transcript of no message.
    fn has_loose_part(&self) -> bool {
        self.messages.get() == 0 || self.place.get() == SessionPart::Open
    }
}

/// The sessions that go on, and the last ones that have ended with something that is in the transcript of no message.
#[derive(Debug, Default)]
pub struct SessionLog {
    open: RefCell<BTreeMap<u64, Rc<CaughtSession>>>,
    /// The oldest first.
    ended: RefCell<VecDeque<Rc<CaughtSession>>>,
    /// The octets of dialogue that no message has taken over.
    loose_bytes: Cell<usize>,
    /// The connection that is served at present.
    served: Cell<u64>,
}

impl SessionLog {
    /// A client has come.
    pub fn begin(&self, connection: u64, service: &'static str, peer: String, now: SystemTime) {
        let session = CaughtSession::new(connection, service, peer, now);
        self.open.borrow_mut().insert(connection, Rc::new(session));
    }

    /// What the store is asked from now on is asked for this connection.
    pub fn serve(&self, connection: u64) {
        self.served.set(connection);
    }

    /// The session for which the store is asked.
    #[must_use]
    pub fn served(&self) -> Option<Rc<CaughtSession>> {
        self.open.borrow().get(&self.served.get()).cloned()
    }

    /// Notes a line of a client.
    pub fn client_says(&self, connection: u64, line: &str) {
        self.note(connection, |session| session.client_says(line));
    }

    /// Notes a line of the server.
    pub fn server_says(&self, connection: u64, line: &str) {
        self.note(connection, |session| session.server_says(line));
    }

    /// Has a session take a line, and the oldest one that has ended go where that is too much; nothing is taken where there is none.
    fn note(&self, connection: u64, take: impl FnOnce(&CaughtSession) -> usize) {
        while self.loose_bytes.get() > SESSIONS_BYTES_MAX {
            let Some(oldest) = self.ended.borrow_mut().pop_front() else {
                return;
            };
            self.drop_loose(&oldest);
        }
        if let Some(session) = self.open.borrow().get(&connection) {
            self.loose_bytes.set(self.loose_bytes.get() + take(session));
        }
    }

    /// A message of this session was stored: it takes its part over.
    #[must_use]
    pub fn stored(&self, session: &Rc<CaughtSession>) -> MessageTranscript {
        let part = session.part();
        part.finish();
        if session.place.replace(SessionPart::Tail) == SessionPart::Open {
            let loose = session.loose_bytes.get() - part.len();
            session.loose_bytes.set(loose);
            self.loose_bytes.set(self.loose_bytes.get() - part.len());
        }
        session.messages.set(session.messages.get() + 1);
        MessageTranscript {
            memory: SESSION_OVERHEAD_BYTES + session.opening.len() + part.len() + TAIL_BYTES_MAX,
            session: Rc::clone(session),
            part,
        }
    }

    /// A connection is removed, for this reason.
    pub fn end(&self, connection: u64, reason: &'static str) {
        let Some(session) = self.open.borrow_mut().remove(&connection) else {
            return;
        };
        session.ended.set(Some(reason));
        session.opening.finish();
        session.part().finish();
        if !session.has_loose_part() {
            self.drop_loose(&session);
            return;
        }
        let mut ended = self.ended.borrow_mut();
        ended.push_back(session);
        if ended.len() > SESSIONS_MAX {
            let oldest = ended.pop_front();
            oldest.iter().for_each(|oldest| self.drop_loose(oldest));
        }
    }

    /// Keeps of a session only what its messages have.
    fn drop_loose(&self, session: &CaughtSession) {
        let loose = session.loose_bytes.take();
        self.loose_bytes.set(self.loose_bytes.get() - loose);
        if session.place.get() == SessionPart::Open {
            session.part.take();
        }
    }

    /// The octets of dialogue that no message has taken over.
    #[must_use]
    pub fn loose_bytes(&self) -> usize {
        self.loose_bytes.get()
    }

    /// The sessions.
    pub(super) fn all(&self) -> Vec<Rc<CaughtSession>> {
        let (open, ended) = (self.open.borrow(), self.ended.borrow());
        open.values().chain(&*ended).cloned().collect()
    }
}
