//! Log lines: `key=value`, one a happening, whatever a peer puts into them.

use core::fmt::{self, Write};

use crate::smtp::envelope::{QueueId, Recipient};
use crate::smtp::path::Mailbox;
use crate::smtp::reply::Reply;
use crate::smtp::visible::is_visible;

/// Writes a value so that its line stays one line, is read in its order, and its end is found: what cannot be seen is
/// escaped, and what holds such, a space or quote, or nothing, is quoted.
pub(crate) struct LogValue<T>(pub(crate) T);

impl<T: fmt::Display> fmt::Display for LogValue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut scan = Scan::default();
        write!(scan, "{}", self.0)?;
        if scan.is_plain && scan.length > 0 {
            let kept = scan.kept.get(..scan.length);
            return match kept.map(str::from_utf8) {
                Some(Ok(text)) => f.write_str(text),
                _ => write!(f, "{}", self.0),
            };
        }
        f.write_char('"')?;
        write!(Escape(f), "{}", self.0)?;
        f.write_char('"')
    }
}

/// Finds out whether a value can stand as it is. Most values can, and are short: those are formatted once only.
struct Scan {
    is_plain: bool,
    /// The octets of the value, of which the first ones are kept.
    length: usize,
    kept: [u8; KEPT_BYTES_MAX],
}

/// An address and its brackets mostly have fewer octets.
const KEPT_BYTES_MAX: usize = 96;

impl Default for Scan {
    fn default() -> Self {
        Self {
            is_plain: true,
            length: 0,
            kept: [0; KEPT_BYTES_MAX],
        }
    }
}

impl Write for Scan {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let is_graphic = |byte: u8| byte.is_ascii_graphic() && byte != b'"';
        self.is_plain &= text.bytes().all(is_graphic)
            || text
                .chars()
                .all(|character| character != '"' && is_visible(character));
        let end = self.length + text.len();
        if let Some(place) = self.kept.get_mut(self.length..end) {
            place.copy_from_slice(text.as_bytes());
        }
        self.length = end;
        Ok(())
    }
}

struct Escape<'a, 'f>(&'a mut fmt::Formatter<'f>);

impl Write for Escape<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            let harmless = character == ' ' || is_visible(character);
            if harmless && !matches!(character, '"' | '\\') {
                self.0.write_char(character)?;
            } else {
                write!(self.0, "{}", character.escape_default())?;
            }
        }
        Ok(())
    }
}

/// Recipients as their client named them, in angle brackets, separated by commas.
pub(super) struct Recipients<'a>(pub(super) &'a [Recipient]);

impl fmt::Display for Recipients<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, recipient) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}<{}>", recipient.address)?;
        }
        Ok(())
    }
}

/// The queue id of a message, if it has one yet.
pub(super) struct Id<'a>(pub(super) Option<&'a QueueId>);

impl fmt::Display for Id<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(id) => write!(f, " id={}", id.as_str()),
            None => Ok(()),
        }
    }
}

/// The mailboxes of recipients that led elsewhere than their address says: by an alias, the catch-all, or a tag that was left
/// off. Nothing if there are none.
pub(super) struct LedTo<'a>(pub(super) &'a [Recipient]);

impl LedTo<'_> {
    fn mailboxes(&self) -> impl Iterator<Item = &Mailbox> {
        let led = |recipient: &&Recipient| match &recipient.mailboxes[..] {
            [mailbox] => *mailbox != recipient.address && *mailbox != recipient.address.plain(),
            _ => true,
        };
        let recipients = self.0.iter().filter(led);
        recipients.flat_map(|recipient| &recipient.mailboxes)
    }
}

impl fmt::Display for LedTo<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.mailboxes().next().is_none() {
            return Ok(());
        }
        write!(f, " mailbox={}", LogValue(Addresses(|| self.mailboxes())))
    }
}

/// At most so many mailboxes are named, however many an alias leads to.
const MAILBOXES_NAMED_MAX: usize = 100;

/// Addresses in angle brackets, separated by commas, and the number of those that are too many.
struct Addresses<F>(F);

impl<'a, F: Fn() -> I, I: Iterator<Item = &'a Mailbox>> fmt::Display for Addresses<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut addresses = self.0();
        for (index, address) in addresses.by_ref().take(MAILBOXES_NAMED_MAX).enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}<{address}>")?;
        }
        match addresses.count() {
            0 => Ok(()),
            more => write!(f, ",+{more}"),
        }
    }
}

/// The outcome of a message: `stored`, or `rejected=452`, with every code there is; `stored=2 rejected=452` if that
/// many recipients have it and others do not.
pub(super) struct Outcomes<'a>(pub(super) &'a [Result<(), Reply>]);

impl fmt::Display for Outcomes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut codes = Vec::new();
        for reply in self.0.iter().filter_map(|outcome| outcome.err()) {
            if !codes.contains(&reply.code) {
                codes.push(reply.code);
            }
        }
        let stored = self.0.iter().filter(|outcome| outcome.is_ok()).count();
        match (stored, &codes[..]) {
            (_, []) => return f.write_str("stored"),
            (0, _) => {}
            _ => write!(f, "stored={stored} ")?,
        }
        for (index, code) in codes.iter().enumerate() {
            let before = if index == 0 { "rejected=" } else { "," };
            write!(f, "{before}{code}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smtp::reply;

    #[test]
    fn outcomes_are_told_once_each() {
        let (full, failed) = (Err(reply::STORE_FULL), Err(reply::STORE_FAILED));
        for (outcomes, written) in [
            (&[Ok(())][..], "stored"),
            (&[Ok(()), Ok(())], "stored"),
            (&[full], "rejected=452"),
            (&[full, failed, full], "rejected=452,451"),
            (&[full, Ok(()), Ok(()), full], "stored=2 rejected=452"),
        ] {
            assert_eq!(Outcomes(outcomes).to_string(), written);
        }
    }

    #[test]
    fn a_value_stays_one_word_of_one_line() {
        for (value, written) in [
            ("<a@b>", "<a@b>"),
            ("", "\"\""),
            ("a b", "\"a b\""),
            (&*"a".repeat(KEPT_BYTES_MAX), &*"a".repeat(KEPT_BYTES_MAX)),
            (&*"a".repeat(300), &*"a".repeat(300)),
            ("<\"q\"@b>", r#""<\"q\"@b>""#),
            ("a\r\nconn=1\x1b", r#""a\r\nconn=1\u{1b}""#),
            ("<b\u{fc}ro@\u{4f8b}.jp>", "<b\u{fc}ro@\u{4f8b}.jp>"),
            ("e\u{301}\u{915}\u{93f}", "e\u{301}\u{915}\u{93f}"),
            ("\u{fc} b", "\"\u{fc} b\""),
            ("a\u{85}b", r#""a\u{85}b""#),
            ("a\u{2028}conn=1", r#""a\u{2028}conn=1""#),
            ("<\u{202e}gro@b>", r#""<\u{202e}gro@b>""#),
            ("a\u{200b}\u{a0}\u{feff}", r#""a\u{200b}\u{a0}\u{feff}""#),
        ] {
            assert_eq!(LogValue(value).to_string(), written);
        }
    }
}
