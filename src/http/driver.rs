//! The driver of one HTTP connection.

mod requests;
mod responses;

use std::mem;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};

use super::body::BodyDecoder;
use super::events::EventQueue;
use super::parse::HEAD_BYTES_MAX;
use super::request::HttpRequest;
use super::response::{ConnectionEnd, HttpResponse};
use super::shared::{HttpNews, HttpShared, HttpTicket};
use crate::net::driver::{
    Close, ConnectionFailure, Drain, Driver, Ending, Step, Summary, Turn, Wait,
};

/// Time for the head of a request, from the first octet of it, or from the accept.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Time for the body of a request.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(60);
/// Time that a connection may stay between two requests.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// Time for a client to read something of what it was told.
pub const READ_TIMEOUT: Duration = Duration::from_secs(60);
/// The longest time that a request waits for news.
pub const WAIT_MAX: Duration = Duration::from_secs(300);
/// The most requests that wait for news at a time, so that others find a place.
pub const WAITING_MAX: usize = 192;
/// The octets of all responses, made for one client each, that are yet to be read, beyond which no other large response begins.
pub const UNREAD_BYTES_MAX: usize = 64 << 20;
/// Interval of the comments that tell both sides of a stream that the other one is still there.
pub const STREAM_INTERVAL: Duration = Duration::from_secs(15);
/// The most streams of events.
pub const VIEWERS_MAX: usize = 8;
/// The work of a look at a head.
const HEAD_WORK: u32 = 128;
/// Bodies up to this size go out in one write with their heads.
const SMALL_BODY_BYTES_MAX: usize = 8 * 1024;

/// One client of HTTP.
#[derive(Debug)]
pub struct Http {
    state: HttpState,
    deadline: Option<Instant>,
    /// Octets written when the client was last seen to read.
    bytes_read: u64,
    /// Since when the connection has been in its state.
    since: Option<Instant>,
    /// Whether it was accepted during a drain, as that of a probe.
    is_late: bool,
    /// Octets of its response that the client has yet to read, as all connections together count them.
    unread_bytes: usize,
}

/// The state of a connection: what is awaited, and what there is only meanwhile.
#[derive(Debug)]
enum HttpState {
    /// The client is told that there are too many.
    Refused,
    /// The head of a request, of which so many octets were looked at.
    Head { seen: usize },
    /// The body of a request.
    Body(Box<HttpExchange>, BodyDecoder),
    /// The server's answer.
    Asked(Box<HttpExchange>),
    /// News, upon which the server is asked again.
    Waiting(Box<HttpExchange>),
    /// The rest of a response is being written, after which the connection may go on.
    Responding { rest: Bytes, keeps_alive: bool },
    /// Events are told.
    Streaming(EventQueue),
    /// The connection is over.
    Over,
}

/// A request and what is needed for the response to it.
#[derive(Debug)]
struct HttpExchange {
    request: Rc<HttpRequest>,
    keeps_alive: bool,
    is_http_1_0: bool,
    is_own_page: bool,
    is_last: bool,
    /// The instant at which the server is asked for the last time, where it has made the client wait.
    until: Option<Instant>,
}

type HttpTurn<'a> = Turn<'a, HttpShared>;

impl Driver for Http {
    type Shared = HttpShared;
    type Ticket = HttpTicket;
    type Completion = HttpNews;
    type Reason = ();

    fn opened(&mut self, turn: &mut HttpTurn<'_>) -> Step<Self> {
        if matches!(self.state, HttpState::Refused) {
            let response = HttpResponse::text(503, "too many connections");
            response.write_head(turn.shared.date.get(), ConnectionEnd::Yes, turn.output);
            turn.output.extend_from_slice(&response.body);
            return Step::Close(Close::now(()));
        }
        self.is_late = turn.drain != Drain::No;
        self.enter(HttpState::Head { seen: 0 }, Some(HEAD_TIMEOUT), turn);
        Step::Continue
    }

    fn input(&mut self, input: &mut &[u8], turn: &mut HttpTurn<'_>) -> Step<Self> {
        if turn.drain == Drain::TimeIsUp {
            return self.close(Close::abort(()));
        }
        match &mut self.state {
            HttpState::Head { .. } => self.read_head(input, turn),
            HttpState::Body(..) => self.read_body(input, turn),
            HttpState::Asked(_) => Step::Wait(Wait::Completion(turn.id.0)),
            // A client that goes away is noticed, one that pipelines is not read for ever.
            HttpState::Waiting(_) if input.len() < HEAD_BYTES_MAX => Step::Continue,
            HttpState::Waiting(_) => Step::Wait(Wait::Timer),
            HttpState::Responding { rest, .. } if !rest.is_empty() => Step::WriteOut,
            HttpState::Responding { .. } if turn.unsent > 0 => Step::Wait(Wait::Output),
            HttpState::Responding { keeps_alive, .. } => {
                if !*keeps_alive || turn.drain != Drain::No {
                    return self.close_after_flush();
                }
                self.enter(HttpState::Head { seen: 0 }, Some(IDLE_TIMEOUT), turn);
                self.read_head(input, turn)
            }
            HttpState::Streaming(events) => {
                *input = &[];
                match events.is_empty() {
                    true => Step::Continue,
                    false => Step::Write,
                }
            }
            HttpState::Refused | HttpState::Over => Step::Continue,
        }
    }

