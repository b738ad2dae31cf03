//! What is said in each session, as lines of text for the inbox of tests: the text of messages shortened to its length, and logins masked.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Instant, SystemTime};

use super::probe::{Client, CoreProbe};
use crate::inbound::Rejection;
use crate::net::budget::TurnBudget;
use crate::net::driver::ConnectionId;
use crate::net::probe::{Content, Probe, Seen};
use crate::smtp::escape::escape;
use crate::smtp::mask::{hide_challenges, hide_command, hide_response};
use crate::store::inbox::SessionLog;

/// The most octets of a line that are shown.
const LINE_BYTES_MAX: usize = 1024;

/// The observer that has sessions written down.
pub(super) struct Transcripts {
    log: Rc<SessionLog>,
    writer: Rc<TranscriptWriter>,
    /// The time of the present tick.
    wall: SystemTime,
}

/// The writer of what is said on connections.
struct TranscriptWriter {
    log: Rc<SessionLog>,
    open: RefCell<HashMap<ConnectionId, OpenTranscript>>,
}

/// One connection that is written down.
#[derive(Default)]
struct OpenTranscript {
    /// Whether no line without a verb is shown.
    is_guarded: bool,
    /// Octets that are told of by their number, once others follow, with their kind.
    unshown: Option<(Content, usize)>,
}

impl Transcripts {
    pub(super) fn new(log: Rc<SessionLog>) -> Self {
        Self {
            writer: Rc::new(TranscriptWriter {
                log: Rc::clone(&log),
                open: RefCell::default(),
            }),
            log,
            wall: SystemTime::UNIX_EPOCH,
        }
    }

    fn begin(&self, client: Client) {
        let Client {
            connection,
            service,
            peer,
            ..
        } = client;
        let mut open = self.writer.open.borrow_mut();
        open.insert(connection, OpenTranscript::default());
        let peer = peer.to_string();
        self.log
            .begin(connection.0, service.name(), peer, self.wall);
    }
}

impl CoreProbe for Transcripts {
    fn of_connections(&self) -> Option<Rc<dyn Probe>> {
        Some(Rc::clone(&self.writer) as Rc<dyn Probe>)
    }

    fn time(&mut self, _: Instant, wall: SystemTime) {
        self.wall = wall;
    }

    fn added(&mut self, _: usize, client: Client) {
        self.begin(client);
    }

    fn refused(&mut self, client: Client, _: Rejection) {
        self.begin(client);
    }
}

impl Probe for TranscriptWriter {
    fn began_turn(&self, connection: ConnectionId, budget: TurnBudget) -> TurnBudget {
        self.log.serve(connection.0);
        budget
    }

    fn saw(&self, connection: ConnectionId, step: Seen<'_>) {
        let mut open = self.open.borrow_mut();
        let Some(transcript) = open.get_mut(&connection) else {
            return;
        };
        match step {
            Seen::Served => self.log.serve(connection.0),
            Seen::Used(content, octets) => self.used(connection, transcript, content, octets),
            Seen::Said(octets) | Seen::SaidCredentials(octets) => {
                self.flush(connection, transcript);
                let shown = hide_challenges(octets);
                for line in shown
                    .as_deref()
                    .unwrap_or(octets)
                    .split_inclusive(|octet| *octet == b'\n')
                {
                    self.log.server_says(connection.0, &one_line(line));
                }
            }
            Seen::Closed(reason, ..) => {
                self.flush(connection, transcript);
                open.remove(&connection);
                self.log.end(connection.0, reason);
            }
            _ => {}
        }
    }
}

impl TranscriptWriter {
    /// Writes down what a client has said, as far as it is to be seen.
    fn used(
        &self,
        connection: ConnectionId,
        transcript: &mut OpenTranscript,
        content: Content,
        octets: &[u8],
    ) {
        let shown = match content {
            Content::Protocol => hide_command(octets, &mut transcript.is_guarded),
            Content::Credentials => hide_response(octets).into(),
            Content::Text | Content::Dropped | Content::Reply => {
                match &mut transcript.unshown {
                    Some((kind, count)) if *kind == content => *count += octets.len(),
                    _ => {
                        self.flush(connection, transcript);
                        transcript.unshown = Some((content, octets.len()));
                    }
                }
                return;
            }
        };
        self.flush(connection, transcript);
        self.log.client_says(connection.0, &one_line(&shown));
    }

    /// Tells of octets that are not shown.
    fn flush(&self, connection: ConnectionId, transcript: &mut OpenTranscript) {
        let line = match transcript.unshown.take() {
            None => return,
            Some((Content::Text, count)) => format!("[{count} octets of text]"),
            Some((_, count)) => format!("[{count} octets of a line that is too long]"),
        };
        self.log.client_says(connection.0, &line);
    }
}

/// A line without its end, its controls escaped.
fn one_line(line: &[u8]) -> String {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let mut text = Vec::with_capacity(line.len());
    escape(&line[..line.len().min(LINE_BYTES_MAX)], &mut text);
    if line.len() > LINE_BYTES_MAX {
        text.extend_from_slice(b"...");
    }
    String::from_utf8_lossy(&text).into_owned()
}
