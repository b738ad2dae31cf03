//! One dialogue of a client with its server, as a driver of the engine.
//!
//! The session decides what is said, and a [`Task`] which messages there are. Here octets go between the session and the
//! engine, TLS begins, a message leaves in parts, and a server that is silent for too long is given up.

use core::mem;
use core::ops::ControlFlow;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::encryption::{Start, TlsStart};
use crate::net::budget::TurnBudget;
use crate::net::driver::{Close, ConnectionFailure, ConnectionId, Driver, Step, Summary, Turn};
use crate::net::lifecycle::Lifecycle;
use crate::net::link::TlsFacts;
use crate::net::probe::{Content, Probe, Seen};
use crate::smtp::client::{ClientEvent, ClientSession, ProtocolError};
use crate::smtp::security::ChannelBindings;

/// The purpose of a dialogue: which messages there are, and what becomes of them.
pub(super) trait Task: Sized {
    /// Everything that the dialogues of this kind work on together.
    type Shared;

    /// The observer of connections, if there is one.
    fn probe(shared: &Self::Shared) -> Option<&Rc<dyn Probe>> {
        let _ = shared;
        None
    }

    /// Notes that there is a connection.
    fn connected(&mut self, shared: &mut Self::Shared) {
        let _ = shared;
    }

    /// Begins what has become due, where the session waits for that.
    fn resume(&mut self, session: &mut ClientSession, turn: &mut TaskTurn<'_, Self>) {
        let _ = (session, turn);
    }

    /// Acts on a reply. The task begins messages and quits; a break ends the dialogue at once.
    fn replied(
        &mut self,
        event: ClientEvent,
        session: &mut ClientSession,
        turn: &mut TaskTurn<'_, Self>,
    ) -> ControlFlow<()>;

    /// Sees what is sent.
    fn sent(
        &mut self,
        bytes: &[u8],
        session: &ClientSession,
        shared: &mut Self::Shared,
    ) -> ControlFlow<()> {
        let _ = (bytes, session, shared);
        ControlFlow::Continue(())
    }

    /// How long the server may be silent now; `None` while nothing is awaited from it.
    fn timeout(&self, shared: &Self::Shared) -> Option<Duration>;

    /// Notes why a dialogue is over that has not come to its end.
    fn failed(&mut self, error: DialogueError, turn: &mut TaskTurn<'_, Self>);

    /// Notes that the connection is removed.
    fn closed(&mut self, summary: &Summary, shared: &mut Self::Shared) {
        let _ = (summary, shared);
    }
}

/// All that a task is lent while it acts.
pub(super) type TaskTurn<'a, T> = Turn<'a, <T as Task>::Shared>;
type DialogueStep<T> = Step<Dialogue<T>>;

/// Why a dialogue broke off.
#[derive(Debug)]
pub(super) enum DialogueError {
    /// There is no connection.
    Dial(io::Error),
    /// The server closed the connection.
    Eof,
    /// The connection failed.
    Socket(io::Error),
    /// The handshake of TLS failed.
    Handshake(io::Error),
    /// The server does not speak SMTP.
    Protocol(ProtocolError),
    /// The server was silent for longer than the [timeout](Task::timeout).
    Timeout,
}

impl DialogueError {
    /// The error in a word.
    fn word(&self) -> &'static str {
        match self {
            Self::Dial(_) => "dial",
            Self::Eof => "eof",
            Self::Socket(_) => "socket",
            Self::Handshake(_) => "handshake",
            Self::Protocol(_) => "protocol",
            Self::Timeout => "timeout",
        }
    }
}

/// One dialogue.
pub(super) struct Dialogue<T> {
    task: T,
    session: ClientSession,
    /// What begins TLS, until its time comes.
    tls: Option<TlsStart>,
    is_handshaking: bool,
    /// The message as it goes over the wire, which many dialogues may share.
    message: Rc<[u8]>,
    /// How much of the message was written, while that goes on.
    written: Option<usize>,
    /// Since when nothing was written and no whole reply came. Parts of a reply are no progress, or a server could make it
    /// trickle for ever.
    silent_since: Instant,
    /// Octets written when that was looked at last.
    bytes_out: u64,
    /// Why it is over, in a word, for observers.
    ending: &'static str,
}

