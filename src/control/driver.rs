//! The driver of one connection to the control socket.

use std::collections::VecDeque;
use std::mem;
use std::time::{Duration, Instant};

use bytes::BytesMut;

use super::command::{self, COMMANDS, ControlCommand, ControlRequest};
use super::{COMMAND_BYTES_MAX, END_LINE, ERROR_PREFIX, GREETING};
use crate::net::driver::{Close, ConnectionFailure, Driver, Ending, Step, Turn, Wait};

/// Time for a client to read something of what it was told.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
/// Time for the disk to come up with what an answer needs.
const PAUSE: Duration = Duration::from_millis(2);
/// The work of a command line, whatever its answer costs.
const COMMAND_WORK: u32 = 64;

/// Everything that the connections to a control socket work on together: their questions to the server, one each at most.
#[derive(Debug, Default)]
pub struct ControlShared {
    requests: VecDeque<(ControlTicket, ControlRequest)>,
}

/// The name of a question: the id of its connection, which has one at a time.
pub type ControlTicket = u64;

/// A part of an answer, of a bounded size.
#[derive(Debug)]
pub struct AnswerPart {
    /// Whole lines.
    pub text: BytesMut,
    /// What comes after them.
    pub next: NextPart,
}

/// The continuation of an answer.
#[derive(Debug, PartialEq, Eq)]
pub enum NextPart {
    /// Nothing.
    End,
    /// Nothing: the command has failed, for this reason.
    Error(String),
    /// The answer to this question, as soon as the client has read this part.
    Ask(ControlRequest),
    /// The answer to this question, which the disk has not come up with yet.
    AskLater(ControlRequest),
}

impl ControlShared {
    /// Whether a question waits for its answer.
    #[must_use]
    pub fn has_requests(&self) -> bool {
        !self.requests.is_empty()
    }

    /// Takes the questions that wait, which are to be answered in this tick.
    #[must_use]
    pub fn take_requests(&mut self) -> VecDeque<(ControlTicket, ControlRequest)> {
        mem::take(&mut self.requests)
    }
}

/// One client of the control socket.
#[derive(Debug)]
pub struct Control {
    state: AnswerState,
    /// The interval of `watch`, while that goes on.
    interval: Option<Duration>,
    /// The instant that is waited for: of the next snapshot, or of the end of a client that reads nothing.
    deadline: Option<Instant>,
    /// Octets written when a client was last seen to read.
    bytes_read: u64,
}

/// The state of a connection: what its client is told.
#[derive(Debug, PartialEq, Eq)]
enum AnswerState {
    /// The client is told that there are too many.
    Refused,
    /// A command line is awaited.
    Idle,
    /// The server is to answer.
    Asked,
    /// Output is being written. Then the next question goes to the server, or the answer is over.
    Telling(Option<ControlRequest>),
    /// The server had no answer yet: it is asked again in a moment.
    Pausing(ControlRequest),
}

type ControlTurn<'a> = Turn<'a, ControlShared>;

impl Driver for Control {
    type Shared = ControlShared;
    type Ticket = ControlTicket;
    type Completion = AnswerPart;
    type Reason = ();

    fn opened(&mut self, turn: &mut ControlTurn<'_>) -> Step<Self> {
        if self.state == AnswerState::Refused {
            self.tell_error("too many look already", turn);
            return Step::Close(Close::now(()));
        }
        let version = env!("CARGO_PKG_VERSION");
        let greeting = format!("{GREETING} mailoop {version}\n");
        turn.output.extend_from_slice(greeting.as_bytes());
        self.tell(None, turn)
    }

    fn input(&mut self, input: &mut &[u8], turn: &mut ControlTurn<'_>) -> Step<Self> {
        match &mut self.state {
            AnswerState::Asked => return Step::Wait(Wait::Completion(turn.id.0)),
            AnswerState::Pausing(_) => return Step::Wait(Wait::Timer),
            AnswerState::Telling(_) if turn.unsent > 0 => return Step::Wait(Wait::Output),
            AnswerState::Telling(next) => {
                if let Some(request) = next.take() {
                    return self.ask(request, turn);
                }
                self.state = AnswerState::Idle;
                self.deadline = self.interval.map(|interval| turn.now + interval);
            }
            AnswerState::Idle | AnswerState::Refused => {}
        }
        let end = memchr::memchr(b'\n', input);
        if end.unwrap_or(input.len()) > COMMAND_BYTES_MAX {
            self.tell_error("the line is too long", turn);
            return self.close();
        }
        let Some(end) = end else {
            return Step::Continue;
        };
        let line = &input[..end];
        *input = &input[end + 1..];
        self.obey(line, turn)
    }

    /// A client that has said all that it wants to know is told that first; `watch` goes on until nobody reads.
    fn eof(&mut self, _: &mut ControlTurn<'_>) -> Step<Self> {
        match self.interval {
            Some(_) => Step::Continue,
            None => Step::Close(Close::after_eof(())),
        }
    }

