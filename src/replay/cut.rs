//! One connection cut out of a record, so that it replays by itself.
//!
//! Of the others nothing is left, so the work that they took in a tick is not known any more. Therefore ticks in which nothing came
//! of the connection are left out, and its events wait for the next one in which something did.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::mem;
use std::rc::Rc;

use crate::net::connections::{HeldBack, TickStep};
use crate::net::driver::ConnectionId;
use crate::observe::file::{FrameReader, RecordError};
use crate::observe::frame::Frame;

/// The frames that a replay meets.
pub(super) trait FrameSource {
    /// Looks at the next frame.
    fn peek(&mut self) -> Result<Option<Frame<'_>>, RecordError>;

    /// Leaves the frame behind that was looked at.
    fn skip(&mut self);

    /// Kinds of connections in the run queue that get no turn in this tick, since others came before them that are missing.
    fn held_back(&self, tick: u64) -> HeldBack {
        let _ = tick;
        HeldBack::default()
    }
}

impl FrameSource for FrameReader<File> {
    fn peek(&mut self) -> Result<Option<Frame<'_>>, RecordError> {
        self.peek()
    }

    fn skip(&mut self) {
        self.skip();
    }
}

/// The connections of a record.
#[derive(Default)]
pub(super) struct Index {
    /// Whether every connection is in the record.
    pub(super) is_whole: bool,
    pub(super) ticks: u64,
    pub(super) connections: BTreeMap<ConnectionId, ConnectionTicks>,
    /// Ticks in which something was asked of all connections.
    common: HashSet<u64>,
}

/// The places of one connection in a record.
#[derive(Default)]
pub(super) struct ConnectionTicks {
    key: Option<usize>,
    /// Ticks in which something came of it.
    ticks: HashSet<u64>,
    /// Ticks in which it had a turn because it was in the run queue, and those in which it waited there for the CPU.
    served: HashSet<u64>,
    served_by_cpu: HashSet<u64>,
    /// Tickets of the store that are its own.
    tickets: HashSet<u64>,
}

impl Index {
    /// Reads the record once.
    pub(super) fn read(mut frames: FrameReader<File>) -> Result<Self, RecordError> {
        let mut index = Self::default();
        let mut tick = 0;
        let mut is_serving = false;
        while let Some(frame) = frames.next_frame()? {
            match frame {
                Frame::Start { is_whole, .. } => index.is_whole = is_whole,
                Frame::Tick { number, .. } => {
                    tick = number;
                    index.ticks += 1;
                }
                Frame::Drain {} | Frame::Rules { .. } => {
                    index.common.insert(tick);
                }
                Frame::Step { step, .. } => is_serving = step == TickStep::Serve,
                _ => {}
            }
            if let Some(connection) = frame.connection() {
                let presence = index.connections.entry(connection).or_default();
                presence.ticks.insert(tick);
                presence.note(&frame, tick, is_serving);
            }
        }
        Ok(index)
    }

    /// The frames of one connection, with those that are of all.
    pub(super) fn cut(self: &Rc<Self>, connection: ConnectionId, frames: FrameReader<File>) -> Cut {
        Cut {
            frames,
            filter: Filter {
                connection,
                index: Rc::clone(self),
                is_active: false,
                is_there: false,
                is_own_message: false,
                has_own_message: false,
            },
            is_found: false,
        }
    }
}

impl ConnectionTicks {
    /// Notes what a frame of the connection tells of it.
    fn note(&mut self, frame: &Frame<'_>, tick: u64, is_serving: bool) {
        match *frame {
            Frame::Added { key, .. } => self.key = Some(key),
            Frame::Turn { iterations, .. } if is_serving => {
                // Only who waits for the CPU gets any.
                let served = if iterations > 0 {
                    &mut self.served_by_cpu
                } else {
                    &mut self.served
                };
                served.insert(tick);
            }
            Frame::Submit { ticket, .. }
            | Frame::Admit {
                result: Ok(Err(ticket)),
                ..
            }
            | Frame::Check {
                result: Ok(Err(ticket)),
                ..
            } => {
                self.tickets.insert(ticket);
            }
            _ => {}
        }
    }
}

/// The frames of one connection, with those that are of all.
pub(super) struct Cut {
    frames: FrameReader<File>,
    filter: Filter,
    /// Whether the next frame of the reader is one of these.
    is_found: bool,
}

impl FrameSource for Cut {
    fn peek(&mut self) -> Result<Option<Frame<'_>>, RecordError> {
        while !self.is_found {
            match self.frames.peek()? {
                Some(frame) if !self.filter.wants(&frame) => self.frames.skip(),
                _ => self.is_found = true,
            }
        }
        self.frames.peek()
    }

    fn skip(&mut self) {
        self.is_found = false;
        self.frames.skip();
    }

    fn held_back(&self, tick: u64) -> HeldBack {
        let Filter {
            index, connection, ..
        } = &self.filter;
        let presence = index.connections.get(connection);
        presence.map_or(HeldBack::default(), |presence| HeldBack {
            runnable: !presence.served.contains(&tick),
            cpu: !presence.served_by_cpu.contains(&tick),
        })
    }
}

/// The choice of the frames, each of which it is shown once, in their order.
struct Filter {
    connection: ConnectionId,
    index: Rc<Index>,
    /// Whether something came of the connection in this tick.
    is_active: bool,
    /// Whether the connection was let in and not removed.
    is_there: bool,
    /// Whether the message that was settled last is its own.
    is_own_message: bool,
    /// Whether such a one is in the present commit.
    has_own_message: bool,
}

impl Filter {
    fn wants(&mut self, frame: &Frame<'_>) -> bool {
        let Some(presence) = self.index.connections.get(&self.connection) else {
            return false;
        };
        match *frame {
            Frame::Tick { number, .. } => {
                let ticks = [&presence.ticks, &self.index.common];
                self.is_active = ticks.iter().any(|ticks| ticks.contains(&number));
                self.is_active
            }
            Frame::Step { .. } | Frame::TickEnd { .. } => self.is_active,
            Frame::Event { key, .. } => self.is_there && Some(key) == presence.key,
            Frame::Settled { ticket, .. } => {
                self.is_own_message = presence.tickets.contains(&ticket);
                self.has_own_message |= self.is_own_message;
                self.is_own_message
            }
            Frame::Delivered { .. } => self.is_own_message,
            Frame::Committed {} => mem::take(&mut self.has_own_message),
            Frame::Answered { ticket, .. } => presence.tickets.contains(&ticket),
            // One connection sends nothing on, and only the message that it opened knows of the spool.
            Frame::Relay { frame } => frame.connection() == Some(self.connection),
            _ => match frame.connection() {
                Some(connection) if connection == self.connection => {
                    self.is_there |= matches!(frame, Frame::Added { .. });
                    self.is_there &= !matches!(frame, Frame::Closed { .. });
                    true
                }
                Some(_) => false,
                None => true,
            },
        }
    }
}
