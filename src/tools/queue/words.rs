//! Words of what is shown of the queue.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::smtp::visible::is_visible;

/// A number of things.
pub(super) fn counted(count: u64, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

/// An address as a person reads it; a question mark where nobody knows it.
pub(super) fn bracketed(address: Option<&str>) -> String {
    address.map_or("?".to_owned(), |address| format!("<{}>", shown(address)))
}

/// Text that a terminal may show, whoever wrote it.
pub(super) fn shown(text: &str) -> String {
    let plain = |character| match character {
        '\t' => ' ',
        ' ' => ' ',
        visible if is_visible(visible) => visible,
        _ => '?',
    };
    text.chars().map(plain).collect()
}

/// A span of time in short: its largest unit.
pub(super) fn span(seconds: u64) -> String {
    match seconds {
        ..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        86_400.. => format!("{}d", seconds / 86_400),
    }
}

/// A time of the epoch as RFC 3339 writes it, in UTC.
pub(super) fn date(seconds: u64) -> String {
    let at = i64::try_from(seconds).ok();
    let at = at.and_then(|at| OffsetDateTime::from_unix_timestamp(at).ok());
    let text = at.and_then(|at| at.format(&Rfc3339).ok());
    text.unwrap_or_else(|| seconds.to_string())
}
