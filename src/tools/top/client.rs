//! The client's side of the control socket: it asks to watch, and gathers what comes into snapshots.

use std::time::{Duration, Instant};

use super::snapshot::Snapshot;
use super::table::printable;
use crate::control::{END_LINE, ERROR_PREFIX, GREETING};
use crate::net::driver::{Close, ConnectionFailure, Driver, Step, Turn};

/// The most octets of a line of a server.
const LINE_BYTES_MAX: usize = 4096;
/// Time for a server to greet and to tell the first snapshot.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// What a server has told.
#[derive(Debug, Default)]
pub(super) struct Board {
    /// The snapshot that is being told.
    coming: Snapshot,
    /// The last whole one.
    snapshot: Snapshot,
    received: u64,
    /// Why no more will come.
    fault: Option<String>,
}

impl Board {
    /// The number of snapshots that have come.
    pub(super) fn received(&self) -> u64 {
        self.received
    }

    /// The last snapshot.
    pub(super) fn snapshot_mut(&mut self) -> &mut Snapshot {
        &mut self.snapshot
    }

    /// Takes the reason why no more will come, once there is one.
    pub(super) fn take_fault(&mut self) -> Option<String> {
        self.fault.take()
    }

    /// Notes the first fault; others follow from it.
    fn fail(&mut self, fault: impl Into<String>) {
        self.fault.get_or_insert_with(|| fault.into());
    }
}

/// One connection to a control socket.
#[derive(Debug)]
pub(super) struct TopClient {
    interval: Duration,
    is_greeted: bool,
    /// The end of the wait for the first snapshot.
    answer_by: Instant,
}

type TopTurn<'a> = Turn<'a, Board>;

impl TopClient {
    /// A client that wants a snapshot at this interval.
    pub(super) fn new(interval: Duration, now: Instant) -> Self {
        Self {
            interval,
            is_greeted: false,
            answer_by: now + ANSWER_TIMEOUT,
        }
    }

    /// Takes a line of the server. What it is wrong with is the error.
    fn take_line(&mut self, line: &[u8], turn: &mut TopTurn<'_>) -> Result<(), String> {
        let line = printable(line.strip_suffix(b"\r").unwrap_or(line));
        if let Some(error) = line.strip_prefix(ERROR_PREFIX) {
            return Err(format!("the server says: {error}"));
        }
        if !self.is_greeted {
            return self.greeted(&line, turn);
        }
        let board = &mut *turn.shared;
        if line == END_LINE {
            board.received += 1;
            std::mem::swap(&mut board.snapshot, &mut board.coming);
            board.coming.clear();
        } else {
            board.coming.add_line(&line);
        }
        Ok(())
    }

    fn greeted(&mut self, line: &str, turn: &mut TopTurn<'_>) -> Result<(), String> {
        let rest = line.strip_prefix(GREETING);
        if !rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' ')) {
            return Err("this is no control socket, or one of another version".to_owned());
        }
        self.is_greeted = true;
        let watch = format!("watch {}\n", self.interval.as_millis());
        turn.output.extend_from_slice(watch.as_bytes());
        Ok(())
    }
}

impl Driver for TopClient {
    type Shared = Board;
    type Ticket = ();
    type Completion = ();
    type Reason = ();

    fn input(&mut self, input: &mut &[u8], turn: &mut TopTurn<'_>) -> Step<Self> {
        while let Some(end) = memchr::memchr(b'\n', input) {
            let (line, rest) = input.split_at(end);
            *input = &rest[1..];
            if let Err(fault) = self.take_line(line, turn) {
                turn.shared.fail(fault);
                return Step::Close(Close::abort(()));
            }
        }
        if input.len() > LINE_BYTES_MAX {
            turn.shared.fail("this is no control socket");
            return Step::Close(Close::abort(()));
        }
        Step::Continue
    }

    fn eof(&mut self, turn: &mut TopTurn<'_>) -> Step<Self> {
        turn.shared.fail("the server has ended");
        Step::Close(Close::abort(()))
    }

    fn deadline(&self, board: &Board) -> Option<Instant> {
        (board.received == 0).then_some(self.answer_by)
    }

    fn expired(&mut self, turn: &mut TopTurn<'_>) -> Option<Step<Self>> {
        turn.shared.fail("it does not answer");
        Some(Step::Close(Close::abort(())))
    }

    fn failed(&mut self, failure: ConnectionFailure, turn: &mut TopTurn<'_>) {
        let fault = match failure {
            ConnectionFailure::Dial(error) => {
                format!("cannot connect: {error}; does a server run with --control there?")
            }
            ConnectionFailure::Socket(error) | ConnectionFailure::Handshake(error) => {
                format!("the server has ended: {error}")
            }
            ConnectionFailure::HandshakeTimeout => "it does not answer".to_owned(),
        };
        turn.shared.fail(fault);
    }
}
