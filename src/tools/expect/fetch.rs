//! One request for JSON or text, on a connection of its own.

use core::fmt;
use std::io;
use std::time::{Duration, Instant};

use crate::exit::{ExitCode, Failed};
use crate::net::dialer::Dialer;
use crate::net::driver::{Close, ConnectionFailure, Driver, Step, Turn};
use crate::net::endpoint::Endpoint;
use crate::net::engine::Engine;

/// Time for the server to be connected to, and to answer what needs no waiting.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// The largest response: a list of a thousand messages, or a message with its text.
const RESPONSE_BYTES_MAX: usize = 64 << 20;
/// The most fields of a response.
const FIELDS_MAX: usize = 64;

/// The pages and REST of a server.
pub struct PagesServer {
    /// Its place.
    pub address: Endpoint,
    /// The token that it wants to be shown, if it does.
    pub token: Option<String>,
}

/// Shows no token.
impl fmt::Debug for PagesServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PagesServer({})", self.address)
    }
}

/// A response.
pub(super) struct Fetched {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

/// The response as it comes.
#[derive(Default)]
struct FetchDesk {
    received: Vec<u8>,
    outcome: Option<Result<(), String>>,
}

/// One connection, on which the request is said once.
struct FetchClient {
    request: String,
    answer_by: Instant,
}

type FetchTurn<'a> = Turn<'a, FetchDesk>;

impl FetchClient {
    fn end(outcome: Result<(), String>, turn: &mut FetchTurn<'_>) -> Step<Self> {
        turn.shared.outcome.get_or_insert(outcome);
        Step::Close(Close::abort(()))
    }
}

impl Driver for FetchClient {
    type Shared = FetchDesk;
    type Ticket = ();
    type Completion = ();
    type Reason = ();

    fn opened(&mut self, turn: &mut FetchTurn<'_>) -> Step<Self> {
        turn.output.extend_from_slice(self.request.as_bytes());
        Step::Continue
    }

    fn input(&mut self, input: &mut &[u8], turn: &mut FetchTurn<'_>) -> Step<Self> {
        let received = &mut turn.shared.received;
        if received.len() + input.len() > RESPONSE_BYTES_MAX {
            return Self::end(Err("the response is too long".to_owned()), turn);
        }
        received.extend_from_slice(input);
        *input = &[];
        Step::Continue
    }

    /// The server was asked to close behind its response.
    fn eof(&mut self, turn: &mut FetchTurn<'_>) -> Step<Self> {
        Self::end(Ok(()), turn)
    }

    fn deadline(&self, _: &FetchDesk) -> Option<Instant> {
        Some(self.answer_by)
    }

    fn expired(&mut self, turn: &mut FetchTurn<'_>) -> Option<Step<Self>> {
        Some(Self::end(Err("it does not answer".to_owned()), turn))
    }

    fn failed(&mut self, failure: ConnectionFailure, turn: &mut FetchTurn<'_>) {
        let why = match failure {
            ConnectionFailure::Dial(error) => format!("cannot connect: {error}"),
            failure => format!("the connection broke: {}", io::Error::from(failure)),
        };
        turn.shared.outcome.get_or_insert(Err(why));
    }
}

/// Asks a server for `path`, which may take so much longer than others as `wait` says.
///
/// # Errors
/// There is no server, it does not answer, or it wants another token.
pub(super) fn fetch(server: &PagesServer, path: &str, wait: Duration) -> Result<Fetched, Failed> {
    let PagesServer {
        address: server,
        token,
    } = server;
    let shown = token.as_ref().map_or_else(String::new, |token| {
        format!("Authorization: Bearer {token}\r\n")
    });
    let unavailable = |why: String| {
        Failed::new(
            ExitCode::Unavailable,
            format_args!(
                "{server}: {why}; does mailoop catch run there? Another place is named with --http"
            ),
        )
    };
    let failed = |error: io::Error| unavailable(format!("cannot connect: {error}"));
    let addresses = server.resolve().map_err(failed)?;
    let mut engine: Engine<FetchClient> =
        Engine::new(Vec::new(), FetchDesk::default()).map_err(failed)?;
    let mut dialer = Dialer::new(addresses);
    loop {
        let now = Instant::now();
        let client = FetchClient {
            request: format!(
                "GET {path} HTTP/1.1\r\nHost: localhost\r\n{shown}Connection: close\r\n\r\n"
            ),
            answer_by: now + ANSWER_TIMEOUT + wait,
        };
        let socket = dialer.dial().map_err(failed)?;
        let peer = dialer.peer();
        engine
            .dial(socket, client, peer, now + ANSWER_TIMEOUT)
            .map_err(failed)?;
        let outcome = loop {
            engine.tick(None, |_, _| None, |_, _| {}).map_err(failed)?;
            if let Some(outcome) = engine.connections().shared_mut().outcome.take() {
                break outcome;
            }
        };
        let received = std::mem::take(&mut engine.connections().shared_mut().received);
        match outcome {
            Ok(()) => {
                let fetched = parse(received).map_err(unavailable)?;
                return match fetched.status {
                    401 => Err(wrong_token(server, token.is_some())),
                    _ => Ok(fetched),
                };
            }
            // A name may have several addresses, of which the server listens on one.
            Err(_) if received.is_empty() && dialer.next_address() => {}
            Err(why) => return Err(unavailable(why)),
        }
    }
}

fn wrong_token(server: &Endpoint, is_shown: bool) -> Failed {
    let what = match is_shown {
        true => "wants another token than that of --http-token",
        false => "wants a token: give --http-token FILE",
    };
    Failed::new(ExitCode::Unavailable, format_args!("{server} {what}"))
}

/// Takes a whole response apart.
fn parse(mut received: Vec<u8>) -> Result<Fetched, String> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut response = httparse::Response::new(&mut fields);
    let no_http = || "it does not speak HTTP".to_owned();
    let Ok(httparse::Status::Complete(head)) = response.parse(&received) else {
        return Err(no_http());
    };
    let status = response.code.ok_or_else(no_http)?;
    let length: Option<usize> = response
        .headers
        .iter()
        .find(|field| field.name.eq_ignore_ascii_case("Content-Length"))
        .and_then(|field| str::from_utf8(field.value).ok()?.trim().parse().ok());
    let body = received.split_off(head);
    match length {
        Some(length) if body.len() != length => Err("the response was cut short".to_owned()),
        _ => Ok(Fetched { status, body }),
    }
}
