//! The time at the start of a line.

use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;

/// The length of `time=2026-11-28T15:09:45.123Z `.
const LENGTH: usize = 30;
/// The offset of the milliseconds.
const MILLISECONDS: usize = 25;
const DIGITS: &[u8; 10] = b"0123456789";

/// The time as a line begins with it, in UTC (RFC 3339). All but its milliseconds is made once a second.
pub(super) struct Stamp {
    second: Option<u64>,
    text: [u8; LENGTH],
}

impl Default for Stamp {
    fn default() -> Self {
        Self {
            second: None,
            text: [b' '; LENGTH],
        }
    }
}

impl Stamp {
    /// The stamp for `now`.
    pub(super) fn at(&mut self, now: SystemTime) -> &[u8] {
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        if self.second != Some(since.as_secs()) {
            self.second = Some(since.as_secs());
            self.begin_second(since.as_secs());
        }
        let milliseconds = since.subsec_millis();
        for (place, unit) in self.text[MILLISECONDS..].iter_mut().zip([100, 10, 1]) {
            *place = DIGITS[(milliseconds / unit % 10) as usize];
        }
        &self.text
    }

    fn begin_second(&mut self, second: u64) {
        let second = i64::try_from(second).unwrap_or(i64::MAX);
        let time =
            OffsetDateTime::from_unix_timestamp(second).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let (year, month, day) = time.to_calendar_date();
        let (hour, minute, second) = time.to_hms();
        // It fits as long as years have four digits.
        let _ = write!(
            &mut self.text[..],
            "time={year:04}-{:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.000Z ",
            u8::from(month),
        );
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_stamp_is_the_time_to_the_millisecond() {
        let mut stamp = Stamp::default();
        for (milliseconds, written) in [
            (0, "time=1970-01-01T00:00:00.000Z "),
            (1_795_878_585_123, "time=2026-11-28T15:09:45.123Z "),
            (1_795_878_585_009, "time=2026-11-28T15:09:45.009Z "),
            (1_795_878_586_999, "time=2026-11-28T15:09:46.999Z "),
            (951_782_400_000, "time=2000-02-29T00:00:00.000Z "),
        ] {
            let now = UNIX_EPOCH + Duration::from_millis(milliseconds);
            assert_eq!(str::from_utf8(stamp.at(now)), Ok(written));
        }
    }
}
