//! Times as servers of a stream write them (RFC 3339).

/// The milliseconds of the epoch of a time in UTC, as `2026-11-30T13:00:00.123456789Z`.
#[must_use]
pub fn milliseconds_of(text: &str) -> Option<u64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let mut date = date.splitn(3, '-').map(number);
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let (time, fraction) = time.split_once('.').unwrap_or((time, ""));
    let mut time = time.splitn(3, ':').map(number);
    let (hour, minute, second) = (time.next()??, time.next()??, time.next()??);
    let is_time = hour < 24 && minute < 60 && second <= 60;
    let is_date = (1970..10_000).contains(&year) && (1..=12).contains(&month);
    if !is_time || !is_date || !(1..=31).contains(&day) {
        return None;
    }
    let digits: String = fraction.chars().chain("000".chars()).take(3).collect();
    let seconds = ((days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
    Some(seconds * 1000 + number(&digits)?)
}

fn number(digits: &str) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    digits.parse().ok().filter(|_| is_number)
}

/// The days from the epoch to a date. Years begin with March here, so that a leap day is the last one.
fn days(year: u64, month: u64, day: u64) -> u64 {
    let (year, month) = match month {
        1 | 2 => (year - 1, month + 9),
        _ => (year, month - 3),
    };
    let leap_days = year / 4 - year / 100 + year / 400;
    let days_before_month = (153 * month + 2) / 5;
    // 719,468 days lie between the first of March of the year 0 and the epoch.
    year * 365 + leap_days + days_before_month + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_milliseconds_of_the_epoch() {
        for (text, milliseconds) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2000-02-29T12:00:00.25Z", Some(951_825_600_250)),
            ("2026-11-30T13:00:00.123456789Z", Some(1_796_043_600_123)),
            ("2026-11-30T13:00:00+01:00", None),
            ("2026-13-30T13:00:00Z", None),
            ("2026-11-30 13:00:00Z", None),
            ("2026-11-+0T13:00:00Z", None),
            ("", None),
        ] {
            assert_eq!(milliseconds_of(text), milliseconds, "{text}");
        }
    }
}
