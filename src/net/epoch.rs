//! Times in half the room of an [`Instant`].

use std::time::{Duration, Instant};

/// The origin of times.
#[derive(Clone, Copy, Debug)]
pub struct Epoch(pub Instant);

/// A time since an epoch: enough for 584 years.
pub type Nanoseconds = u64;

impl Epoch {
    /// Nanoseconds from the epoch to `instant`; 0 for one before it.
    #[must_use]
    pub fn count(self, instant: Instant) -> Nanoseconds {
        let since = instant.saturating_duration_since(self.0);
        Nanoseconds::try_from(since.as_nanos()).unwrap_or(Nanoseconds::MAX)
    }

    /// The instant after so many nanoseconds.
    #[must_use]
    pub fn instant(self, since: Nanoseconds) -> Instant {
        self.0 + Duration::from_nanos(since)
    }
}
