//! The watch over the loop: what a tick sees of each connection, gathered as text for whoever looks on.
//!
//! It is there only while somebody does. Of the ticks that nobody is told of it notes no more than that they were: see
//! [`LoopWatch::set_gathering`].

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;

use super::probe::{Client, CoreProbe};
use crate::http::live::{LoopEvent, TickFacts, TickText};
use crate::inbound::Rejection;
use crate::net::carrier::Carrier;
use crate::net::channel::Readiness;
use crate::net::connections::TickStep;
use crate::net::driver::ConnectionId;
use crate::net::peer::PeerAddress;
use crate::net::probe::{Content, Probe, Seen};
use crate::smtp::mask::{hide_challenges, hide_command};

/// The watch over the loop. The core of the server has it as its observer, and each connection as its probe.
pub(super) struct LoopWatch {
    started: Instant,
    present: RefCell<PresentTick>,
    /// The instant at which the loop is to wake for those who look on.
    wake: Cell<Option<Instant>>,
}

/// The tick that goes on, and the connections as they were told of last.
struct PresentTick {
    /// Whether it is gathered.
    is_gathered: bool,
    /// Whether a connection took part in it.
    is_busy: bool,
    /// The instant at which the poll before it began.
    polled: Instant,
    began: Instant,
    /// The instants at which its steps began.
    steps: [Instant; TickFacts::STEPS.len()],
    text: TickText,
    connections: HashMap<ConnectionId, SeenConnection>,
    /// The connection that has each key.
    keys: Vec<Option<ConnectionId>>,
}

/// A connection as it was told of last.
struct SeenConnection {
    key: usize,
    state: &'static str,
    waits: &'static str,
    /// Whether no line of it without a verb is shown: it may belong to a login, or to the text of a message.
    is_guarded: bool,
}

/// What is known of a tick without the watch.
pub(super) struct TickEnd {
    pub(super) number: u64,
    pub(super) ended: Instant,
    pub(super) polled: usize,
    pub(super) open: usize,
    pub(super) waiting: usize,
}

/// A tick that is over.
pub(super) enum WatchedTick {
    /// No connection took part in it.
    Idle,
    /// It was not gathered.
    Skipped,
    /// Its text, and whether something was left out in it.
    Told(Bytes, bool),
}

impl LoopWatch {
    /// A watch that has seen nothing yet, of a server that was started then.
    pub(super) fn new(started: Instant, now: Instant) -> Rc<Self> {
        Rc::new(Self {
            started,
            present: RefCell::new(PresentTick {
                is_gathered: false,
                is_busy: false,
                polled: now,
                began: now,
                steps: [now; TickFacts::STEPS.len()],
                text: TickText::default(),
                connections: HashMap::new(),
                keys: Vec::new(),
            }),
            wake: Cell::new(None),
        })
    }

    /// Notes a connection as viewers are told of it now. Those that were there before the watch have done what it does not know.
    pub(super) fn note(
        &self,
        connection: ConnectionId,
        key: usize,
        [state, waits]: [&'static str; 2],
    ) {
        let mut present = self.present.borrow_mut();
        let is_guarded = match present.connections.get(&connection) {
            Some(seen) => seen.is_guarded,
            None => true,
        };
        present.insert(
            connection,
            SeenConnection {
                key,
                state,
                waits,
                is_guarded,
            },
        );
    }

    /// Gathers the ticks to come, or only whether connections took part in them.
    pub(super) fn set_gathering(&self, is_gathering: bool) {
        self.present.borrow_mut().is_gathered = is_gathering;
    }

    /// Has the loop wake at this instant.
    pub(super) fn wake_at(&self, wake: Option<Instant>) {
        self.wake.set(wake);
    }

    /// Takes what the tick has seen, which is over.
    pub(super) fn end_tick(&self, end: &TickEnd) -> WatchedTick {
        let mut present = self.present.borrow_mut();
        if !std::mem::take(&mut present.is_busy) {
            return WatchedTick::Idle;
        }
        if !present.is_gathered {
            return WatchedTick::Skipped;
        }
        let facts = present.facts(self.started, end);
        let is_cut = present.text.is_cut();
        WatchedTick::Told(present.text.take(&facts), is_cut)
    }
}

impl PresentTick {
    fn insert(&mut self, connection: ConnectionId, seen: SeenConnection) {
        let key = seen.key;
        if self.keys.len() <= key {
            self.keys.resize(key + 1, None);
        }
        self.keys[key] = Some(connection);
        self.connections.insert(connection, seen);
    }

    fn remove(&mut self, connection: ConnectionId) {
        if let Some(seen) = self.connections.remove(&connection) {
            self.keys[seen.key] = None;
        }
    }

    /// Notes that a connection takes part; whether that is gathered.
    fn takes_part(&mut self) -> bool {
        self.is_busy = true;
        self.is_gathered
    }

    /// Adds what was seen, if this tick is gathered.
    fn add(&mut self, connection: ConnectionId, event: &LoopEvent<'_>) {
        if self.takes_part() {
            self.text.add(connection, event);
        }
    }

    /// Adds what a session has taken, of which only commands are shown, without credentials.
    fn took(&mut self, connection: ConnectionId, content: Content, octets: &[u8]) {
        let seen = self.connections.get_mut(&connection);
        let mut is_guarded = seen.as_ref().is_none_or(|seen| seen.is_guarded);
        let was_guarded = is_guarded;
        let (kind, shown) = match content {
            // Whether a connection is guarded depends on all its lines, also those that nobody is shown.
            Content::Protocol if self.is_gathered || !was_guarded => {
                ("command", hide_command(octets, &mut is_guarded))
            }
            Content::Protocol | Content::Reply => ("command", Cow::default()),
            Content::Credentials => ("credentials", Cow::default()),
            Content::Text => ("text", Cow::default()),
            Content::Dropped => ("dropped", Cow::default()),
        };
        if let Some(seen) = seen {
            seen.is_guarded = is_guarded;
        }
        self.add(connection, &LoopEvent::Took(kind, octets.len(), &shown));
    }

