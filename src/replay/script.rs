//! The record as the core of a server meets it in a replay.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::contents::Contents;
use super::cut::FrameSource;
use super::difference::{Difference, first_different, shown};
use super::result::{ReplayError, Replayed};
use crate::net::connections::{HeldBack, TickStep};
use crate::net::driver::ConnectionId;
use crate::net::epoch::Nanoseconds;
use crate::observe::file::RecordError;
#[cfg(feature = "milter")]
use crate::observe::frame::FilterFrame;
use crate::observe::frame::{ClientFrame, Frame, RelayFrame, SpoolState};

/// Replays the record of a client.
pub(super) type ClientReplay = fn(Script) -> Result<Replayed, ReplayError>;

/// A script that everything shares which takes the place of a part of the world.
pub(super) type SharedScript = Rc<RefCell<Script>>;

/// The record as the core of a server meets it: one frame after the other.
pub(super) struct Script {
    frames: Box<dyn FrameSource>,
    contents: Contents,
    tick: u64,
    ticks: u64,
    /// Whether the store takes no more text.
    is_congested: bool,
    /// The state of the spool.
    spool_state: SpoolState,
    /// Octets that each connection has said.
    said: HashMap<ConnectionId, u64>,
    /// Octets that were written, as text.
    written: u64,
    /// Whether the record says that it ends.
    has_ended: bool,
    end: Option<ScriptEnd>,
}

/// Why nothing is compared any more.
enum ScriptEnd {
    /// The record is over.
    Over,
    /// The replay has gone another way.
    Different(Box<Difference>),
    /// The record cannot be read on.
    Unreadable(RecordError),
}

