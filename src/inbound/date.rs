//! The date of trace headers, formatted at most once a second.

use std::time::{SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

/// Remembers the last date it formatted.
#[derive(Debug, Default)]
pub(super) struct DateCache {
    second: Option<u64>,
    /// In ASCII. It is written over, so that a second does not allocate either.
    date: Vec<u8>,
}

impl DateCache {
    /// Tells what time it is.
    pub(super) fn set(&mut self, now: SystemTime) {
        let second = now
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        if self.second != Some(second) {
            self.second = Some(second);
            self.date.clear();
            // RFC 2822 has no years before 1900: such a cache leaves the date empty rather than stop the mail.
            if OffsetDateTime::from(now)
                .format_into(&mut self.date, &Rfc2822)
                .is_err()
            {
                self.date.clear();
            }
        }
    }

    /// The present time as RFC 5322 §3.3 writes it, in UTC.
    pub(super) fn get(&self) -> &str {
        str::from_utf8(&self.date).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_date_is_what_mail_expects() {
        let mut cache = DateCache::default();
        for (seconds, date) in [
            (0, "Thu, 01 Jan 1970 00:00:00 +0000"),
            (1_709_209_845, "Thu, 29 Feb 2024 12:30:45 +0000"),
        ] {
            cache.set(UNIX_EPOCH + Duration::from_secs(seconds));
            assert_eq!(cache.get(), date);
        }
    }
}
