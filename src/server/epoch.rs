//! Times in half the room of an [`Instant`].

use std::time::{Duration, Instant};

/// What times are counted from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Epoch(pub(super) Instant);

/// A time since an epoch: enough for 584 years.
pub(super) type Nanoseconds = u64;

impl Epoch {
    /// How long after the epoch `instant` is; 0 for one before it.
    pub(super) fn count(self, instant: Instant) -> Nanoseconds {
        let since = instant.saturating_duration_since(self.0);
        Nanoseconds::try_from(since.as_nanos()).unwrap_or(Nanoseconds::MAX)
    }

    /// When that is.
    pub(super) fn instant(self, since: Nanoseconds) -> Instant {
        self.0 + Duration::from_nanos(since)
    }
}
