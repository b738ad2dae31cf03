//! Statistics of the event loop, gathered only while somebody watches: each second anew.

use std::time::{Duration, Instant};

use super::core::{ServerCore, Settled};
use crate::control::report::LoopReport;
use crate::net::poller::Poller;
use crate::net::transport::Transport;

/// The time over which is counted.
const WINDOW: Duration = Duration::from_secs(1);

/// Counts of the second that goes on, and the report of the one before it.
pub(super) struct LoopStats {
    window: Window,
    /// The counts of the last whole second, once there was one.
    last: Option<LoopReport>,
}

/// Counts since some instant.
struct Window {
    since: Instant,
    ticks: TickHistogram,
    events: u64,
    groups: u64,
    /// Counts of the store when the window began, and after the last tick.
    first: Settled,
    settled: Settled,
    /// The integral of the number of connections that wait for the store.
    waited: Duration,
    /// The end of the last tick.
    until: Instant,
}

/// One tick of the loop, after its end.
pub(super) struct TickSample {
    began: Instant,
    ended: Instant,
    events: usize,
    settled: Settled,
}

impl TickSample {
    /// The tick of `core` that ends now.
    pub(super) fn of<T: Transport>(core: &ServerCore<T>, poller: &Poller, now: Instant) -> Self {
        Self {
            began: core.connections().now(),
            ended: now,
            events: poller.events().count(),
            settled: core.settled(),
        }
    }
}

impl LoopStats {
    /// Statistics from now on.
    pub(super) fn new<T: Transport>(now: Instant, core: &ServerCore<T>) -> Self {
        Self {
            window: Window::new(now, core.settled()),
            last: None,
        }
    }

    /// Counts a tick.
    pub(super) fn note(&mut self, tick: &TickSample) {
        self.window.note(tick);
        if tick.ended.saturating_duration_since(self.window.since) >= WINDOW {
            self.last = Some(self.window.report());
            self.window = Window::new(tick.ended, tick.settled);
        }
    }

    /// The counts of the last whole second; before the first one has passed, those so far.
    pub(super) fn report(&self) -> LoopReport {
        self.last.unwrap_or_else(|| self.window.report())
    }
}

impl Window {
    fn new(since: Instant, settled: Settled) -> Self {
        Self {
            since,
            ticks: TickHistogram::default(),
            events: 0,
            groups: 0,
            first: settled,
            settled,
            waited: Duration::ZERO,
            until: since,
        }
    }

    fn note(&mut self, tick: &TickSample) {
        self.ticks
            .add(tick.ended.saturating_duration_since(tick.began));
        self.events += tick.events as u64;
        self.groups += u64::from(tick.settled.messages > self.settled.messages);
        // Those that waited after the last tick have waited since; what came meanwhile is noted with the next one.
        let elapsed = tick.ended.saturating_duration_since(self.until);
        let waiting = u32::try_from(self.settled.awaiting).unwrap_or(u32::MAX);
        self.waited = self.waited.saturating_add(elapsed.saturating_mul(waiting));
        self.settled = tick.settled;
        self.until = tick.ended;
    }

    fn report(&self) -> LoopReport {
        let elapsed = self.until.saturating_duration_since(self.since);
        let messages = self.settled.messages - self.first.messages;
        LoopReport {
            over_us: microseconds(elapsed),
            ticks: self.ticks.count,
            tick_p99_us: self.ticks.percentile(99),
            events: self.events,
            groups: self.groups,
            grouped: messages,
            answers: messages + self.settled.questions - self.first.questions,
            waited_us: microseconds(self.waited),
            ..LoopReport::default()
        }
    }
}

/// Bits of a duration that a bucket of the histogram tells: one in eight.
const PRECISION_BITS: u32 = 3;
/// Buckets for each power of two.
const STEPS: usize = 1 << PRECISION_BITS;
/// Buckets in all: the last one begins at half an hour.
const BUCKETS: usize = 29 * STEPS;

/// How long ticks took, in microseconds, each to one in eight.
struct TickHistogram {
    counts: [u32; BUCKETS],
    count: u64,
}

impl Default for TickHistogram {
    fn default() -> Self {
        Self {
            counts: [0; BUCKETS],
            count: 0,
        }
    }
}

impl TickHistogram {
    fn add(&mut self, took: Duration) {
        if let Some(count) = self.counts.get_mut(bucket(microseconds(took))) {
            *count = count.saturating_add(1);
        }
        self.count += 1;
    }

    /// The least duration in microseconds that so many percent do not exceed, to the end of its bucket.
    fn percentile(&self, percent: u64) -> u64 {
        let rank = (self.count * percent).div_ceil(100);
        let mut seen = 0;
        let found = self.counts.iter().position(|count| {
            seen += u64::from(*count);
            seen >= rank
        });
        found.filter(|_| rank > 0).map_or(0, bucket_end)
    }
}

/// The bucket of a duration: exact below `2 * STEPS` microseconds.
fn bucket(microseconds: u64) -> usize {
    let bits = u64::BITS - microseconds.leading_zeros();
    let shift = bits.saturating_sub(PRECISION_BITS + 1);
    let step = usize::try_from(microseconds >> shift).unwrap_or(0);
    (shift as usize * STEPS + step).min(BUCKETS - 1)
}

/// The longest duration of a bucket.
fn bucket_end(bucket: usize) -> u64 {
    let shift = (bucket / STEPS).saturating_sub(1);
    let step = bucket - shift * STEPS;
    ((step as u64 + 1) << shift) - 1
}

fn microseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_hold_what_falls_into_them() {
        let mut before = 0;
        for microseconds in (0..100_000).chain([1 << 20, (1 << 31) - 1]) {
            let bucket = bucket(microseconds);
            assert!(bucket >= before, "{microseconds}");
            before = bucket;
            let end = bucket_end(bucket);
            assert!(end >= microseconds, "{microseconds} is over {end}");
            assert!(
                end <= microseconds + microseconds / 8,
                "{microseconds}: {end}"
            );
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn of_a_hundred_ticks_one_may_take_longer() {
        let mut ticks = TickHistogram::default();
        assert_eq!(ticks.percentile(99), 0);
        for _ in 0..99 {
            ticks.add(Duration::from_micros(10));
        }
        ticks.add(Duration::from_millis(50));
        assert_eq!(ticks.percentile(99), 10);
        ticks.add(Duration::from_millis(50));
        assert!(ticks.percentile(99) >= 50_000);
    }

    #[test]
    fn the_wait_for_the_store_is_that_of_all_over_their_number() {
        let start = Instant::now();
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        let settled = |messages, questions, awaiting| Settled {
            messages,
            questions,
            awaiting,
        };
        let mut window = Window::new(start, settled(5, 5, 0));
        for (end, settled) in [
            // Two begin to wait, one of them for 10 ms, the other one for 30 ms.
            (10, settled(5, 5, 2)),
            (20, settled(6, 5, 1)),
            (40, settled(6, 6, 0)),
            (90, settled(6, 6, 0)),
        ] {
            window.note(&TickSample {
                began: at(end),
                ended: at(end),
                events: 1,
                settled,
            });
        }
        let report = window.report();
        assert_eq!((report.waited_us, report.answers), (40_000, 2));
        assert_eq!((report.groups, report.grouped), (1, 1));
        assert_eq!((report.events, report.over_us), (4, 90_000));
    }
}
