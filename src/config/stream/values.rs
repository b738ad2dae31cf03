//! The values of options about a stream.

use core::ops::RangeInclusive;
use std::time::Duration;

pub use crate::stream::target::StreamTarget;
use crate::stream::target::TargetError;

/// The seconds that a message may be waited for. In less than the least a disk that is busy would be given up.
const ACK_WAIT_SECONDS: RangeInclusive<u64> = 5..=3600;

/// Reads the address of a stream.
///
/// # Errors
/// What would be right.
pub fn target(text: &str) -> Result<StreamTarget, String> {
    text.parse().map_err(|error: TargetError| error.to_string())
}

/// Reads how long a message is waited for.
///
/// # Errors
/// What would be right.
pub fn ack_wait(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|it| ACK_WAIT_SECONDS.contains(it));
    let (least, most) = (ACK_WAIT_SECONDS.start(), ACK_WAIT_SECONDS.end());
    let seconds =
        seconds.ok_or_else(|| format!("write a number of seconds from {least} to {most}"));
    seconds.map(Duration::from_secs)
}
