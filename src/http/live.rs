//! The live loop as server-sent events (HTML Standard §9.2): the text of each event, bounded.
//!
//! A `hello` tells what there is, a `tick` what one turn of the loop has seen, and `lost` that a viewer was not told of some.
//! `docs/see.md` has the format.

use std::io::{self, ErrorKind, Write};
use std::mem;
use std::time::Duration;

use bytes::Bytes;

use crate::json::{Members, put_text};
use crate::net::channel::Readiness;
use crate::net::driver::ConnectionId;
use crate::net::peer::PeerAddress;
use crate::smtp::escape::escape;

/// The most things seen that an event tells of one tick.
pub const SEEN_MAX: usize = 256;
/// The most octets of them.
pub const SEEN_BYTES_MAX: usize = 16 * 1024;
/// The most connections in a `hello`.
pub const HELLO_CONNECTIONS_MAX: usize = 500;
/// The most characters that are shown of what a client or the server said.
const SHOWN_CHARACTERS_MAX: usize = 120;
/// No more octets than these are looked at for that: a character has four at most, or is escaped as four.
const SHOWN_BYTES_MAX: usize = 4 * SHOWN_CHARACTERS_MAX;
/// The result of a call in place of octets: there were none, or no room.
const WOULD_BLOCK: i64 = -1;
/// The result of a call in place of octets: it failed.
const FAILED: i64 = -2;

