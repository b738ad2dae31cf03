//! Values in a log of `key=value` lines, whatever a peer puts into them.

use core::fmt::{self, Write};

use super::visible::{is_visible, write_escaped};

/// Writes a value so that its line stays one line, is read in its order, and its end is found: what cannot be seen is
/// escaped, and what holds such, a space or quote, or nothing, is quoted.
pub struct LogValue<T>(pub T);

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
        let is_harmless = |character: char| {
            (character == ' ' || is_visible(character)) && !matches!(character, '"' | '\\')
        };
        write_escaped(self.0, text, is_harmless)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
