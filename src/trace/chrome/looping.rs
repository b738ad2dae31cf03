//! The track of the loop: ticks, in them their steps, in those the turns of connections.

use super::LOOP;
use super::connection::Octets;
use super::events::{EventName, Events, SliceId};
use crate::json::Members;
use crate::net::connections::TickStep;
use crate::net::driver::ConnectionId;
use crate::net::epoch::Nanoseconds;

/// What filters answer, as if that were a step.
const ANSWERS: &str = "filters";

/// The slices that are open on the track of the loop.
#[derive(Default)]
pub(super) struct LoopTrack {
    tick: Option<(EventName, SliceId)>,
    step: Option<(EventName, SliceId)>,
    turn: Option<OpenTurn>,
}

/// A turn of a connection that has not ended.
struct OpenTurn {
    connection: ConnectionId,
    slice: SliceId,
    /// The octets before it.
    before: Octets,
    /// The octets up to now.
    now: Octets,
}

impl LoopTrack {
    pub(super) fn begin_tick(&mut self, number: u64, at: Nanoseconds, events: &mut Events) {
        let name = EventName("tick", Some(number));
        self.tick = Some((name, events.begin(name, LOOP, at)));
    }

    pub(super) fn begin_step(&mut self, step: TickStep, at: Nanoseconds, events: &mut Events) {
        self.end_step(at, events);
        let name = match step {
            TickStep::Serve => "serve",
            TickStep::Commit => "commit",
            TickStep::Expire => "expire",
            // Accepting follows at once, and is no step of the core.
            TickStep::Reap => "accept",
        };
        self.begin_named(name, at, events);
    }

    /// Goes on to what filters answer, after the steps of a tick.
    pub(super) fn begin_answers(&mut self, at: Nanoseconds, events: &mut Events) {
        let is_there = matches!(self.step, Some((EventName(ANSWERS, _), _)));
        if !is_there && self.tick.is_some() {
            self.end_step(at, events);
            self.begin_named(ANSWERS, at, events);
        }
    }

    fn begin_named(&mut self, name: &'static str, at: Nanoseconds, events: &mut Events) {
        let name = EventName(name, None);
        self.step = Some((name, events.begin(name, LOOP, at)));
    }

    /// Whether this connection has the turn.
    pub(super) fn is_turn_of(&self, connection: ConnectionId) -> bool {
        matches!(&self.turn, Some(turn) if turn.connection == connection)
    }

    /// Begins a turn of a connection that had so many octets before.
    pub(super) fn begin_turn(
        &mut self,
        connection: ConnectionId,
        before: Octets,
        at: Nanoseconds,
        events: &mut Events,
    ) {
        self.end_turn(at, events);
        let name = EventName::of_connection(connection);
        self.turn = Some(OpenTurn {
            connection,
            slice: events.begin(name, LOOP, at),
            before,
            now: before,
        });
    }

    /// Notes the octets that the connection which has the turn has by now.
    pub(super) fn count(&mut self, now: Octets) {
        if let Some(turn) = &mut self.turn {
            turn.now = now;
        }
    }

    pub(super) fn end_turn(&mut self, at: Nanoseconds, events: &mut Events) {
        if let Some(turn) = self.turn.take() {
            events.end_if_long(turn.slice, at, turn.now.since(turn.before));
        }
    }

    fn end_step(&mut self, at: Nanoseconds, events: &mut Events) {
        self.end_turn(at, events);
        if let Some((_, slice)) = self.step.take() {
            events.end(slice, at, Members::default());
        }
    }

    pub(super) fn end_tick(&mut self, at: Nanoseconds, events: &mut Events) {
        self.end_step(at, events);
        if let Some((_, slice)) = self.tick.take() {
            events.end(slice, at, Members::default());
        }
    }

    /// Ends what is open, and begins it anew.
    pub(super) fn cut(&mut self, at: Nanoseconds, events: &mut Events) {
        let (tick, step) = (self.tick, self.step);
        let turn = self.turn.as_ref().map(|turn| (turn.connection, turn.now));
        self.end_tick(at, events);
        let mut begin = |(name, _)| (name, events.begin(name, LOOP, at));
        self.tick = tick.map(&mut begin);
        self.step = step.map(&mut begin);
        if let Some((connection, now)) = turn {
            self.begin_turn(connection, now, at, events);
        }
    }
}
