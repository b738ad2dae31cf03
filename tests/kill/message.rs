//! Messages that tell by themselves whether they are whole: all there is in one follows from its number.

use std::fmt::Write;

use crate::prng::Prng;

/// The most bytes of a message, about.
const MESSAGE_BYTES_MAX: usize = 100_000;
/// How many mailboxes are there for most messages.
const MAILBOXES: usize = 4;
/// One in so many is longer than what the server has in memory while filters look at it, by so many lines at least.
pub const LONG: usize = 4;
const LONG_LINES: usize = 1_100;
/// Once in so many messages a mailbox is made.
const FRESH: usize = 20;

/// Its lines, as they are stored.
pub fn text(number: u64) -> String {
    let mut prng = Prng::new(number);
    let mut text = format!("Message: {number}\n\n");
    let lines = prng.size(MESSAGE_BYTES_MAX / 64);
    let is_long = number.is_multiple_of(LONG as u64);
    let lines_min = if is_long { LONG_LINES } else { 0 };
    for _ in 0..lines.max(lines_min) {
        for _ in 0..8 {
            write!(text, "{:08x}", prng.below(1 << 32)).unwrap();
        }
        text.push('\n');
    }
    text
}

/// Whom it is for: one or two, who are not the same.
pub fn recipients(number: u64) -> Vec<String> {
    let mut prng = Prng::new(number);
    let first = prng.below(MAILBOXES);
    let mut recipients = vec![format!("m{first}@example.org")];
    if prng.one_in(2) {
        let second = (first + 1) % MAILBOXES;
        recipients.push(format!("m{second}@example.org"));
    }
    if prng.one_in(FRESH) {
        recipients[0] = format!("fresh{number}@d{}.example.net", prng.below(5));
    }
    recipients
}

/// The number of a message that is whole.
pub fn number_of(stored: &str) -> Option<u64> {
    let first = stored.lines().next()?;
    let number = first.strip_prefix("Message: ")?.parse().ok()?;
    (stored == text(number)).then_some(number)
}