    fn completed(&mut self, part: AnswerPart, turn: &mut ControlTurn<'_>) -> Step<Self> {
        debug_assert_eq!(
            self.state,
            AnswerState::Asked,
            "one question has one answer"
        );
        turn.output.extend_from_slice(&part.text);
        match part.next {
            NextPart::End => {
                self.tell_end(turn);
                self.tell(None, turn)
            }
            NextPart::Error(error) => {
                self.tell_error(&error, turn);
                self.tell(None, turn)
            }
            NextPart::AskLater(request) if part.text.is_empty() => {
                self.state = AnswerState::Pausing(request);
                self.deadline = Some(turn.now + PAUSE);
                Step::Wait(Wait::Timer)
            }
            NextPart::Ask(request) | NextPart::AskLater(request) => self.tell(Some(request), turn),
        }
    }

    fn deadline(&self, _: &ControlShared) -> Option<Instant> {
        self.deadline
    }

    fn expired(&mut self, turn: &mut ControlTurn<'_>) -> Option<Step<Self>> {
        match &mut self.state {
            AnswerState::Telling(_) if turn.bytes_out > self.bytes_read => {
                self.note_progress(turn);
                None
            }
            AnswerState::Telling(_) => Some(Step::Close(Close::abort(()))),
            AnswerState::Pausing(request) => {
                let request = request.clone();
                Some(self.ask(request, turn))
            }
            AnswerState::Idle | AnswerState::Asked | AnswerState::Refused => {
                Some(self.ask(ControlRequest::Snapshot, turn))
            }
        }
    }

    fn failed(&mut self, _: ConnectionFailure, _: &mut ControlTurn<'_>) {}
}

impl Control {
    /// The driver of a client that is let in.
    #[must_use]
    pub fn new() -> Self {
        Self::with_state(AnswerState::Idle)
    }

    /// The driver of one too many.
    #[must_use]
    pub fn refused() -> Self {
        Self::with_state(AnswerState::Refused)
    }

    fn with_state(state: AnswerState) -> Self {
        Self {
            state,
            interval: None,
            deadline: None,
            bytes_read: 0,
        }
    }

    /// Whether a change is under way that its client has not heard of.
    #[must_use]
    pub fn is_changing(&self) -> bool {
        match &self.state {
            AnswerState::Telling(Some(request)) | AnswerState::Pausing(request) => {
                request.is_change()
            }
            // The answer comes in this tick or in the next.
            AnswerState::Asked => true,
            AnswerState::Telling(None) | AnswerState::Idle | AnswerState::Refused => false,
        }
    }

    /// Does what a command line says. One that comes while the client watches ends that.
    fn obey(&mut self, line: &[u8], turn: &mut ControlTurn<'_>) -> Step<Self> {
        turn.work.charge(COMMAND_WORK);
        self.interval = None;
        match command::parse(line) {
            Ok(ControlCommand::Help) => {
                for row in COMMANDS {
                    turn.output.extend_from_slice(row.help_line().as_bytes());
                }
                self.tell_end(turn);
                self.tell(None, turn)
            }
            Ok(ControlCommand::Ask(request)) => self.ask(request, turn),
            Ok(ControlCommand::Watch(interval)) => {
                self.interval = Some(interval);
                self.ask(ControlRequest::Snapshot, turn)
            }
            Ok(ControlCommand::Quit) => self.close(),
            Err(error) => {
                self.tell_error(&error, turn);
                self.tell(None, turn)
            }
        }
    }

    /// Asks the server, which answers in this tick or in the next.
    fn ask(&mut self, request: ControlRequest, turn: &mut ControlTurn<'_>) -> Step<Self> {
        let ticket = turn.id.0;
        self.state = AnswerState::Asked;
        self.deadline = None;
        turn.shared.requests.push_back((ticket, request));
        Step::Wait(Wait::Completion(ticket))
    }

    /// Writes what was said, then goes on with the next question.
    fn tell(&mut self, next: Option<ControlRequest>, turn: &ControlTurn<'_>) -> Step<Self> {
        self.state = AnswerState::Telling(next);
        self.note_progress(turn);
        Step::Wait(Wait::Output)
    }

    /// Gives a client new time to read.
    fn note_progress(&mut self, turn: &ControlTurn<'_>) {
        self.bytes_read = turn.bytes_out;
        self.deadline = Some(turn.now + READ_TIMEOUT);
    }

    fn tell_end(&self, turn: &mut ControlTurn<'_>) {
        turn.output.extend_from_slice(END_LINE.as_bytes());
        turn.output.extend_from_slice(b"\n");
    }

    fn tell_error(&self, error: &str, turn: &mut ControlTurn<'_>) {
        let line = format!("{ERROR_PREFIX}{error}\n");
        turn.output.extend_from_slice(line.as_bytes());
    }

    /// Ends the connection once what was said is written.
    fn close(&self) -> Step<Self> {
        Step::Close(Close {
            reason: (),
            ending: Ending::Linger,
            flush_timeout: READ_TIMEOUT,
        })
    }
}

impl Default for Control {
    fn default() -> Self {
        Self::new()
    }
}