    fn eof(&mut self, _: &mut HttpTurn<'_>) -> Step<Self> {
        self.close(Close::after_eof(()))
    }

    fn completed(&mut self, news: HttpNews, turn: &mut HttpTurn<'_>) -> Step<Self> {
        match news {
            HttpNews::Answer(answer) => {
                if let HttpState::Asked(exchange) = mem::replace(&mut self.state, HttpState::Over) {
                    return self.follow(answer, exchange, turn);
                }
                debug_assert!(false, "one question has one answer");
                Step::Continue
            }
            HttpNews::AskAgain => self.ask_again(false, turn),
            HttpNews::Event(event) => match &mut self.state {
                HttpState::Streaming(events) => {
                    turn.shared.is_event_taken = events.push(event);
                    Step::Write
                }
                _ => Step::Continue,
            },
            HttpNews::Drain => match self.state {
                HttpState::Waiting(_) => self.ask_again(true, turn),
                HttpState::Streaming(_) => self.close_after_flush(),
                HttpState::Head { .. } if !self.is_late => self.close(Close::now(())),
                _ => Step::Continue,
            },
            HttpNews::MakeRoom => self.close(Close::now(())),
        }
    }

    fn deadline(&self, _: &HttpShared) -> Option<Instant> {
        self.deadline
    }

    fn unwritten(&self) -> &[u8] {
        match &self.state {
            HttpState::Responding { rest, .. } => rest,
            HttpState::Streaming(events) => events.unwritten(),
            _ => &[],
        }
    }

    fn wrote(&mut self, count: usize, turn: &mut HttpTurn<'_>) -> Step<Self> {
        match &mut self.state {
            HttpState::Responding { rest, .. } => {
                rest.advance(count);
                let read = count.min(self.unread_bytes);
                self.unread_bytes -= read;
                turn.shared.unread_bytes -= read;
                match rest.is_empty() {
                    true => Step::Wait(Wait::Output),
                    false => Step::WriteOut,
                }
            }
            HttpState::Streaming(events) => {
                events.wrote(count);
                match events.is_empty() {
                    true => Step::Continue,
                    false => Step::Write,
                }
            }
            _ => Step::Continue,
        }
    }

    fn expired(&mut self, turn: &mut HttpTurn<'_>) -> Option<Step<Self>> {
        let reads = turn.bytes_out > self.bytes_read;
        match &mut self.state {
            HttpState::Head { seen: 0 } => Some(self.close(Close::now(()))),
            HttpState::Head { .. } | HttpState::Body(..) => {
                let response = HttpResponse::text(408, "the request took too long");
                Some(self.refuse(&response, turn))
            }
            HttpState::Waiting(_) => Some(self.ask_again(true, turn)),
            HttpState::Responding { .. } if reads => {
                self.note_progress(READ_TIMEOUT, turn);
                None
            }
            HttpState::Streaming(events) if reads || events.is_empty() => {
                // A comment is no event (HTML Standard §9.2.6).
                events.push(Bytes::from_static(b":\n\n"));
                self.note_progress(STREAM_INTERVAL, turn);
                Some(Step::Write)
            }
            _ => Some(self.close(Close::abort(()))),
        }
    }

    fn failed(&mut self, _: ConnectionFailure, _: &mut HttpTurn<'_>) {
        self.state = HttpState::Over;
    }

    fn closed(&mut self, (): &(), summary: &Summary, shared: &mut HttpShared) {
        shared.forget(summary.id);
        shared.unread_bytes -= self.unread_bytes;
    }
}

impl Http {
    /// The driver of a client that is let in.
    #[must_use]
    pub fn new() -> Self {
        Self::with_state(HttpState::Head { seen: 0 })
    }

    /// The driver of one too many.
    #[must_use]
    pub fn refused() -> Self {
        Self::with_state(HttpState::Refused)
    }

    fn with_state(state: HttpState) -> Self {
        Self {
            state,
            deadline: None,
            bytes_read: 0,
            since: None,
            is_late: false,
            unread_bytes: 0,
        }
    }

    /// Since when it has sent no whole request, where that is so: it may have to make room for another.
    #[must_use]
    pub fn idle_since(&self) -> Option<Instant> {
        match self.state {
            HttpState::Head { .. } | HttpState::Body(..) => self.since,
            _ => None,
        }
    }

    fn enter(&mut self, state: HttpState, timeout: Option<Duration>, turn: &HttpTurn<'_>) {
        self.state = state;
        self.since = Some(turn.now);
        self.deadline = timeout.map(|timeout| turn.now + timeout);
    }

    fn note_progress(&mut self, timeout: Duration, turn: &HttpTurn<'_>) {
        self.bytes_read = turn.bytes_out;
        self.deadline = Some(turn.now + timeout);
    }

    fn close(&mut self, close: Close<()>) -> Step<Self> {
        self.state = HttpState::Over;
        self.deadline = None;
        Step::Close(close)
    }

    /// Ends the connection once what was said is written. What the client may yet send must not reset it.
    fn close_after_flush(&mut self) -> Step<Self> {
        self.close(Close {
            reason: (),
            ending: Ending::Linger,
            flush_timeout: READ_TIMEOUT,
        })
    }
}

impl Default for Http {
    fn default() -> Self {
        Self::new()
    }
}
