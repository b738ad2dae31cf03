//! The time of the queue, in four octets: ticks of an eighth of a second, which go on evenly whatever the clock does.

/// Milliseconds of a tick.
const TICK_MS: u64 = 128;
/// Mail that is older than this when the queue begins counts as just so old.
const PAST_MS: u64 = 400 * 24 * 3_600_000;
/// A clock that jumps ahead by more was set: no mail is to expire of that.
const JUMP_MS: u64 = PAST_MS;

/// A point in time: ticks since some day before the queue began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Tick(pub(super) u32);

impl Tick {
    /// No point in time.
    pub(super) const NEVER: Self = Self(u32::MAX);

    /// The first tick that is surely so many milliseconds after what this one stands for.
    pub(super) fn after(self, ms: u64) -> Self {
        let ticks = u32::try_from(ms.div_ceil(TICK_MS) + 1).unwrap_or(u32::MAX);
        // Never is later than any time.
        Self(self.0.saturating_add(ticks).min(u32::MAX - 1))
    }

    /// Milliseconds from an earlier tick to this one.
    pub(super) fn since_ms(self, earlier: Self) -> u64 {
        u64::from(self.0.saturating_sub(earlier.0)) * TICK_MS
    }
}

/// The clock of the queue. A step of the system's clock back, or far ahead, is none of it: who waits five minutes waits five minutes.
#[derive(Debug)]
pub(super) struct Ticks {
    /// The latest time that was told.
    told_ms: u64,
    /// The time in milliseconds of the epoch at which tick 0 was, by the clock as it is now.
    start_ms: i64,
    now: Tick,
}

impl Ticks {
    /// A clock that begins now.
    pub(super) fn new(now_ms: u64) -> Self {
        let mut ticks = Self {
            told_ms: now_ms,
            start_ms: signed(now_ms) - signed(PAST_MS),
            now: Tick(0),
        };
        ticks.set(now_ms);
        ticks
    }

    /// Takes the time. Returns the tick of now, never before the last one.
    pub(super) fn set(&mut self, now_ms: u64) -> Tick {
        if now_ms < self.told_ms {
            self.start_ms -= signed(self.told_ms - now_ms);
        } else if now_ms - self.told_ms > JUMP_MS {
            self.start_ms += signed(now_ms - self.told_ms);
        }
        self.told_ms = now_ms;
        self.now = self.floor(now_ms);
        self.now
    }

    /// The tick of now.
    pub(super) fn now(&self) -> Tick {
        self.now
    }

    /// The tick that a time is in.
    pub(super) fn floor(&self, at_ms: u64) -> Tick {
        let since_start = signed(at_ms).saturating_sub(self.start_ms).max(0);
        let ticks = u64::try_from(since_start).unwrap_or(0) / TICK_MS;
        Tick(u32::try_from(ticks).unwrap_or(u32::MAX).min(u32::MAX - 1))
    }

    /// The first tick that begins at a time or after it.
    pub(super) fn ceil(&self, at_ms: u64) -> Tick {
        self.floor(at_ms.saturating_add(TICK_MS - 1))
    }

    /// When a tick begins, in milliseconds of the epoch.
    pub(super) fn ms(&self, tick: Tick) -> u64 {
        let since_start = signed(u64::from(tick.0) * TICK_MS);
        u64::try_from(self.start_ms.saturating_add(since_start)).unwrap_or(0)
    }
}

fn signed(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: u64 = 1_795_000_000_000;

    #[test]
    fn ticks_never_come_early() {
        let ticks = Ticks::new(NOW_MS);
        for offset in 0..300 {
            let at = NOW_MS + offset;
            assert!(ticks.ms(ticks.ceil(at)) >= at && ticks.ms(ticks.ceil(at)) < at + TICK_MS);
            assert!(ticks.ms(ticks.floor(at)) <= at);
            assert!(ticks.ms(ticks.floor(at).after(1000)) >= at + 1000);
        }
    }

    #[test]
    fn a_clock_that_is_set_lets_nobody_wait_longer_or_shorter() {
        let mut ticks = Ticks::new(NOW_MS);
        let due = ticks.set(NOW_MS).after(300_000);
        ticks.set(NOW_MS + 100_000);
        // Back by an hour.
        ticks.set(NOW_MS - 3_500_000);
        assert!(ticks.set(NOW_MS - 3_301_000) < due);
        assert!(ticks.set(NOW_MS - 3_299_000) >= due);
        // From 1970 to now.
        let mut ticks = Ticks::new(0);
        let due = ticks.set(0).after(300_000);
        assert!(ticks.set(NOW_MS) < due);
        assert!(ticks.set(NOW_MS + 300_300) >= due);
        assert_eq!(ticks.ms(ticks.ceil(0)), NOW_MS - PAST_MS);
    }
}
