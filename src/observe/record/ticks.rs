//! The frames of a loop, of a server or a client: ticks, their steps, events.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::Recorder;
use crate::net::channel::Readiness;
use crate::net::connections::TickStep;
use crate::observe::frame::Frame;

/// Frames that a slow sink did not take are offered again after this time.
const RETRY_INTERVAL: Duration = Duration::from_millis(100);

impl Recorder {
    /// A tick begins.
    pub(super) fn saw_tick(&self, now: Instant, wall: SystemTime) {
        let number = self.ticks.get() + 1;
        self.ticks.set(number);
        self.tick.set(now);
        let wall = wall.duration_since(UNIX_EPOCH).unwrap_or_default();
        self.put(&Frame::Tick {
            number,
            now: self.since_start(now),
            wall: u64::try_from(wall.as_nanos()).unwrap_or(u64::MAX),
        });
    }

    /// An event was told of what has this key.
    pub(super) fn saw_event(&self, key: usize, readiness: Readiness) {
        self.put(&Frame::Event { key, readiness });
    }

    /// A step of the tick begins.
    pub(super) fn saw_step(&self, step: TickStep) {
        let at = self.at();
        self.put(&Frame::Step { step, at });
    }

    /// The steps of the tick are done, if there was one; connections want to be woken at this instant.
    pub(super) fn saw_tick_end(&self, wake: Option<Instant>) {
        if self.ticks.get() > 0 {
            let at = self.at();
            let wake = wake.map(|wake| self.since_start(wake));
            self.put(&Frame::TickEnd { at, wake });
        }
    }

    /// The instant at which frames that wait for room in the sink are to be offered again.
    pub(super) fn next_wake(&self, now: Instant) -> Option<Instant> {
        let has_backlog = !self.output.borrow().buffer.is_empty();
        has_backlog.then(|| now + RETRY_INTERVAL)
    }
}
