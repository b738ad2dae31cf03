//! What a message text is made of, found out as it streams through: which servers may take it as it lies.

use core::fmt;

/// Facts about a message text that decide how it may be sent.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct TextFlags(u8);

impl TextFlags {
    /// Octets beyond ASCII: it takes 8BITMIME (RFC 6152).
    pub const EIGHT_BIT: Self = Self(1);
    /// A line that begins with a dot: what is sent after DATA is not what lies in the spool (RFC 5321 §4.5.2).
    pub const DOT_LINE: Self = Self(1 << 1);
    /// NUL, or CR and LF that are no line's end: it takes BINARYMIME (RFC 3030).
    pub const BINARY: Self = Self(1 << 2);

    /// Reads the bits of a record; those of other facts are left out.
    #[must_use]
    pub fn from_bits(bits: u8) -> Self {
        Self(bits & (Self::EIGHT_BIT.0 | Self::DOT_LINE.0 | Self::BINARY.0))
    }

    /// The bits as a record holds them, and pipes carry them.
    #[must_use]
    pub fn bits(self) -> u8 {
        self.0
    }

    /// Whether the text holds octets beyond ASCII.
    #[must_use]
    pub fn is_eight_bit(self) -> bool {
        self.0 & Self::EIGHT_BIT.0 != 0
    }

    /// Whether a line of the text begins with a dot, which DATA needs doubled.
    #[must_use]
    pub fn has_dot_line(self) -> bool {
        self.0 & Self::DOT_LINE.0 != 0
    }

    /// Whether only BINARYMIME carries the text unchanged.
    #[must_use]
    pub fn is_binary(self) -> bool {
        self.0 & Self::BINARY.0 != 0
    }

    /// Adds what another text, or the rest of this one, has.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Debug for TextFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [
            (self.is_eight_bit(), "8bit"),
            (self.has_dot_line(), "dot"),
            (self.is_binary(), "binary"),
        ];
        let names = names.into_iter().filter(|(is_set, _)| *is_set);
        f.debug_set().entries(names.map(|(_, name)| name)).finish()
    }
}

/// The state of a text that streams through: its length, its checksum, its flags.
#[derive(Clone, Debug)]
pub(super) struct TextSum {
    bytes: u64,
    crc: u32,
    flags: TextFlags,
    /// The last octet so far; a text begins as a line does.
    last: u8,
}

impl TextSum {
    pub(super) fn new() -> Self {
        Self {
            bytes: 0,
            crc: 0,
            flags: TextFlags::default(),
            last: b'\n',
        }
    }

    /// Takes the next octets, split anywhere.
    pub(super) fn add(&mut self, text: &[u8]) {
        let Some(&last) = text.last() else {
            return;
        };
        self.crc = crc32c::crc32c_append(self.crc, text);
        if !text.is_ascii() {
            self.flags = self.flags.union(TextFlags::EIGHT_BIT);
        }
        if memchr::memchr(0, text).is_some() {
            self.flags = self.flags.union(TextFlags::BINARY);
        }
        self.look_at_line_ends(text);
        self.bytes += text.len() as u64;
        self.last = last;
    }

    fn look_at_line_ends(&mut self, text: &[u8]) {
        // What begins here was looked at as the end of what came before only so far as it had come.
        let starts_line = self.last == b'\n';
        let is_split = self.last == b'\r';
        if starts_line && text.starts_with(b".") {
            self.flags = self.flags.union(TextFlags::DOT_LINE);
        }
        if is_split && self.bytes > 0 && !text.starts_with(b"\n") {
            self.flags = self.flags.union(TextFlags::BINARY);
        }
        // Each CR belongs to the LF after it; of the last one that may still come.
        let mut returns = usize::from(text.ends_with(b"\r"));
        for at in memchr::memchr_iter(b'\n', text) {
            let before = at.checked_sub(1).map_or(self.last, |at| text[at]);
            if before != b'\r' {
                self.flags = self.flags.union(TextFlags::BINARY);
            }
            returns += usize::from(at > 0 && before == b'\r');
            if text.get(at + 1) == Some(&b'.') {
                self.flags = self.flags.union(TextFlags::DOT_LINE);
            }
        }
        if count(b'\r', text) != returns {
            self.flags = self.flags.union(TextFlags::BINARY);
        }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The CRC32C of the text.
    pub(super) fn crc(&self) -> u32 {
        self.crc
    }

    /// The flags of the text, if it ends here.
    pub(super) fn flags(&self) -> TextFlags {
        if self.last == b'\r' {
            return self.flags.union(TextFlags::BINARY);
        }
        self.flags
    }
}

/// Counts an octet in a text. A piece has so few octets that its count is one as well, which makes vectors of them.
fn count(octet: u8, text: &[u8]) -> usize {
    let pieces = text.chunks(usize::from(u8::MAX));
    let counts = pieces.map(|piece| piece.iter().map(|it| u8::from(*it == octet)).sum::<u8>());
    counts.map(usize::from).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(text: &[u8]) -> TextFlags {
        let mut sum = TextSum::new();
        sum.add(text);
        sum.flags()
    }

    #[test]
    fn flags_say_what_a_text_takes() {
        let none = TextFlags::default();
        let (eight, dot, binary) = (TextFlags::EIGHT_BIT, TextFlags::DOT_LINE, TextFlags::BINARY);
        let cases: [(&[u8], TextFlags); 13] = [
            (b"", none),
            (b"Subject: a.b\r\n\r\nx\r\n", none),
            (b"no end", none),
            (b".", dot),
            (b"a\r\n.\r\n", dot),
            (b"a\r\n..b\r\n", dot),
            ("\u{e4}\r\n".as_bytes(), eight),
            (b"a\0b\r\n", binary),
            (b"a\rb\r\n", binary),
            (b"a\nb\r\n", binary),
            (b"a\r", binary),
            (b"\n", binary),
            (b"a\n.\xFF", binary.union(dot).union(eight)),
        ];
        for (text, expected) in cases {
            assert_eq!(
                flags(text),
                expected,
                "{:?}",
                text.escape_ascii().to_string()
            );
        }
    }

    #[test]
    fn a_text_is_summed_up_alike_however_it_is_split() {
        let texts: [&[u8]; 6] = [
            b"a\r\n.b\r\n\r\n.\r\n",
            b"a\r\n\r\nb\r\n",
            b"\r\n\n\r\r\n.",
            b"a\r.\n.\r\n",
            b"\r",
            b"x\0\xE4\r\n",
        ];
        for text in texts {
            let whole = flags(text);
            for first in 0..=text.len() {
                for second in first..=text.len() {
                    let mut sum = TextSum::new();
                    sum.add(&text[..first]);
                    sum.add(&text[first..second]);
                    sum.add(&text[second..]);
                    let what = (text.escape_ascii().to_string(), first, second);
                    assert_eq!(sum.flags(), whole, "{what:?}");
                    assert_eq!(sum.crc(), crc32c::crc32c(text), "{what:?}");
                    assert_eq!(sum.bytes(), text.len() as u64);
                }
            }
        }
    }
}
