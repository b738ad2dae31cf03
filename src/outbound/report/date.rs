//! Dates and spans of time, as reports write them.

use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

/// A time of the epoch as RFC 5322 §3.3 writes it, in UTC. What has no date there, thousands of years from now, is the epoch.
pub(super) fn rfc5322_date(ms: u64) -> String {
    let seconds = i64::try_from(ms / 1000).unwrap_or_default();
    let format = |seconds| {
        let at = OffsetDateTime::from_unix_timestamp(seconds).ok()?;
        at.format(&Rfc2822).ok()
    };
    format(seconds).or_else(|| format(0)).unwrap_or_default()
}

/// A span in the largest unit that fits, in words.
pub(in crate::outbound) fn in_words(ms: u64) -> String {
    const UNITS: [(u64, &str); 4] = [
        (86_400, "day"),
        (3600, "hour"),
        (60, "minute"),
        (1, "second"),
    ];
    let seconds = Duration::from_millis(ms).as_secs();
    let unit = UNITS.iter().find(|(unit, _)| seconds >= 2 * unit);
    let (length, name) = unit.unwrap_or(&UNITS[3]);
    let count = seconds / length;
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {name}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_dates_and_words() {
        assert_eq!(
            rfc5322_date(1_709_209_845_999),
            "Thu, 29 Feb 2024 12:30:45 +0000"
        );
        assert_eq!(rfc5322_date(u64::MAX), "Thu, 01 Jan 1970 00:00:00 +0000");
        for (seconds, words) in [
            (0, "0 seconds"),
            (1, "1 second"),
            (119, "119 seconds"),
            (3599, "59 minutes"),
            (14_400, "4 hours"),
            (432_000, "5 days"),
        ] {
            assert_eq!(in_words(seconds * 1000), words);
        }
    }
}