impl Script {
    pub(super) fn new(frames: Box<dyn FrameSource>, contents: Contents) -> Self {
        Self {
            frames,
            contents,
            tick: 0,
            ticks: 0,
            is_congested: false,
            spool_state: SpoolState::default(),
            said: HashMap::new(),
            written: 0,
            has_ended: false,
            end: None,
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.end.is_some()
    }

    pub(super) fn begin_tick(&mut self, number: u64) {
        self.tick = number;
        self.ticks += 1;
    }

    /// Compares the step that the tick takes.
    pub(super) fn check_step(&mut self, own: TickStep) {
        let made = Frame::Step { step: own, at: 0 };
        self.call(&made, |recorded| match *recorded {
            Frame::Step { step, .. } if step == own => Some(()),
            _ => None,
        });
    }

    /// Compares the instant at which connections want to be woken, unless one is alone: it is that of the first of all.
    pub(super) fn check_tick_end(&mut self, own: Option<Nanoseconds>, is_alone: bool) {
        let made = Frame::TickEnd { at: 0, wake: own };
        self.call(&made, |recorded| match *recorded {
            Frame::TickEnd { wake, .. } if wake == own || is_alone => Some(()),
            _ => None,
        });
    }

    /// The result of the replay, in which there were so many connections.
    pub(super) fn result(&mut self, connections: u64) -> Result<Replayed, ReplayError> {
        let difference = match self.end.take() {
            Some(ScriptEnd::Different(difference)) => Some(difference),
            Some(ScriptEnd::Unreadable(error)) => return Err(error.into()),
            Some(ScriptEnd::Over) | None => None,
        };
        Ok(Replayed {
            ticks: self.ticks,
            connections,
            octets: self.written,
            is_cut_short: !self.has_ended,
            difference,
        })
    }

    /// Looks at the next frame: `see` says what it means, `None` if it is not the one that is wanted, which `made` shows. A frame
    /// of another connection is never wanted.
    pub(super) fn call<R>(
        &mut self,
        made: &Frame<'_>,
        see: impl FnOnce(&Frame<'_>) -> Option<R>,
    ) -> Option<R> {
        self.pass_states();
        if self.is_over() {
            return None;
        }
        let recorded = match self.frames.peek() {
            // A record that has reached its largest size ends within a tick.
            Ok(Some(Frame::End { .. })) => {
                self.finish();
                return None;
            }
            Ok(Some(frame)) => frame,
            Ok(None) => {
                self.end = Some(ScriptEnd::Over);
                return None;
            }
            Err(error) => {
                self.end = Some(ScriptEnd::Unreadable(error));
                return None;
            }
        };
        let seen = match (made.connection(), recorded.connection()) {
            (Some(own), Some(other)) if own != other => None,
            _ => see(&recorded),
        };
        if seen.is_some() {
            self.frames.skip();
        } else if self
            .contents
            .are_missing(&[made.connection(), recorded.connection()])
        {
            // It goes by octets whose frames would be behind the end of the record.
            self.has_ended = self.contents.has_end();
            self.end = Some(ScriptEnd::Over);
        } else {
            let difference = difference(self.tick, &self.said, &recorded, made);
            self.end = Some(ScriptEnd::Different(Box::new(difference)));
        }
        seen
    }

    /// Looks at the next frame as [`call`](Self::call), for what only a client does.
    pub(super) fn call_client<R>(
        &mut self,
        made: ClientFrame<'_>,
        see: impl FnOnce(&ClientFrame<'_>) -> Option<R>,
    ) -> Option<R> {
        self.call(&made.into(), |recorded| match recorded {
            Frame::Client { frame } => see(frame),
            _ => None,
        })
    }

    /// Looks at the next frame as [`call`](Self::call), for what only mail does that is sent on.
    #[cfg(feature = "relay")]
    pub(super) fn call_relay<R>(
        &mut self,
        made: RelayFrame<'_>,
        see: impl FnOnce(&RelayFrame<'_>) -> Option<R>,
    ) -> Option<R> {
        self.call(&made.into(), |recorded| match recorded {
            Frame::Relay { frame } => see(frame),
            _ => None,
        })
    }

    /// Looks at the next frame as [`call`](Self::call), for what only filters are asked, or a hold.
    #[cfg(feature = "milter")]
    pub(super) fn call_filter<R>(
        &mut self,
        made: FilterFrame<'_>,
        see: impl FnOnce(&FilterFrame<'_>) -> Option<R>,
    ) -> Option<R> {
        self.call(&made.into(), |recorded| match recorded {
            Frame::Filter { frame } => see(frame),
            _ => None,
        })
    }

    /// Takes the next frames of mail that is sent on, as long as `see` wants them.
    #[cfg(feature = "relay")]
    pub(super) fn take_relay<R>(&mut self, see: impl Fn(&RelayFrame<'_>) -> Option<R>) -> Vec<R> {
        let mut all = Vec::new();
        self.pass_states();
        while let Some(one) = self.take_if(|frame| match frame {
            Frame::Relay { frame } => see(frame),
            _ => None,
        }) {
            all.push(one);
        }
        all
    }

    /// Compares a decision with the next frame, which must be equal.
    pub(super) fn check(&mut self, made: &Frame<'_>) {
        self.call(made, |recorded| (recorded == made).then_some(()));
    }

    /// Compares octets that a connection has said, however many are said at once.
    pub(super) fn check_said(&mut self, connection: ConnectionId, octets: &[u8]) {
        self.check(&Frame::Said { connection, octets });
        *self.said.entry(connection).or_default() += octets.len() as u64;
    }

    /// Takes the next frame if `see` wants it.
    pub(super) fn take_if<R>(&mut self, see: impl FnOnce(&Frame<'_>) -> Option<R>) -> Option<R> {
        if self.is_over() {
            return None;
        }
        let seen = match self.frames.peek() {
            Ok(Some(frame)) => see(&frame),
            Ok(None) => None,
            Err(error) => {
                self.end = Some(ScriptEnd::Unreadable(error));
                None
            }
        };
        if seen.is_some() {
            self.frames.skip();
        }
        seen
    }

    /// Kinds of connections in the run queue that get no turn in this tick, where one connection is alone.
    pub(super) fn held_back(&self) -> HeldBack {
        self.frames.held_back(self.tick)
    }

    /// Ends the replay with the next frame as a difference: nothing was made that it tells of.
    pub(super) fn differ(&mut self, replayed: &str) {
        if let Ok(Some(frame)) = self.frames.peek() {
            let connection = frame.connection();
            let difference = Difference {
                tick: self.tick,
                connection,
                offset: connection.and_then(|connection| self.said.get(&connection).copied()),
                recorded: shown(&frame),
                replayed: replayed.to_owned(),
            };
            self.end = Some(ScriptEnd::Different(Box::new(difference)));
        }
    }

    /// The record says that it ends.
    pub(super) fn finish(&mut self) {
        self.has_ended = true;
        self.stop();
    }

    /// There is nothing more in the record.
    pub(super) fn stop(&mut self) {
        if self.end.is_none() {
            self.end = Some(ScriptEnd::Over);
        }
    }

    /// Whether the store takes no more text at this place of the record.
    pub(super) fn is_congested(&mut self) -> bool {
        self.pass_states();
        self.is_congested
    }

    /// The state of the spool at this place of the record.
    #[cfg(feature = "relay")]
    pub(super) fn spool_state(&mut self) -> SpoolState {
        self.pass_states();
        self.spool_state
    }

    /// Goes by frames that tell of states, which hold until the next one of their kind.
    pub(super) fn pass_states(&mut self) {
        loop {
            let (mut is_congested, mut spool) = (self.is_congested, self.spool_state);
            let passed = self.take_if(|frame| {
                match *frame {
                    Frame::Congested { is_congested: now } => is_congested = now,
                    Frame::Relay {
                        frame: RelayFrame::Spool { state },
                    } => spool = state,
                    _ => return None,
                }
                Some(())
            });
            if passed.is_none() {
                return;
            }
            (self.is_congested, self.spool_state) = (is_congested, spool);
        }
    }

    /// Counts octets that a connection wrote, as the log counts them: those of connections to other servers it does not.
    pub(super) fn wrote(&mut self, connection: ConnectionId, octets: usize) {
        if !connection.is_outgoing() {
            self.written += octets as u64;
        }
    }

    /// Gives the next octets that a connection read.
    pub(super) fn contents(&mut self, connection: ConnectionId, buffer: &mut [u8]) {
        if let Err(error) = self.contents.read(connection, buffer) {
            self.end = Some(ScriptEnd::Unreadable(error));
        }
    }

    pub(super) fn begin_tls(&mut self, connection: ConnectionId) {
        if let Err(error) = self.contents.begin_tls(connection) {
            self.end = Some(ScriptEnd::Unreadable(error));
        }
    }

    /// Forgets a connection that is over.
    pub(super) fn forget(&mut self, connection: ConnectionId) {
        self.contents.forget(connection);
        self.said.remove(&connection);
    }
}

fn difference(
    tick: u64,
    said: &HashMap<ConnectionId, u64>,
    recorded: &Frame<'_>,
    made: &Frame<'_>,
) -> Difference {
    let connection = made.connection().or(recorded.connection());
    let before = connection.and_then(|connection| said.get(&connection).copied());
    let same_octets = match (recorded, made) {
        (
            Frame::Said {
                octets: recorded,
                connection: one,
            },
            Frame::Said {
                octets: made,
                connection: other,
            },
        ) if one == other => first_different(recorded, made),
        _ => 0,
    };
    Difference {
        tick,
        connection,
        offset: connection.map(|_| before.unwrap_or(0) + same_octets as u64),
        recorded: shown(recorded),
        replayed: shown(made),
    }
}
