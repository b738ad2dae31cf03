//! A trace as the JSON of Chrome's trace viewer, which Perfetto, speedscope and Tracy open: a timeline.
//!
//! One track is the loop: a slice for each tick, in it `serve`, `commit`, `expire` and `accept`, in those a slice for each turn of a
//! connection. `accept` is the end of the tick: connections that are over are removed, and newcomers let in. Each connection has a
//! track of its own: a slice for its life, in it one for each of its phases.
//!
//! Slices are complete events (`X`), sorted by their start, and those of a track nest. In a record with more events than
//! [wait](events) at a time, slices that are open are cut in two there. Ranges of octets do not hold the octet at their end.

mod connection;
mod events;
mod filters;
mod looping;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::mem;

use self::connection::{ConnectionTrack, Octets};
use self::events::{EventName, Events, Flow, TrackId};
use self::looping::LoopTrack;
use super::writer::{TraceEnd, TraceWriter, Traced};
use crate::json::Members;
use crate::net::connections::TickStep;
use crate::net::driver::ConnectionId;
use crate::net::epoch::Nanoseconds;
use crate::net::transport::Read;
use crate::observe::frame::{ClientFrame, Frame};
use crate::observe::outcome::HandshakeCode;

/// The track of the loop. The main thread of a process has its number.
const LOOP: TrackId = TrackId(1);

/// A writer of a timeline.
pub(super) struct ChromeTrace {
    events: Events,
    /// The only connection that is shown; all without one.
    only: Option<ConnectionId>,
    tracks: BTreeMap<ConnectionId, ConnectionTrack>,
    of_loop: LoopTrack,
    counters: Counters,
    last_flow: u64,
    is_named: bool,
    /// The time of the frame before.
    before: Nanoseconds,
}

/// The values of the counters that were shown last.
#[derive(Default)]
struct Counters {
    open: Option<u64>,
    run_queue: Option<u64>,
    unsent: Option<u64>,
    awaiting: Option<u64>,
    group: Option<u64>,
    /// Messages settled in the present commit.
    settled: u64,
    /// Connections that an event has told of and that had no turn since.
    ready: u64,
}

impl ChromeTrace {
    pub(super) fn new(only: Option<ConnectionId>) -> Self {
        Self {
            events: Events::default(),
            only,
            tracks: BTreeMap::new(),
            of_loop: LoopTrack::default(),
            counters: Counters::default(),
            last_flow: 0,
            is_named: false,
            before: 0,
        }
    }

    /// Whether what the loop does is shown: always, or while the only connection is there.
    fn shows_loop(&self) -> bool {
        self.only.is_none() || !self.tracks.is_empty()
    }

    fn next_flow(&mut self, name: &'static str) -> Flow {
        self.last_flow += 1;
        let number = self.last_flow;
        Flow { name, number }
    }

    /// Shows a frame of the loop.
    fn see_loop(&mut self, traced: &Traced<'_>) {
        let now = traced.time.now;
        match *traced.frame {
            Frame::Tick { number, .. } => {
                // The poll is in between, and in no tick.
                self.of_loop.end_tick(self.before, &mut self.events);
                if self.shows_loop() {
                    self.of_loop.begin_tick(number, now, &mut self.events);
                }
            }
            Frame::Step { step, .. } if self.shows_loop() => {
                self.of_loop.begin_step(step, now, &mut self.events);
                match step {
                    TickStep::Serve => self.count_queue(now),
                    TickStep::Commit => self.counters.settled = 0,
                    TickStep::Expire => self.count_group(now),
                    TickStep::Reap => {}
                }
            }
            Frame::TickEnd { .. } if self.shows_loop() => {
                self.count_queue(now);
                self.count(traced);
            }
            Frame::Drain {} => self.instant("drain", LOOP, now),
            _ => {}
        }
    }

    fn instant(&mut self, name: &'static str, track: TrackId, at: Nanoseconds) {
        let (name, args) = (EventName(name, None), Members::default());
        self.events.add("i", name, track, at, args);
    }