/// One thing that was seen of a connection.
#[derive(Clone, Copy, Debug)]
pub enum LoopEvent<'a> {
    /// A client was let in on a listener for this service.
    Accepted(PeerAddress, &'static str),
    /// A client was not let in, for this reason.
    Refused(PeerAddress, &'a str),
    /// The poll told that its socket is ready.
    Ready(Readiness),
    /// Its socket was read, with this result.
    Read(&'a io::Result<usize>),
    /// Its socket was written to, with this result.
    Wrote(&'a io::Result<usize>),
    /// Its session took so many octets as this kind, of which so much may be shown.
    Took(&'static str, usize, &'a [u8]),
    /// Its session said so many octets, of which so much may be shown.
    Said(usize, &'a [u8]),
    /// Its session is in this state.
    State(&'static str),
    /// It waits for this.
    Waits(&'static str),
    /// The connection is at this stage of its life.
    Life(&'static str),
    /// The connection is over, for this reason, after so many octets read and written.
    Closed(&'static str, u64, u64),
}

/// What was seen in one tick so far, as text.
#[derive(Debug, Default)]
pub struct TickText {
    /// The elements of the array, each with a comma before it but the first.
    seen: Vec<u8>,
    count: usize,
    /// The number of things that were seen before each step.
    before: [usize; TickFacts::STEPS.len()],
    left_out: usize,
    scratch: Vec<u8>,
}

/// Facts about a tick.
#[derive(Clone, Copy, Debug)]
pub struct TickFacts {
    /// Its number.
    pub number: u64,
    /// The time from the start of the server to its own.
    pub at: Duration,
    /// The time that the poll waited before.
    pub slept: Duration,
    /// The time that it took.
    pub took: Duration,
    /// Events that the poll told of.
    pub polled: usize,
    /// The time that each of its [steps](Self::STEPS) took.
    pub steps: [Duration; 4],
    /// Connections that are served now.
    pub open: usize,
    /// Connections that wait for the store now.
    pub waiting: usize,
}

impl TickFacts {
    /// The names of the steps.
    pub const STEPS: [&'static str; 4] = ["serve", "commit", "expire", "accept"];
}

impl TickText {
    /// Adds what was seen of a connection, or counts it where there is no room.
    pub fn add(&mut self, connection: ConnectionId, event: &LoopEvent<'_>) {
        if self.count >= SEEN_MAX || self.seen.len() >= SEEN_BYTES_MAX {
            self.left_out += 1;
            return;
        }
        if self.count > 0 {
            self.seen.push(b',');
        }
        self.count += 1;
        put_event(connection, event, &mut self.scratch, &mut self.seen);
    }

    /// Notes that a [step](TickFacts::STEPS) begins: what is added from now on was seen in it.
    pub fn begin_step(&mut self, step: usize) {
        self.before[step] = self.count;
    }

    /// Whether something was left out.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.left_out > 0
    }

    /// Whether nothing was seen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Takes the text of the tick, which had these facts.
    pub fn take(&mut self, facts: &TickFacts) -> Bytes {
        let mut members = Members::default();
        members.number("n", facts.number);
        members.number("at", microseconds(facts.at));
        members.number("slept", microseconds(facts.slept));
        members.number("took", microseconds(facts.took));
        members.number("polled", facts.polled as u64);
        let steps = TickFacts::STEPS.iter().zip(facts.steps).zip(self.before);
        let steps: Vec<_> = steps
            .map(|((name, took), before)| format!("[\"{name}\",{},{before}]", microseconds(took)))
            .collect();
        members.raw("steps", format!("[{}]", steps.join(",")).as_bytes());
        members.number("open", facts.open as u64);
        members.number("waiting", facts.waiting as u64);
        let seen = [b"[", &*self.seen, b"]"].concat();
        members.raw("seen", &seen);
        members.number("more", self.left_out as u64);
        self.clear();
        event("tick", &members.into_object())
    }

    /// Forgets what was seen.
    pub fn clear(&mut self) {
        self.seen.clear();
        (self.count, self.left_out) = (0, 0);
        self.before = [0; TickFacts::STEPS.len()];
    }
}

/// Appends one thing that was seen, as an array.
fn put_event(
    connection: ConnectionId,
    event: &LoopEvent<'_>,
    scratch: &mut Vec<u8>,
    out: &mut Vec<u8>,
) {
    let name = match event {
        LoopEvent::Accepted(..) => "accepted",
        LoopEvent::Refused(..) => "refused",
        LoopEvent::Ready(_) => "ready",
        LoopEvent::Read(_) => "read",
        LoopEvent::Wrote(_) => "write",
        LoopEvent::Took(..) => "took",
        LoopEvent::Said(..) => "said",
        LoopEvent::State(_) => "state",
        LoopEvent::Waits(_) => "waits",
        LoopEvent::Life(_) => "life",
        LoopEvent::Closed(..) => "closed",
    };
    // A vector takes everything.
    let _ = write!(out, "[\"{name}\",{}", connection.0);
    let _ = match *event {
        LoopEvent::Accepted(peer, service) => write!(out, ",\"{peer}\",\"{service}\""),
        LoopEvent::Refused(peer, why) => write!(out, ",\"{peer}\",\"{why}\""),
        LoopEvent::Ready(readiness) => write!(out, ",\"{}\"", readiness_name(readiness)),
        LoopEvent::Read(result) | LoopEvent::Wrote(result) => {
            write!(out, ",{}", octets_of(result))
        }
        LoopEvent::Took(kind, octets, text) => {
            let _ = write!(out, ",\"{kind}\",{octets},");
            put_shown(text, scratch, out);
            Ok(())
        }
        LoopEvent::Said(octets, text) => {
            let _ = write!(out, ",{octets},");
            put_shown(text, scratch, out);
            Ok(())
        }
        LoopEvent::State(word) | LoopEvent::Waits(word) | LoopEvent::Life(word) => {
            write!(out, ",\"{word}\"")
        }
        LoopEvent::Closed(why, read, written) => write!(out, ",\"{why}\",{read},{written}"),
    };
    out.push(b']');
}

fn readiness_name(readiness: Readiness) -> &'static str {
    match (readiness.readable || readiness.read_on, readiness.writable) {
        (true, true) => "both",
        (false, true) => "writable",
        (_, false) => "readable",
    }
}

fn octets_of(result: &io::Result<usize>) -> i64 {
    match result {
        Ok(octets) => i64::try_from(*octets).unwrap_or(i64::MAX),
        Err(error) if error.kind() == ErrorKind::WouldBlock => WOULD_BLOCK,
        Err(_) => FAILED,
    }
}

/// Appends the start of a text as a string, without the end of its last line, and with escapes for controls.
fn put_shown(text: &[u8], scratch: &mut Vec<u8>, out: &mut Vec<u8>) {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    scratch.clear();
    escape(&text[..text.len().min(SHOWN_BYTES_MAX)], scratch);
    let shown = str::from_utf8(scratch).unwrap_or_default();
    let end = shown.char_indices().nth(SHOWN_CHARACTERS_MAX);
    put_text(&shown[..end.map_or(shown.len(), |(at, _)| at)], out);
}

/// One connection, as a `hello` tells of it.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionFacts {
    /// The id.
    pub id: ConnectionId,
    /// The peer, or the client that it has named.
    pub peer: PeerAddress,
    /// The name of the service.
    pub service: &'static str,
    /// The state of its session, or the stage of its life.
    pub state: &'static str,
    /// What it waits for.
    pub waits: &'static str,
    /// Octets read so far.
    pub read: u64,
    /// Octets written so far.
    pub written: u64,
    /// Octets that wait for room in the socket.
    pub unsent: usize,
    /// Its age.
    pub age: Duration,
}

/// The text of a `hello`, as far as it is written.
#[derive(Debug, Default)]
pub struct HelloText {
    connections: Vec<Box<[u8]>>,
    left_out: usize,
}

impl HelloText {
    /// Adds a connection, or counts it where there are enough; whether it was added.
    pub fn add(&mut self, connection: &ConnectionFacts) -> bool {
        if self.connections.len() >= HELLO_CONNECTIONS_MAX {
            self.left_out += 1;
            return false;
        }
        let mut members = Members::default();
        members.number("id", connection.id.0);
        members.text("peer", &connection.peer.to_string());
        members.text("service", connection.service);
        members.text("state", connection.state);
        members.text("waits", connection.waits);
        members.number("read", connection.read);
        members.number("written", connection.written);
        members.number("unsent", connection.unsent as u64);
        members.number("age_ms", milliseconds(connection.age));
        self.connections.push(members.into_object());
        true
    }

    /// Takes the text, of a server of this name, `uptime` after its start.
    pub fn take(&mut self, hostname: &str, uptime: Duration) -> Bytes {
        let Self {
            connections,
            left_out,
        } = mem::take(self);
        let mut members = Members::default();
        members.text("version", env!("CARGO_PKG_VERSION"));
        members.text("hostname", hostname);
        members.number("uptime_us", microseconds(uptime));
        members.array("connections", &connections);
        members.number("more", left_out as u64);
        event("hello", &members.into_object())
    }
}

/// The event that tells a viewer of so many ticks that it was not told of; a `hello` is to follow.
#[must_use]
pub fn lost(ticks: u64) -> Bytes {
    let mut members = Members::default();
    members.number("ticks", ticks);
    event("lost", &members.into_object())
}

/// An event as its stream has it.
fn event(name: &str, data: &[u8]) -> Bytes {
    [b"event: ", name.as_bytes(), b"\ndata: ", data, b"\n\n"]
        .concat()
        .into()
}

fn microseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
