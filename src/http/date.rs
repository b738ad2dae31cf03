//! The `Date` of responses (RFC 9110 §5.6.7).

use std::time::{SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;

/// Remembers the last date it formatted.
#[derive(Debug, Default)]
pub(super) struct HttpDate {
    second: Option<u64>,
    date: String,
}

impl HttpDate {
    /// Tells what time it is.
    pub(super) fn set(&mut self, wall: SystemTime) {
        let since = wall.duration_since(UNIX_EPOCH).unwrap_or_default();
        if self.second != Some(since.as_secs()) {
            self.second = Some(since.as_secs());
            self.date = imf_fixdate(OffsetDateTime::from(UNIX_EPOCH + since));
        }
    }

    /// The present time, in GMT.
    pub(super) fn get(&self) -> &str {
        &self.date
    }
}

fn imf_fixdate(at: OffsetDateTime) -> String {
    let (weekday, month) = (at.weekday().to_string(), at.month().to_string());
    format!(
        "{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT",
        &weekday[..3],
        at.day(),
        &month[..3],
        at.year(),
        at.hour(),
        at.minute(),
        at.second()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_date_is_as_the_standard_has_it() {
        let mut date = HttpDate::default();
        for (seconds, text) in [
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
        ] {
            date.set(UNIX_EPOCH + Duration::from_secs(seconds));
            assert_eq!(date.get(), text);
        }
    }
}
