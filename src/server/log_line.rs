//! Log lines: `key=value`, one a happening, whatever a peer puts into them.

use core::fmt::{self, Write};

use crate::smtp::envelope::Recipient;
use crate::smtp::reply::Reply;

/// Writes a value so that its line stays one line and its end is found: controls and what is beyond ASCII are
/// escaped, and what holds a space or quote, or nothing, is quoted.
pub(super) struct Value<T>(pub(super) T);

impl<T: fmt::Display> fmt::Display for Value<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut scan = Scan {
            empty: true,
            plain: true,
        };
        write!(scan, "{}", self.0)?;
        if scan.plain && !scan.empty {
            return write!(f, "{}", self.0);
        }
        f.write_char('"')?;
        write!(Escape(f), "{}", self.0)?;
        f.write_char('"')
    }
}

/// Whether a value can stand as it is.
struct Scan {
    empty: bool,
    plain: bool,
}

impl Write for Scan {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.empty &= text.is_empty();
        self.plain &= text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'"');
        Ok(())
    }
}

struct Escape<'a, 'f>(&'a mut fmt::Formatter<'f>);

impl Write for Escape<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            if matches!(character, ' '..='~') && !matches!(character, '"' | '\\') {
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

/// What a message came to: `stored`, or `rejected=452`, with every code there is; `stored=2 rejected=452` if that
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
            ("<\"q\"@b>", r#""<\"q\"@b>""#),
            ("a\r\nconn=1\x1b", r#""a\r\nconn=1\u{1b}""#),
            ("\u{fc}", r#""\u{fc}""#),
        ] {
            assert_eq!(Value(value).to_string(), written);
        }
    }
}