    /// Adds the state of a session, if it is news.
    fn state(&mut self, connection: ConnectionId, state: &'static str) {
        if !self.takes_part() {
            return;
        }
        if let Some(seen) = self.connections.get_mut(&connection)
            && std::mem::replace(&mut seen.state, state) != state
        {
            self.text.add(connection, &LoopEvent::State(state));
        }
    }

    /// Adds what a connection waits for, if it is news.
    fn waits(&mut self, connection: ConnectionId, waits: &'static str) {
        if !self.takes_part() {
            return;
        }
        if let Some(seen) = self.connections.get_mut(&connection)
            && std::mem::replace(&mut seen.waits, waits) != waits
        {
            self.text.add(connection, &LoopEvent::Waits(waits));
        }
    }

    fn facts(&self, started: Instant, end: &TickEnd) -> TickFacts {
        let mut steps = [Duration::ZERO; TickFacts::STEPS.len()];
        let ends = self.steps.iter().skip(1).chain([&end.ended]);
        for (took, (began, ended)) in steps.iter_mut().zip(self.steps.iter().zip(ends)) {
            *took = ended.saturating_duration_since(*began);
        }
        TickFacts {
            number: end.number,
            at: self.began.saturating_duration_since(started),
            slept: self.began.saturating_duration_since(self.polled),
            took: end.ended.saturating_duration_since(self.began),
            polled: end.polled,
            steps,
            open: end.open,
            waiting: end.waiting,
        }
    }
}

impl Probe for LoopWatch {
    fn saw(&self, connection: ConnectionId, step: Seen<'_>) {
        let mut present = self.present.borrow_mut();
        match step {
            Seen::Served | Seen::Left(_) | Seen::OwnText { .. } => {}
            Seen::Used(content, octets) => present.took(connection, content, octets),
            Seen::Said(_) | Seen::SaidCredentials(_) if !present.takes_part() => {}
            Seen::Said(octets) => {
                let hidden = hide_challenges(octets);
                let shown = hidden.as_deref().unwrap_or(octets);
                present.add(connection, &LoopEvent::Said(octets.len(), shown));
            }
            Seen::SaidCredentials(octets) => {
                present.add(connection, &LoopEvent::Said(octets.len(), b""));
            }
            Seen::Read(result) => present.add(connection, &LoopEvent::Read(result)),
            Seen::Wrote(result) => present.add(connection, &LoopEvent::Wrote(result)),
            Seen::Waits(waits) => present.waits(connection, waits),
            Seen::State(state) => present.state(connection, state),
            Seen::Entered(stage) => present.add(connection, &LoopEvent::Life(stage.name())),
            Seen::Closed(why, read, written) => {
                present.add(connection, &LoopEvent::Closed(why, read, written));
                present.remove(connection);
            }
        }
    }
}

/// The watch as the observer of the core.
pub(super) struct CoreWatch(pub(super) Rc<LoopWatch>);

impl CoreProbe for CoreWatch {
    fn of_connections(&self) -> Option<Rc<dyn Probe>> {
        Some(Rc::clone(&self.0) as Rc<dyn Probe>)
    }

    fn time(&mut self, now: Instant, _: SystemTime) {
        let mut present = self.0.present.borrow_mut();
        present.began = now;
        present.steps = [now; TickFacts::STEPS.len()];
    }

    fn event(&mut self, key: usize, readiness: Readiness) {
        let mut present = self.0.present.borrow_mut();
        if let Some(connection) = present.keys.get(key).copied().flatten() {
            present.add(connection, &LoopEvent::Ready(readiness));
        }
    }

    fn added(&mut self, key: usize, client: Client) {
        let mut present = self.0.present.borrow_mut();
        let seen = SeenConnection {
            key,
            state: "",
            waits: "",
            is_guarded: false,
        };
        present.insert(client.connection, seen);
        let service = client.service.name();
        present.add(
            client.connection,
            &LoopEvent::Accepted(client.peer, service),
        );
    }

    fn refused(&mut self, client: Client, why: Rejection) {
        let mut present = self.0.present.borrow_mut();
        if present.takes_part() {
            let why = why.to_string();
            let event = LoopEvent::Refused(client.peer, &why);
            present.add(client.connection, &event);
        }
    }

    fn step(&mut self, step: TickStep) {
        let mut present = self.0.present.borrow_mut();
        if present.is_gathered {
            let step = match step {
                TickStep::Serve => 0,
                TickStep::Commit => 1,
                TickStep::Expire => 2,
                TickStep::Reap => 3,
            };
            present.steps[step] = Instant::now();
            present.text.begin_step(step);
        }
    }

    fn carry(
        &mut self,
        mut transport: Carrier,
        connection: ConnectionId,
        _: PeerAddress,
    ) -> Carrier {
        transport.tell(connection, Rc::clone(&self.0) as Rc<dyn Probe>);
        transport
    }

    /// The poll begins right after this is asked.
    fn next_wake(&self, now: Instant) -> Option<Instant> {
        self.0.present.borrow_mut().polled = now;
        self.0.wake.get()
    }
}

#[cfg(test)]
mod tests;
