//! When transactions begin: each behind another that is done, or by the clock.

use std::time::{Duration, Instant};

/// How much is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// So many transactions.
    Count(u64),
    /// As many as begin in this time.
    Time(Duration),
}

/// How long after the end a transaction may begin that was due before. If the server has fallen behind further, the
/// rest does not begin any more.
const GRACE: Duration = Duration::from_secs(1);

/// The transactions of a run, handed out one by one.
#[derive(Debug)]
pub(super) struct Schedule {
    start: Instant,
    /// How many there are at most.
    count: u64,
    /// None is due from here on.
    end: Option<Instant>,
    /// How many a second are due, whatever became of the last ones; without it one is due as soon as somebody is
    /// free to do it.
    rate: Option<u32>,
    begun: u64,
}

impl Schedule {
    pub(super) fn new(extent: Extent, rate: Option<u32>, start: Instant) -> Self {
        let (count, end) = match extent {
            Extent::Count(count) => (count, None),
            Extent::Time(time) => (u64::MAX, start.checked_add(time)),
        };
        Self {
            start,
            count,
            end,
            rate,
            begun: 0,
        }
    }

    /// Whether transactions are due by the clock.
    pub(super) fn is_by_clock(&self) -> bool {
        self.rate.is_some()
    }

    /// When the next transaction is due, if there is one.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let due = self.due(self.begun)?;
        let before_end = self.end.is_none_or(|end| due < end);
        (self.begun < self.count && before_end).then_some(due)
    }

    /// Whether a transaction is due.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        !self.is_over(now) && self.next_due().is_some_and(|due| due <= now)
    }

    /// Hands out the next transaction, if it is due: since when it is, which is what its latency counts from. Whoever
    /// sends by the clock has waited since then, whether or not this program could have noticed.
    pub(super) fn take(&mut self, now: Instant) -> Option<Instant> {
        let due = self.next_due().filter(|_| self.is_due(now))?;
        self.begun += 1;
        Some(if self.is_by_clock() { due } else { now })
    }

    /// Takes the last transaction back, which could not be begun.
    pub(super) fn take_back(&mut self) {
        self.begun = self.begun.saturating_sub(1);
    }

    /// Whether no transaction will begin any more.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        let grace = if self.is_by_clock() {
            GRACE
        } else {
            Duration::ZERO
        };
        self.end.is_some_and(|end| now >= end + grace) || self.next_due().is_none()
    }

    /// Lets no more transactions be due.
    pub(super) fn stop(&mut self, now: Instant) {
        self.end = Some(self.end.map_or(now, |end| end.min(now)));
    }

    /// How many transactions were due by the clock and did not begin.
    pub(super) fn overdue(&self) -> u64 {
        let (Some(rate), Some(end)) = (self.rate, self.end) else {
            return 0;
        };
        let nanoseconds = end.saturating_duration_since(self.start).as_nanos();
        let due = (nanoseconds * u128::from(rate)).div_ceil(NANOS_PER_SEC);
        u64::try_from(due)
            .unwrap_or(u64::MAX)
            .min(self.count)
            .saturating_sub(self.begun)
    }

    fn due(&self, number: u64) -> Option<Instant> {
        let Some(rate) = self.rate else {
            return Some(self.start);
        };
        let nanoseconds = u128::from(number) * NANOS_PER_SEC / u128::from(rate);
        let nanoseconds = u64::try_from(nanoseconds).ok()?;
        self.start.checked_add(Duration::from_nanos(nanoseconds))
    }
}

const NANOS_PER_SEC: u128 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    const MILLISECOND: Duration = Duration::from_millis(1);

    #[test]
    fn without_a_rate_one_is_due_until_all_have_begun() {
        let start = Instant::now();
        let mut schedule = Schedule::new(Extent::Count(2), None, start);
        let now = start + MILLISECOND;
        assert_eq!(schedule.take(now), Some(now));
        assert!(!schedule.is_over(now));
        assert_eq!(schedule.take(now), Some(now));
        assert!(schedule.is_over(now));
        assert_eq!(schedule.take(now), None);
        assert_eq!(schedule.overdue(), 0);
    }

    #[test]
    fn by_the_clock_each_is_due_in_its_time_and_none_is_left_out() {
        let start = Instant::now();
        let mut schedule = Schedule::new(Extent::Count(3), Some(1000), start);
        assert_eq!(schedule.take(start), Some(start));
        assert_eq!(schedule.take(start), None);
        assert_eq!(schedule.next_due(), Some(start + MILLISECOND));
        let late = start + 50 * MILLISECOND;
        assert_eq!(schedule.take(late), Some(start + MILLISECOND));
        assert_eq!(schedule.take(late), Some(start + 2 * MILLISECOND));
        assert_eq!(schedule.take(late), None);
        assert!(schedule.is_over(late));
    }

    #[test]
    fn a_time_ends_it_and_so_does_a_stop() {
        let start = Instant::now();
        let end = start + 10 * MILLISECOND;
        let mut closed = Schedule::new(Extent::Time(10 * MILLISECOND), None, start);
        assert!(!closed.is_over(end - MILLISECOND) && closed.is_over(end));
        assert_eq!(closed.take(end), None);

        let mut schedule = Schedule::new(Extent::Time(10 * MILLISECOND), Some(500), start);
        assert_eq!(schedule.take(start), Some(start));
        assert_eq!(schedule.take(end), Some(start + 2 * MILLISECOND));
        assert_eq!(schedule.take(end + GRACE), None);
        assert!(schedule.is_over(end + GRACE));
        // Those at 0, 2, 4, 6 and 8 ms, of which two began.
        assert_eq!(schedule.overdue(), 3);
        schedule.stop(start + 5 * MILLISECOND);
        assert_eq!(schedule.overdue(), 1);
    }
}
