//! Dates: those of messages (RFC 5322 §3.3), and those of JSON and searches (RFC 3339).

use std::time::SystemTime;

use time::{Date, Month, OffsetDateTime, Time, UtcOffset};

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
/// Zones by name (RFC 5322 §4.3) and their hours; any other name is UTC.
const ZONES: [(&str, i8); 8] = [
    ("EDT", -4),
    ("EST", -5),
    ("CDT", -5),
    ("CST", -6),
    ("MDT", -6),
    ("MST", -7),
    ("PDT", -7),
    ("PST", -8),
];

/// Reads a date as a message has it, as in `Sat, 28 Nov 2026 15:09:45 +0100`.
pub(crate) fn read(value: &str) -> Option<OffsetDateTime> {
    let after_weekday = value.split_once(',').map_or(value, |(_, date)| date);
    let mut parts = after_weekday.split_ascii_whitespace();
    let day = parts.next()?.parse().ok()?;
    let month = parts.next()?.get(..3)?.to_ascii_lowercase();
    let month = MONTHS.iter().position(|known| *known == month)?;
    let year = match parts.next()? {
        // Two digits are of the last century but for the first fifty.
        digits if digits.len() == 2 => match digits.parse().ok()? {
            year @ 0..50 => 2000 + year,
            year => 1900 + year,
        },
        digits => digits.parse().ok()?,
    };
    let time = read_time(parts.next()?)?;
    let offset = read_zone(parts.next().unwrap_or("+0000"))?;
    let date = Date::from_calendar_date(
        year,
        Month::try_from(u8::try_from(month + 1).ok()?).ok()?,
        day,
    );
    Some(date.ok()?.with_time(time).assume_offset(offset))
}

/// Reads a date as searches have it: `2026-11-28`, or with a time and a zone behind it, else UTC; or seconds of the epoch.
pub(crate) fn read_search(text: &str) -> Option<OffsetDateTime> {
    if let Ok(seconds) = text.parse() {
        return OffsetDateTime::from_unix_timestamp(seconds).ok();
    }
    let text = text.to_ascii_uppercase().replace('/', "-");
    let (date, time) = match text.split_once(['T', ' ']) {
        Some((date, time)) => (date, time.trim()),
        None => (&*text, "00:00"),
    };
    let mut parts = date.splitn(3, '-');
    let year = parts.next()?.parse().ok()?;
    let month = Month::try_from(parts.next()?.parse::<u8>().ok()?).ok()?;
    let day = parts.next()?.parse().ok()?;
    let zone_start = time.find(['Z', '+', '-']).unwrap_or(time.len());
    let (time, zone) = time.split_at(zone_start);
    let offset = match zone.replace(':', "") {
        zone if zone.is_empty() || zone == "Z" => UtcOffset::UTC,
        zone => read_zone(&zone)?,
    };
    let date = Date::from_calendar_date(year, month, day).ok()?;
    Some(
        date.with_time(read_time(time.trim())?)
            .assume_offset(offset),
    )
}

/// Reads `15:09`, `15:09:45` or `15:09:45.5`; fractions are left out.
fn read_time(text: &str) -> Option<Time> {
    let mut parts = text.splitn(3, ':');
    let (hour, minute) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let second = match parts.next() {
        // A leap second is one too many for the calendar.
        Some(second) => second
            .split('.')
            .next()?
            .parse::<u8>()
            .ok()?
            .min(if second.starts_with("60") { 59 } else { 99 }),
        None => 0,
    };
    Time::from_hms(hour, minute, second).ok()
}

fn read_zone(text: &str) -> Option<UtcOffset> {
    let Some(digits) = text.strip_prefix(['+', '-']) else {
        let zone = ZONES
            .iter()
            .find(|(name, _)| text.eq_ignore_ascii_case(name));
        return UtcOffset::from_hms(zone.map_or(0, |(_, hours)| *hours), 0, 0).ok();
    };
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let hours: i8 = digits.get(..2)?.parse().ok()?;
    let minutes: i8 = digits.get(2..4).unwrap_or("00").parse().ok()?;
    UtcOffset::from_hms(sign * hours, sign * minutes, 0).ok()
}

/// Writes a date as RFC 3339 has it, without fractions.
pub(crate) fn write(date: OffsetDateTime) -> String {
    format!("{}{}", write_seconds(date), write_zone(date.offset()))
}

/// Writes a time of this machine as RFC 3339 has it, in UTC with milliseconds.
pub(crate) fn write_now(time: SystemTime) -> String {
    let date = OffsetDateTime::from(time);
    format!("{}.{:03}Z", write_seconds(date), date.millisecond())
}

fn write_seconds(date: OffsetDateTime) -> String {
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
        date.year(),
        u8::from(date.month()),
        date.day(),
        date.hour(),
        date.minute(),
        date.second()
    )
}

fn write_zone(offset: UtcOffset) -> String {
    let (hours, minutes, _) = offset.as_hms();
    match (hours, minutes) {
        (0, 0) => "Z".to_owned(),
        _ => format!(
            "{}{:02}:{:02}",
            if offset.is_negative() { '-' } else { '+' },
            hours.unsigned_abs(),
            minutes.unsigned_abs()
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn dates_of_messages_are_read_and_written() {
        for (value, written) in [
            (
                "Sat, 28 Nov 2026 15:09:45 +0100",
                Some("2026-11-28T15:09:45+01:00"),
            ),
            ("28 Nov 2026 15:09 GMT", Some("2026-11-28T15:09:00Z")),
            (
                "Sat,28 november 26 15:09:45 -0330 (NST)",
                Some("2026-11-28T15:09:45-03:30"),
            ),
            ("1 Jan 99 00:00:00 EST", Some("1999-01-01T00:00:00-05:00")),
            ("31 Dec 2016 23:59:60 +0000", Some("2016-12-31T23:59:59Z")),
            ("28 Nov 2026 15:09:45", Some("2026-11-28T15:09:45Z")),
            ("30 Feb 2026 15:09:45 +0000", None),
            ("28 Nov 2026 25:09:45 +0000", None),
            ("28 N\u{e9} 2026 15:09:45", None),
            ("yesterday", None),
            ("", None),
        ] {
            assert_eq!(read(value).map(write).as_deref(), written, "{value}");
        }
    }

    #[test]
    fn dates_of_searches_are_read() {
        for (text, written) in [
            ("2026-11-28", Some("2026-11-28T00:00:00Z")),
            ("2026/11/28", Some("2026-11-28T00:00:00Z")),
            ("2026-11-28t15:09:45z", Some("2026-11-28T15:09:45Z")),
            ("2026-11-28 15:09", Some("2026-11-28T15:09:00Z")),
            (
                "2026-11-28T15:09:45.123+01:00",
                Some("2026-11-28T15:09:45+01:00"),
            ),
            ("1795878585", Some("2026-11-28T15:09:45Z")),
            ("2026-13-28", None),
            ("tomorrow", None),
        ] {
            assert_eq!(read_search(text).map(write).as_deref(), written, "{text}");
        }
    }

    #[test]
    fn times_have_milliseconds() {
        let time = UNIX_EPOCH + Duration::from_millis(1_795_878_585_007);
        assert_eq!(write_now(time), "2026-11-28T15:09:45.007Z");
    }
}
