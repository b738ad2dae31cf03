//! The track of a connection: a slice for its life, in it its phases.

use super::events::{EventName, Events, Flow, SliceId, TrackId};
use crate::json::Members;
use crate::net::driver::ConnectionId;
use crate::net::epoch::Nanoseconds;
use crate::net::lifecycle::Lifecycle;
use crate::trace::connections::TracedConnection;

/// Octets of a connection, from its start.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Octets {
    read: u64,
    wrote: u64,
}

impl Octets {
    pub(super) fn of(connection: &TracedConnection) -> Self {
        Self {
            read: connection.bytes_in,
            wrote: connection.bytes_out,
        }
    }

    /// The ranges of octets since `before`, for a slice.
    pub(super) fn since(self, before: Self) -> Members {
        let mut args = Members::default();
        args.range("read", before.read, self.read);
        args.range("wrote", before.wrote, self.wrote);
        args
    }
}

/// The phase before anything is known of the session.
const GREETING: &str = "greeting";

/// The track of a connection.
pub(super) struct ConnectionTrack {
    connection: ConnectionId,
    life: SliceId,
    /// The octets at the start of that slice.
    life_from: Octets,
    phase: &'static str,
    slice: SliceId,
    /// The octets at the start of that slice.
    slice_from: Octets,
    /// The phase that the state of the session is.
    of_session: &'static str,
    /// The phase in which its filters are asked.
    at_filters: Option<&'static str>,
    /// The octets after the frame that was seen last.
    pub(super) octets: Octets,
    /// The arrow from an event to the turn that it leads to.
    pub(super) readiness: Option<Flow>,
    /// Whether an event has told of it that leads to a turn.
    pub(super) is_queued: bool,
    /// The arrow from the end of a message to the reply.
    pub(super) message: Option<Flow>,
    /// Whether the message is settled.
    pub(super) is_settled: bool,
}

impl ConnectionTrack {
    pub(super) fn begin(connection: ConnectionId, at: Nanoseconds, events: &mut Events) -> Self {
        let track = track_of(connection);
        let name = EventName::of_connection(connection);
        Self {
            connection,
            life: events.begin(name, track, at),
            life_from: Octets::default(),
            phase: GREETING,
            slice: events.begin(EventName(GREETING, None), track, at),
            slice_from: Octets::default(),
            of_session: GREETING,
            at_filters: None,
            octets: Octets::default(),
            readiness: None,
            is_queued: false,
            message: None,
            is_settled: false,
        }
    }

    pub(super) fn id(&self) -> TrackId {
        track_of(self.connection)
    }

    /// Goes on to the state of this name.
    pub(super) fn enter_state(&mut self, name: &str, at: Nanoseconds, events: &mut Events) {
        self.of_session = phase_of(name);
        self.enter(self.at_filters.unwrap_or(self.of_session), at, events);
    }

    /// Goes on to a phase in which its filters are asked, or back from it.
    pub(super) fn enter_filters(
        &mut self,
        phase: Option<&'static str>,
        at: Nanoseconds,
        events: &mut Events,
    ) {
        self.at_filters = phase;
        self.enter(phase.unwrap_or(self.of_session), at, events);
    }

    /// Goes on to this stage of its life.
    pub(super) fn enter_stage(&mut self, stage: Lifecycle, at: Nanoseconds, events: &mut Events) {
        let phase = match stage {
            Lifecycle::Dialing => "dial",
            Lifecycle::Handshaking => "tls",
            Lifecycle::Open => self.at_filters.unwrap_or(self.of_session),
            Lifecycle::Closing(_) => "closing",
            Lifecycle::Lingering => "lingering",
            Lifecycle::Closed => "closed",
        };
        self.enter(phase, at, events);
    }

    fn enter(&mut self, phase: &'static str, at: Nanoseconds, events: &mut Events) {
        if phase != self.phase {
            events.end(self.slice, at, self.octets.since(self.slice_from));
            self.phase = phase;
            self.begin_phase(at, events);
        }
    }

    fn begin_phase(&mut self, at: Nanoseconds, events: &mut Events) {
        self.slice = events.begin(EventName(self.phase, None), self.id(), at);
        self.slice_from = self.octets;
    }

    /// Ends both slices; `reason` says why the connection has ended, if it has.
    pub(super) fn end(&self, reason: Option<&str>, at: Nanoseconds, events: &mut Events) {
        events.end(self.slice, at, self.octets.since(self.slice_from));
        let mut args = self.octets.since(self.life_from);
        if let Some(reason) = reason {
            args.text("reason", reason);
        }
        events.end(self.life, at, args);
    }

    /// Begins both slices anew, after their [end](Self::end).
    pub(super) fn go_on(&mut self, at: Nanoseconds, events: &mut Events) {
        let name = EventName::of_connection(self.connection);
        self.life = events.begin(name, self.id(), at);
        self.life_from = self.octets;
        self.begin_phase(at, events);
    }
}

/// The phase that a state is, of a server's session or a client's.
fn phase_of(state: &str) -> &'static str {
    match state {
        "AwaitingGreeting" => GREETING,
        "AwaitingHello" => "hello",
        "AwaitingMail" => "mail",
        "AwaitingStartTls" | "AwaitingTls" => "tls",
        "Authenticating" | "Tarpit" | "LoggingIn" => "login",
        "AwaitingRcpt" => "rcpt",
        "ReceivingData" | "DiscardingData" | "ReceivingChunk" | "DiscardingChunk"
        | "BetweenChunks" | "AwaitingData" | "SendingMessage" => "data",
        "EndingMessage" | "AwaitingCommit" | "AwaitingStored" => "commit",
        "Closing" | "AwaitingQuit" | "Closed" => "closing",
        _ => "session",
    }
}

/// The track before the first one of connections that go out. Viewers have room for 31 bits in the number of a track.
const LAST_INCOMING: u64 = 1 << 30;

fn track_of(connection: ConnectionId) -> TrackId {
    match connection.outgoing_number() {
        Some(number) => TrackId(LAST_INCOMING.saturating_add(number)),
        // Ids count from 1, and the loop has that number.
        None => TrackId(connection.0.saturating_add(1)),
    }
}
