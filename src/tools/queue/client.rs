//! The client's side of the control socket: it sends commands, one after the other, and has the lines of the answers shown.

use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

use super::Asked;
use super::print::QueuePrinter;
use super::words::shown;
use crate::control::{END_LINE, ERROR_PREFIX, GREETING, TRY_AGAIN_PREFIX};
use crate::exit::{ExitCode, Failed};
use crate::net::driver::{Close, ConnectionFailure, Driver, Step, Turn};

/// The most octets of a line of a server: a piece of a header, of which each octet takes three, is far below that.
const LINE_BYTES_MAX: usize = 256 * 1024;
/// Time for a server to greet.
const GREETING_TIMEOUT: Duration = Duration::from_secs(10);

/// The commands, and what has come of them.
pub(super) struct QueueBoard {
    commands: VecDeque<String>,
    printer: QueuePrinter,
    /// What the server refused, a line each.
    refusals: Vec<Failed>,
    end: Option<QueueEnd>,
}

/// Why no more is done.
enum QueueEnd {
    /// Everything was answered.
    Done,
    /// The connection failed before anything was answered.
    Unreachable(io::Error),
    /// The server is of another kind, or has ended.
    Fault(String),
    /// The server lets nobody in just now.
    Busy(String),
    /// Standard output cannot be written.
    Unwritable(io::Error),
}

impl QueueBoard {
    pub(super) fn new(commands: Vec<String>, printer: QueuePrinter) -> Self {
        Self {
            commands: commands.into(),
            printer,
            refusals: Vec::new(),
            end: None,
        }
    }

    /// Whether no more is done.
    pub(super) fn is_over(&self) -> bool {
        self.end.is_some()
    }

    /// Tells what came of all commands.
    pub(super) fn take_result(&mut self) -> Asked {
        match self.end.take() {
            Some(QueueEnd::Unreachable(error)) => return Asked::Unreachable(error),
            Some(QueueEnd::Fault(fault)) => {
                return Asked::Answered(Err(Failed::new(ExitCode::Unavailable, fault)));
            }
            Some(QueueEnd::Busy(fault)) => {
                return Asked::Answered(Err(Failed::new(ExitCode::TryAgain, fault)));
            }
            Some(QueueEnd::Unwritable(error)) => return Asked::Answered(unwritable(&error)),
            Some(QueueEnd::Done) | None => {}
        }
        if let Err(error) = self.printer.finish() {
            return Asked::Answered(unwritable(&error));
        }
        if self.printer.is_partial() {
            let why = "the server still reads its spool after a start, and there may be more mail; try again";
            self.refusals.push(Failed::new(ExitCode::TryAgain, why));
        }
        let refused = Failed::all(std::mem::take(&mut self.refusals));
        Asked::Answered(refused.map_or(Ok(()), Err))
    }

    /// Notes the first reason to end; others follow from it.
    fn end(&mut self, end: QueueEnd) {
        self.end.get_or_insert(end);
    }
}

/// Tells that standard output cannot be written; nothing, if whoever reads it has had enough.
pub(super) fn unwritable(error: &io::Error) -> Result<(), Failed> {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Ok(());
    }
    let message = format!("cannot write to standard output: {error}");
    Err(Failed::new(ExitCode::Io, message))
}

/// One connection to a control socket.
pub(super) struct QueueClient {
    is_greeted: bool,
    greeted_by: Instant,
}

type QueueTurn<'a> = Turn<'a, QueueBoard>;

impl QueueClient {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            is_greeted: false,
            greeted_by: now + GREETING_TIMEOUT,
        }
    }

    /// Takes a line of the server.
    fn take_line(&mut self, line: &str, turn: &mut QueueTurn<'_>) {
        if !self.is_greeted {
            let rest = line.strip_prefix(GREETING);
            self.is_greeted = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '));
            if self.is_greeted {
                return ask_next(turn);
            }
        }
        match line.strip_prefix(ERROR_PREFIX) {
            Some(error) if self.is_greeted => {
                let (code, error) = match error.strip_prefix(TRY_AGAIN_PREFIX) {
                    Some(error) => (ExitCode::TryAgain, format!("{}; try again", shown(error))),
                    None => (ExitCode::Data, shown(error)),
                };
                turn.shared.refusals.push(Failed::new(code, error));
                ask_next(turn);
            }
            Some(error) => {
                let fault = format!("the server says: {}; try again", shown(error));
                turn.shared.end(QueueEnd::Busy(fault));
            }
            None if !self.is_greeted => {
                let fault = "this is no control socket, or one of another version";
                turn.shared.end(QueueEnd::Fault(fault.to_owned()));
            }
            None if line == END_LINE => ask_next(turn),
            None => {
                if let Err(error) = turn.shared.printer.take_line(line) {
                    turn.shared.end(QueueEnd::Unwritable(error));
                }
            }
        }
    }
}

/// Sends the next command, if there is one.
fn ask_next(turn: &mut QueueTurn<'_>) {
    match turn.shared.commands.pop_front() {
        Some(command) => turn.output.extend_from_slice(command.as_bytes()),
        None => turn.shared.end(QueueEnd::Done),
    }
}

impl Driver for QueueClient {
    type Shared = QueueBoard;
    type Ticket = ();
    type Completion = ();
    type Reason = ();

    fn input(&mut self, input: &mut &[u8], turn: &mut QueueTurn<'_>) -> Step<Self> {
        while let Some(end) = memchr::memchr(b'\n', input) {
            let (line, rest) = input.split_at(end);
            *input = &rest[1..];
            let line = String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line));
            self.take_line(&line, turn);
            if turn.shared.is_over() {
                return Step::Close(Close::abort(()));
            }
        }
        if input.len() > LINE_BYTES_MAX {
            let fault = "this is no control socket".to_owned();
            turn.shared.end(QueueEnd::Fault(fault));
            return Step::Close(Close::abort(()));
        }
        Step::Continue
    }

    fn eof(&mut self, turn: &mut QueueTurn<'_>) -> Step<Self> {
        let fault = "the server has ended".to_owned();
        turn.shared.end(QueueEnd::Fault(fault));
        Step::Close(Close::abort(()))
    }

    fn deadline(&self, _: &QueueBoard) -> Option<Instant> {
        (!self.is_greeted).then_some(self.greeted_by)
    }

    fn expired(&mut self, turn: &mut QueueTurn<'_>) -> Option<Step<Self>> {
        let fault = "the server does not answer".to_owned();
        turn.shared.end(QueueEnd::Fault(fault));
        Some(Step::Close(Close::abort(())))
    }

    fn failed(&mut self, failure: ConnectionFailure, turn: &mut QueueTurn<'_>) {
        let end = match failure {
            ConnectionFailure::Dial(error) => QueueEnd::Unreachable(error),
            other => QueueEnd::Fault(format!("the server has ended: {}", io::Error::from(other))),
        };
        turn.shared.end(end);
    }
}