    /// Shows a frame that is about a connection.
    fn see_connection(&mut self, id: ConnectionId, traced: &Traced<'_>) {
        let (frame, now) = (traced.frame, traced.time.now);
        let Some(mut track) = self
            .tracks
            .remove(&id)
            .or_else(|| self.begin_track(id, traced))
        else {
            return;
        };
        let begins = matches!(frame, Frame::Turn { .. });
        if begins || is_of_turn(frame) && !self.of_loop.is_turn_of(id) {
            self.of_loop
                .begin_turn(id, track.octets, now, &mut self.events);
            if let Some(flow) = track.readiness.take() {
                self.events.flow("f", flow, LOOP, now);
            }
            self.counters.ready -= u64::from(mem::take(&mut track.is_queued));
        }
        if let Some(connection) = traced.connections.get(id) {
            track.octets = Octets::of(connection);
            if self.of_loop.is_turn_of(id) {
                self.of_loop.count(track.octets);
            }
        }
        self.follow_flows(&mut track, frame, now);
        match *frame {
            Frame::Event { readiness, .. } => {
                if readiness.readable {
                    self.instant("readable", track.id(), now);
                }
                if readiness.writable {
                    self.instant("writable", track.id(), now);
                }
            }
            Frame::Filter { frame } => self.see_filters(&mut track, &frame, now),
            Frame::State { name, .. } => track.enter_state(name, now, &mut self.events),
            Frame::Entered { stage, .. } => track.enter_stage(stage, now, &mut self.events),
            Frame::Closed { reason, .. } => {
                self.counters.ready -= u64::from(track.is_queued);
                self.of_loop.end_turn(now, &mut self.events);
                track.end(Some(reason), now, &mut self.events);
                return;
            }
            _ if has_blocked(frame) => self.instant("WouldBlock", track.id(), now),
            _ => {}
        }
        self.tracks.insert(id, track);
    }

    /// Begins the track of a connection, unless what is seen of it first is its end.
    fn begin_track(&mut self, id: ConnectionId, traced: &Traced<'_>) -> Option<ConnectionTrack> {
        let connection = traced.connections.get(id)?;
        let now = traced.time.now;
        let track = ConnectionTrack::begin(id, now, &mut self.events);
        let mut name = Members::default();
        name.text("name", &format!("conn {id} {}", connection.peer));
        self.name("thread_name", track.id(), now, name);
        Some(track)
    }

    /// Names the process and the track of the loop, at first.
    fn name_process(&mut self, now: Nanoseconds) {
        if mem::replace(&mut self.is_named, true) {
            return;
        }
        for (what, text) in [("process_name", "mailoop"), ("thread_name", "loop")] {
            let mut name = Members::default();
            name.text("name", text);
            self.name(what, LOOP, now, name);
        }
    }

    fn name(&mut self, what: &'static str, track: TrackId, at: Nanoseconds, name: Members) {
        self.events.add("M", EventName(what, None), track, at, name);
    }

    /// Follows arrows: from an event to the turn that it leads to, from the end of a message by way of its commit to the reply.
    fn follow_flows(&mut self, track: &mut ConnectionTrack, frame: &Frame<'_>, now: Nanoseconds) {
        match *frame {
            Frame::Event { .. } if track.readiness.is_none() => {
                let flow = self.next_flow("ready");
                self.events.flow("s", flow, track.id(), now);
                track.readiness = Some(flow);
                // One that waits for its commit has no turn before that.
                track.is_queued = track.message.is_none() || track.is_settled;
                self.counters.ready += u64::from(track.is_queued);
            }
            Frame::Submit { .. } => {
                let flow = self.next_flow("message");
                self.events.flow("s", flow, track.id(), now);
                (track.message, track.is_settled) = (Some(flow), false);
            }
            Frame::Settled { .. } => {
                self.counters.settled += 1;
                track.is_settled = true;
                if let Some(flow) = track.message {
                    self.events.flow("t", flow, LOOP, now);
                }
            }
            Frame::Write { result: Ok(_), .. } | Frame::TlsWrite { result: Ok(_), .. }
                if track.is_settled =>
            {
                if let Some(flow) = track.message.take() {
                    self.events.flow("f", flow, track.id(), now);
                }
            }
            _ => {}
        }
    }

