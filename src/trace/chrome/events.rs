//! The events of a timeline, in the order of their starts.
//!
//! A slice is written where it starts, with its duration, which is known only when it ends. So events wait here from the first slice
//! on that has not ended. Their number is bounded by [`EVENTS_MAX`]: past it, slices are to be cut.

use core::fmt;
use std::collections::VecDeque;
use std::io::{self, Write};

use crate::json::Members;
use crate::net::driver::ConnectionId;
use crate::net::epoch::Nanoseconds;

/// The most events that wait. Each has some 150 octets.
const EVENTS_MAX: usize = 100_000;
/// Where there are very many tracks, the most events that wait for each.
const TRACK_EVENTS_MAX: usize = 16;

/// The process of all tracks.
const PROCESS: u32 = 1;

/// A track: the loop, or a connection. A viewer shows it as a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TrackId(pub(super) u64);

/// A name of events: a word, or a word with a number.
#[derive(Clone, Copy, Debug)]
pub(super) struct EventName(pub(super) &'static str, pub(super) Option<u64>);

impl EventName {
    /// The name of what is of this connection.
    pub(super) fn of_connection(connection: ConnectionId) -> Self {
        match connection.outgoing_number() {
            Some(number) => Self("conn out", Some(number)),
            None => Self("conn", Some(connection.0)),
        }
    }
}

/// A slice that has not ended, by its number.
#[derive(Clone, Copy, Debug)]
pub(super) struct SliceId(u64);

/// An event that waits.
struct Waiting {
    kind: &'static str,
    name: EventName,
    track: TrackId,
    start: Nanoseconds,
    /// The end, of a slice.
    end: SliceEnd,
    /// The number of the flow, of a part of one.
    flow: Option<u64>,
    args: Box<[u8]>,
}

#[derive(Clone, Copy, Debug)]
enum SliceEnd {
    /// The event is no slice.
    None,
    NotYet,
    At(Nanoseconds),
    /// It is not shown.
    Dropped,
}

/// The events that wait to be written.
#[derive(Default)]
pub(super) struct Events {
    waiting: VecDeque<Waiting>,
    /// Events that were written or dropped.
    written: u64,
    /// Whether the first one was written.
    has_first: bool,
}

/// A flow: an arrow between slices.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flow {
    pub(super) name: &'static str,
    pub(super) number: u64,
}

impl Events {
    /// Adds an event of this kind, an instant (`i`), a counter (`C`) or a name (`M`).
    pub(super) fn add(
        &mut self,
        kind: &'static str,
        name: EventName,
        track: TrackId,
        at: Nanoseconds,
        args: Members,
    ) {
        let args = args.into_text();
        let event = Waiting::new(kind, name, track, at);
        self.waiting.push_back(Waiting { args, ..event });
    }

    /// Adds a part of a flow: its start (`s`), a stop on the way (`t`), or its end in the slice that is there (`f`).
    pub(super) fn flow(&mut self, part: &'static str, flow: Flow, track: TrackId, at: Nanoseconds) {
        let event = Waiting::new(part, EventName(flow.name, None), track, at);
        let flow = Some(flow.number);
        self.waiting.push_back(Waiting { flow, ..event });
    }

    /// Begins a slice.
    pub(super) fn begin(&mut self, name: EventName, track: TrackId, at: Nanoseconds) -> SliceId {
        let number = self.written + self.waiting.len() as u64;
        let (event, end) = (Waiting::new("X", name, track, at), SliceEnd::NotYet);
        self.waiting.push_back(Waiting { end, ..event });
        SliceId(number)
    }

    /// Ends a slice.
    pub(super) fn end(&mut self, slice: SliceId, at: Nanoseconds, args: Members) {
        match self.waiting_slice(slice) {
            Some(waiting) => {
                waiting.end = SliceEnd::At(at);
                waiting.args = args.into_text();
            }
            None => debug_assert!(false, "a slice waits until it ends"),
        }
    }

    /// Ends a slice that is not shown if it had no time: viewers would put it into the slice that begins then.
    pub(super) fn end_if_long(&mut self, slice: SliceId, at: Nanoseconds, args: Members) {
        self.end(slice, at, args);
        if let Some(waiting) = self.waiting_slice(slice)
            && Eighths::of(waiting.start).0 == Eighths::of(at).0
        {
            waiting.end = SliceEnd::Dropped;
        }
    }

    fn waiting_slice(&mut self, slice: SliceId) -> Option<&mut Waiting> {
        let index = slice.0.checked_sub(self.written)?;
        self.waiting.get_mut(usize::try_from(index).ok()?)
    }

    /// Whether slices are to be cut, so that what waits can be written. With so many `tracks` a cut leaves some events for each.
    pub(super) fn are_too_many(&self, tracks: usize) -> bool {
        self.waiting.len() >= EVENTS_MAX.max(tracks.saturating_mul(TRACK_EVENTS_MAX))
    }

    /// Writes the events in front of the first slice that has not ended.
    pub(super) fn write(&mut self, out: &mut dyn Write) -> io::Result<()> {
        while let Some(event) = self.waiting.front() {
            if matches!(event.end, SliceEnd::NotYet) {
                return Ok(());
            }
            if !matches!(event.end, SliceEnd::Dropped) {
                out.write_all(if self.has_first { b",\n" } else { b"[\n" })?;
                event.write(out)?;
                self.has_first = true;
            }
            self.written += 1;
            self.waiting.pop_front();
        }
        Ok(())
    }

    /// Writes the end of the array. Nothing waits.
    pub(super) fn finish(&mut self, out: &mut dyn Write) -> io::Result<()> {
        debug_assert!(self.waiting.is_empty(), "all slices have ended");
        out.write_all(if self.has_first { b"\n]\n" } else { b"[]\n" })
    }
}

impl Waiting {
    fn new(kind: &'static str, name: EventName, track: TrackId, start: Nanoseconds) -> Self {
        Self {
            kind,
            name,
            track,
            start,
            end: SliceEnd::None,
            flow: None,
            args: Box::default(),
        }
    }

    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let EventName(word, number) = self.name;
        write!(out, "{{\"ph\":\"{}\",\"name\":\"{word}", self.kind)?;
        if let Some(number) = number {
            write!(out, " {number}")?;
        }
        write!(out, "\",\"pid\":{PROCESS},\"tid\":{}", self.track.0)?;
        let start = Eighths::of(self.start);
        write!(out, ",\"ts\":{start}")?;
        if let SliceEnd::At(end) = self.end {
            let duration = Eighths::of(end).0.saturating_sub(start.0);
            write!(out, ",\"dur\":{}", Eighths(duration))?;
        }
        if let Some(flow) = self.flow {
            write!(out, ",\"cat\":\"{word}\",\"id\":{flow}")?;
        }
        match self.kind {
            "i" => out.write_all(b",\"s\":\"t\"")?,
            "f" => out.write_all(b",\"bp\":\"e\"")?,
            _ => {}
        }
        if !self.args.is_empty() {
            out.write_all(b",\"args\":{")?;
            out.write_all(&self.args)?;
            out.write_all(b"}")?;
        }
        out.write_all(b"}")
    }
}

/// A time in eighths of a microsecond, the unit of viewers. They add the duration to the start in binary floating point, and a slice
/// that seems to end after the start of the next one is not closed: these sums are exact.
struct Eighths(u64);

impl Eighths {
    fn of(time: Nanoseconds) -> Self {
        Self(time / 125)
    }
}

impl fmt::Display for Eighths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0 / 8, self.0 % 8 * 125)
    }
}