impl<T: Task> Dialogue<T> {
    /// A dialogue that begins once there is a connection.
    pub(super) fn new(
        task: T,
        session: ClientSession,
        tls: Option<TlsStart>,
        message: Rc<[u8]>,
        now: Instant,
    ) -> Self {
        Self {
            task,
            session,
            tls,
            is_handshaking: false,
            message,
            written: None,
            silent_since: now,
            bytes_out: 0,
            ending: "quit",
        }
    }

    /// Tells an observer of a step.
    fn tell(id: ConnectionId, step: Seen<'_>, shared: &T::Shared) {
        if let Some(probe) = T::probe(shared) {
            probe.saw(id, step);
        }
    }

    /// Tells of the state of the session.
    fn tell_state(&self, turn: &TaskTurn<'_, T>) {
        if let Some(probe) = T::probe(turn.shared) {
            probe.saw(turn.id, Seen::State(self.session.state_name()));
        }
    }

    /// Tells how much of the message is left to be written.
    fn tell_left(&self, turn: &TaskTurn<'_, T>) {
        let left = self.unwritten().len();
        Self::tell(turn.id, Seen::OwnText { left }, turn.shared);
    }

    /// Begins TLS, which takes no longer than a reply may.
    fn start_tls(&mut self, turn: &TaskTurn<'_, T>) -> DialogueStep<T> {
        match (self.tls.take(), self.task.timeout(turn.shared)) {
            (Some(tls), Some(timeout)) => {
                self.is_handshaking = true;
                Step::StartTls(tls.connector, timeout)
            }
            _ => {
                debug_assert!(false, "TLS begins once, while the server is waited for");
                Step::Continue
            }
        }
    }

    /// Reads replies and answers them, as far as there are any.
    fn converse(&mut self, input: &mut &[u8], turn: &mut TaskTurn<'_, T>) -> DialogueStep<T> {
        // Without input the session has nothing to say.
        while !input.is_empty() {
            let (before, rest) = (turn.output.len(), *input);
            let next = self.session.next(input, turn.output);
            let used = &rest[..rest.len() - input.len()];
            if !used.is_empty() {
                Self::tell(turn.id, Seen::Used(Content::Reply, used), turn.shared);
            }
            let event = match next {
                Ok(ClientEvent::NeedInput) => break,
                Ok(event) => event,
                Err(error) => return self.break_off(DialogueError::Protocol(error), turn),
            };
            self.silent_since = turn.now;
            let replied = self.task.replied(event, &mut self.session, turn);
            if replied.is_break() || self.tell_sent(before, turn).is_break() {
                return close();
            }
            match event {
                ClientEvent::StartTls => return self.start_tls(turn),
                ClientEvent::SendMessage => {
                    debug_assert!(!self.message.is_empty(), "a message has an end line");
                    self.written = Some(0);
                    self.tell_left(turn);
                }
                ClientEvent::Closed => {
                    let dropped = mem::take(input);
                    if !dropped.is_empty() {
                        Self::tell(turn.id, Seen::Used(Content::Dropped, dropped), turn.shared);
                    }
                    return Step::Continue;
                }
                _ => {}
            }
        }
        self.go_on()
    }

    /// Goes on with the message, as long as there is more of it. Meanwhile the server may object.
    fn go_on(&self) -> DialogueStep<T> {
        match self.written {
            Some(_) => Step::Write,
            None => Step::Continue,
        }
    }

    /// Tells the task of the output that came to be since it had `before` octets.
    fn tell_sent(&mut self, before: usize, turn: &mut TaskTurn<'_, T>) -> ControlFlow<()> {
        let bytes = &turn.output[before..];
        if bytes.is_empty() {
            return ControlFlow::Continue(());
        }
        self.silent_since = turn.now;
        let said = match self.session.is_logging_in() {
            true => Seen::SaidCredentials(bytes),
            false => Seen::Said(bytes),
        };
        Self::tell(turn.id, said, turn.shared);
        self.task.sent(bytes, &self.session, turn.shared)
    }

    /// Notes octets that have left since this was looked at last: a server that takes them is not silent.
    fn note_written(&mut self, turn: &TaskTurn<'_, T>) -> bool {
        let has_written = turn.bytes_out > self.bytes_out;
        if has_written {
            self.bytes_out = turn.bytes_out;
            self.silent_since = turn.now;
        }
        has_written
    }

    fn break_off(&mut self, error: DialogueError, turn: &mut TaskTurn<'_, T>) -> DialogueStep<T> {
        self.ending = error.word();
        self.task.failed(error, turn);
        close()
    }
}