    /// Shows the counters that have changed in a tick.
    fn count(&mut self, traced: &Traced<'_>) {
        let (connections, now) = (traced.connections, traced.time.now);
        let Self {
            counters, events, ..
        } = self;
        let awaiting = connections.awaiting() as u64;
        for (name, shown, value) in [
            ("open", &mut counters.open, connections.open() as u64),
            ("unsent", &mut counters.unsent, connections.unsent()),
            ("waiting for the store", &mut counters.awaiting, awaiting),
        ] {
            show_counter(name, shown, value, now, events);
        }
    }

    /// Shows how many messages a commit has settled; of one connection alone that would say nothing.
    fn count_group(&mut self, now: Nanoseconds) {
        let Counters { group, settled, .. } = &mut self.counters;
        if self.only.is_none() {
            show_counter("group size", group, *settled, now, &mut self.events);
        }
    }

    /// Shows how many connections wait for a turn since an event; those whose work did not fit into their last one are not told of.
    fn count_queue(&mut self, now: Nanoseconds) {
        let Counters {
            run_queue, ready, ..
        } = &mut self.counters;
        if self.only.is_none() {
            show_counter("run queue", run_queue, *ready, now, &mut self.events);
        }
    }

    /// Cuts all slices that are open, so that all that waits can be written.
    fn cut(&mut self, now: Nanoseconds) {
        let Self {
            events,
            tracks,
            of_loop,
            ..
        } = self;
        tracks
            .values()
            .for_each(|track| track.end(None, now, events));
        of_loop.cut(now, events);
        tracks
            .values_mut()
            .for_each(|track| track.go_on(now, events));
    }
}

impl TraceWriter for ChromeTrace {
    fn frame(&mut self, traced: &Traced<'_>, out: &mut dyn Write) -> io::Result<()> {
        self.name_process(traced.time.now);
        match traced.connection {
            Some(id) => self.see_connection(id, traced),
            None => self.see_loop(traced),
        }
        self.before = traced.time.now;
        if self.events.are_too_many(self.tracks.len()) {
            self.cut(self.before);
        }
        self.events.write(out)
    }

    fn end(&mut self, _: &TraceEnd, out: &mut dyn Write) -> io::Result<()> {
        let Self {
            events,
            tracks,
            of_loop,
            before,
            ..
        } = self;
        of_loop.end_tick(*before, events);
        tracks
            .values()
            .for_each(|track| track.end(None, *before, events));
        events.write(out)?;
        events.finish(out)
    }
}

/// Shows a counter whose value is another one than was shown before.
fn show_counter(
    name: &'static str,
    shown: &mut Option<u64>,
    value: u64,
    at: Nanoseconds,
    events: &mut Events,
) {
    if shown.replace(value) != Some(value) {
        let mut args = Members::default();
        args.number("value", value);
        events.add("C", EventName(name, None), LOOP, at, args);
    }
}

/// Whether a frame tells that a connection has its turn.
fn is_of_turn(frame: &Frame<'_>) -> bool {
    !matches!(
        frame,
        Frame::Event { .. }
            | Frame::Settled { .. }
            | Frame::Delivered { .. }
            | Frame::Answered { .. }
            | Frame::Closed { .. }
            | Frame::Client {
                frame: ClientFrame::Dialed { .. }
            }
            | Frame::Relay { .. }
            | Frame::Filter { .. }
    )
}

/// Whether a frame tells of a call that met `WouldBlock`.
fn has_blocked(frame: &Frame<'_>) -> bool {
    match *frame {
        Frame::Read {
            result: Err(error), ..
        }
        | Frame::Write {
            result: Err(error), ..
        }
        | Frame::TlsRead {
            result: Err(error), ..
        }
        | Frame::TlsWrite {
            result: Err(error), ..
        }
        | Frame::TlsFlush {
            result: Err(error), ..
        }
        | Frame::Handshake {
            result: Err(error), ..
        } => io::Error::from(error).kind() == io::ErrorKind::WouldBlock,
        Frame::TlsRead {
            result: Ok(Read::WouldBlock),
            ..
        }
        | Frame::Handshake {
            result: Ok(HandshakeCode::WouldBlock),
            ..
        } => true,
        _ => false,
    }
}
