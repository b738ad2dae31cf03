//! The time up to which a record was read.

use crate::net::connections::TickStep;
use crate::net::epoch::Nanoseconds;
use crate::observe::frame::Frame;

/// The time up to which a record was read. Frames without a time of their own are of the one before them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct TraceTime {
    /// The number of the tick; 0 before the first one.
    pub(super) tick: u64,
    /// The step of it.
    pub(super) step: Option<TickStep>,
    /// Time since the start of the record. It never goes back, whatever a file says.
    pub(super) now: Nanoseconds,
    tick_start: Nanoseconds,
}

impl TraceTime {
    /// Goes on to the time of this frame.
    pub(super) fn see(&mut self, frame: &Frame<'_>) {
        match *frame {
            Frame::Tick { number, now, .. } => {
                (self.tick, self.step, self.tick_start) = (number, None, now);
                self.advance(0);
            }
            Frame::Step { step, at } => {
                self.step = Some(step);
                self.advance(at);
            }
            Frame::TickEnd { at, .. } => {
                self.step = None;
                self.advance(at);
            }
            Frame::Turn { at, .. }
            | Frame::Read { at, .. }
            | Frame::Write { at, .. }
            | Frame::Handshake { at, .. }
            | Frame::TlsRead { at, .. }
            | Frame::TlsWrite { at, .. }
            | Frame::TlsFlush { at, .. }
            | Frame::End { at } => self.advance(at),
            _ => {}
        }
    }

    fn advance(&mut self, since_tick: Nanoseconds) {
        self.now = self.now.max(self.tick_start.saturating_add(since_tick));
    }
}