/// Ends with what the socket takes at once: whether its server hears of it changes nothing any more.
fn close<T: Task>() -> DialogueStep<T> {
    Step::Close(Close::now(()))
}

impl<T: Task> Driver for Dialogue<T> {
    type Shared = T::Shared;
    type Ticket = ();
    type Completion = ();
    type Reason = ();

    const READS_AFTER_FAILED_WRITE: bool = true;

    fn opened(&mut self, turn: &mut TaskTurn<'_, T>) -> DialogueStep<T> {
        self.silent_since = turn.now;
        self.task.connected(turn.shared);
        match &self.tls {
            Some(tls) if tls.start == Start::AtOnce => self.start_tls(turn),
            _ => Step::Continue,
        }
    }

    fn input(&mut self, input: &mut &[u8], turn: &mut TaskTurn<'_, T>) -> DialogueStep<T> {
        self.note_written(turn);
        let before = turn.output.len();
        self.task.resume(&mut self.session, turn);
        let step = match self.tell_sent(before, turn) {
            ControlFlow::Continue(()) => self.converse(input, turn),
            ControlFlow::Break(()) => close(),
        };
        self.tell_state(turn);
        step
    }

    fn eof(&mut self, turn: &mut TaskTurn<'_, T>) -> DialogueStep<T> {
        self.break_off(DialogueError::Eof, turn)
    }

    fn secured(&mut self, facts: &TlsFacts, turn: &mut TaskTurn<'_, T>) -> DialogueStep<T> {
        self.is_handshaking = false;
        self.silent_since = turn.now;
        let bindings = ChannelBindings {
            exporter: facts.exporter,
            end_point: facts.end_point.clone(),
        };
        let before = turn.output.len();
        self.session.secured(bindings, turn.output);
        self.tell_state(turn);
        match self.tell_sent(before, turn) {
            ControlFlow::Continue(()) => Step::Continue,
            ControlFlow::Break(()) => close(),
        }
    }

    fn unwritten(&self) -> &[u8] {
        self.written.map_or(&[], |written| &self.message[written..])
    }

    fn wrote(&mut self, count: usize, turn: &mut TaskTurn<'_, T>) -> DialogueStep<T> {
        self.note_written(turn);
        let before = self.written.unwrap_or(0);
        let written = before + count;
        self.written = Some(written).filter(|written| *written < self.message.len());
        if self.written.is_none() {
            self.session.message_sent();
        }
        self.tell_left(turn);
        self.tell_state(turn);
        let bytes = &self.message[before..written];
        match self.task.sent(bytes, &self.session, turn.shared) {
            ControlFlow::Continue(()) => self.go_on(),
            ControlFlow::Break(()) => close(),
        }
    }

    fn deadline(&self, shared: &T::Shared) -> Option<Instant> {
        let timeout = self.task.timeout(shared)?;
        Some(self.silent_since + timeout)
    }

    fn expired(&mut self, turn: &mut TaskTurn<'_, T>) -> Option<DialogueStep<T>> {
        if self.note_written(turn) {
            return None;
        }
        Some(self.break_off(DialogueError::Timeout, turn))
    }

    fn failed(&mut self, failure: ConnectionFailure, turn: &mut TaskTurn<'_, T>) {
        let error = match failure {
            ConnectionFailure::Dial(error) => DialogueError::Dial(error),
            ConnectionFailure::Handshake(error) => DialogueError::Handshake(error),
            ConnectionFailure::HandshakeTimeout => DialogueError::Timeout,
            ConnectionFailure::Socket(error) if self.is_handshaking => {
                DialogueError::Handshake(error)
            }
            ConnectionFailure::Socket(error) => DialogueError::Socket(error),
        };
        self.ending = error.word();
        self.task.failed(error, turn);
    }

    fn begins_turn(&self, id: ConnectionId, budget: TurnBudget, shared: &T::Shared) -> TurnBudget {
        Self::tell(id, Seen::Served, shared);
        budget
    }

    fn entered(&mut self, id: ConnectionId, _: Lifecycle, now: Lifecycle, shared: &mut T::Shared) {
        Self::tell(id, Seen::Entered(now), shared);
    }

    fn closed(&mut self, (): &(), summary: &Summary, shared: &mut T::Shared) {
        let closed = Seen::Closed(self.ending, summary.bytes_in, summary.bytes_out);
        Self::tell(summary.id, closed, shared);
        self.task.closed(summary, shared);
    }
}
