//! The share of the ticks that viewers are told of: so many that mail is not slowed down by it.
//!
//! Ticks that follow each other tell more than as many that lie apart. So of each second the first ones are told, up to a bound, and
//! the others are skipped until the next second.

use std::mem;
use std::time::{Duration, Instant};

/// The time for which the bounds hold.
const WINDOW: Duration = Duration::from_secs(1);
/// The most ticks that are told in a window.
const TICKS_MAX: u32 = 200;
/// With so many octets told in a window no further tick is.
const BYTES_MAX: usize = 256 * 1024;

/// The bounds of one window, and what was told and skipped in it.
#[derive(Debug)]
pub(super) struct Sampling {
    end: Instant,
    ticks: u32,
    bytes: usize,
    skipped: u64,
    /// Whether viewers were not told all of a tick.
    is_stale: bool,
}

impl Sampling {
    /// A window that begins now.
    pub(super) fn begin(now: Instant) -> Self {
        Self {
            end: now + WINDOW,
            ticks: 0,
            bytes: 0,
            skipped: 0,
            is_stale: false,
        }
    }

    /// Notes a tick that is told in so many octets, with something left out if it `is_cut`.
    pub(super) fn note(&mut self, bytes: usize, is_cut: bool) {
        self.ticks += 1;
        self.bytes += bytes;
        self.is_stale |= is_cut;
    }

    /// Notes a tick that is not told.
    pub(super) fn skip(&mut self) {
        self.skipped += 1;
    }

    /// Whether the next tick is to be told.
    pub(super) fn tells_the_next(&self) -> bool {
        self.ticks < TICKS_MAX && self.bytes < BYTES_MAX
    }

    /// Begins another window where it is time for one. Returns how many ticks were skipped if viewers are to be told anew what there is,
    /// since some were or not all of them was told.
    pub(super) fn turn(&mut self, now: Instant) -> Option<u64> {
        if now < self.end {
            return None;
        }
        let last = mem::replace(self, Self::begin(now));
        (last.skipped > 0 || last.is_stale).then_some(last.skipped)
    }

    /// The instant at which another window is to begin in any case.
    pub(super) fn next_wake(&self) -> Option<Instant> {
        (self.is_stale || !self.tells_the_next()).then_some(self.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_ticks_of_each_second_are_told_and_the_others_counted() {
        let start = Instant::now();
        let mut sampling = Sampling::begin(start);
        for _ in 0..TICKS_MAX {
            assert!(sampling.tells_the_next());
            assert_eq!(sampling.next_wake(), None);
            sampling.note(100, false);
        }
        for _ in 0..7 {
            assert!(!sampling.tells_the_next());
            sampling.skip();
        }
        assert_eq!(sampling.turn(start + WINDOW / 2), None);
        assert_eq!(sampling.next_wake(), Some(start + WINDOW));
        assert_eq!(sampling.turn(start + WINDOW), Some(7));
        assert!(sampling.tells_the_next());
        assert_eq!(sampling.next_wake(), None);
        assert_eq!(sampling.turn(start + 2 * WINDOW), None, "nothing is lost");
    }

    #[test]
    fn long_ticks_are_fewer_and_after_one_that_was_cut_all_is_told_anew() {
        let start = Instant::now();
        let mut sampling = Sampling::begin(start);
        sampling.note(BYTES_MAX - 1, false);
        assert!(sampling.tells_the_next());
        sampling.note(1, true);
        assert!(!sampling.tells_the_next());
        assert_eq!(sampling.next_wake(), Some(start + WINDOW));
        assert_eq!(sampling.turn(start + WINDOW), Some(0));
    }
}
