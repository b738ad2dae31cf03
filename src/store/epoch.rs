//! The time of the epoch, in names and envelopes.

use std::time::{Duration, SystemTime};

/// The time in seconds of the epoch, for the names of messages and instances.
pub(super) fn unix_seconds() -> u64 {
    since_epoch().as_secs()
}

/// The time in milliseconds of the epoch, at which a message came.
#[cfg(feature = "relay")]
pub(super) fn unix_milliseconds() -> u64 {
    u64::try_from(since_epoch().as_millis()).unwrap_or(u64::MAX)
}

fn since_epoch() -> Duration {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or_default()
}
