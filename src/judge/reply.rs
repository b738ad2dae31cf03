//! Replies of a judged server, read strictly, but for line ends, which a check of their own is about.

use core::fmt;

use crate::smtp::escape::escape;

/// The most octets of a reply line: twice the 512 of RFC 5321 §4.5.3.1.5, and some.
const HEARD_LINE_BYTES_MAX: usize = 2000;
/// The most octets of a text that are shown in one line.
const SHOWN_BYTES_MAX: usize = 200;

/// A whole reply.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeardReply {
    /// Its lines as they came, with their ends.
    pub lines: Vec<Vec<u8>>,
}

/// What can be read from the front of what a server has said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeardFront {
    /// A whole reply, and so many octets that it takes.
    Reply(HeardReply, usize),
    /// The beginning of a reply, or nothing.
    Unfinished,
    /// A line that is no line of a reply, and why.
    NoReply(Vec<u8>, &'static str),
}

impl HeardReply {
    /// The three digits of its code.
    #[must_use]
    pub fn code(&self) -> &str {
        let first = self.lines.first();
        let code = first.and_then(|line| line.get(..3));
        code.and_then(|code| str::from_utf8(code).ok())
            .unwrap_or("")
    }

    /// The text of its first line, without code and line end.
    #[must_use]
    pub fn text(&self) -> &[u8] {
        let first = self.lines.first();
        first.map_or(&[], |line| text_of(line))
    }

    /// Whether one of its lines but the first begins with this keyword.
    #[must_use]
    pub fn offers(&self, keyword: &str) -> bool {
        self.lines.iter().skip(1).any(|line| {
            let mut words = text_of(line).split(|octet| matches!(octet, b' ' | b'='));
            words
                .next()
                .is_some_and(|word| word.eq_ignore_ascii_case(keyword.as_bytes()))
        })
    }
}

/// The text of a reply line.
fn text_of(line: &[u8]) -> &[u8] {
    line.trim_ascii_end().get(4..).unwrap_or_default()
}

/// Reads a reply from the front of what came.
#[must_use]
pub fn read_reply(input: &[u8]) -> HeardFront {
    let mut reply = HeardReply::default();
    let mut rest = input;
    loop {
        let Some(end) = memchr::memchr(b'\n', rest) else {
            return match rest.len() > HEARD_LINE_BYTES_MAX {
                true => HeardFront::NoReply(rest.to_vec(), "it is too long for a line of a reply"),
                false => HeardFront::Unfinished,
            };
        };
        let (line, after) = rest.split_at(end + 1);
        let fault = |why| HeardFront::NoReply(line.to_vec(), why);
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let is_last = match text {
            [b'0'..=b'9', b'0'..=b'9', b'0'..=b'9'] => true,
            [b'0'..=b'9', b'0'..=b'9', b'0'..=b'9', b' ', ..] => true,
            [b'0'..=b'9', b'0'..=b'9', b'0'..=b'9', b'-', ..] => false,
            _ => {
                return fault(
                    "a reply line begins with three digits and a space, or a hyphen where more lines follow",
                );
            }
        };
        if let Some(first) = reply.lines.first()
            && first.get(..3) != line.get(..3)
        {
            return fault("all lines of one reply have one code");
        }
        reply.lines.push(line.to_vec());
        rest = after;
        if is_last {
            return HeardFront::Reply(reply, input.len() - rest.len());
        }
    }
}

/// Octets in quotes, controls escaped, shortened where they are many.
pub struct Quoted8Bit<'a>(pub &'a [u8]);

impl fmt::Display for Quoted8Bit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (shown, dots) = match self.0.get(..SHOWN_BYTES_MAX) {
            Some(shown) => (shown, "…"),
            None => (self.0, ""),
        };
        let mut text = Vec::new();
        escape(shown, &mut text);
        write!(f, "\"{}{dots}\"", String::from_utf8_lossy(&text))
    }
}

/// Whether `text` fits a pattern, in which `*` stands for any octets, whatever the case of letters.
#[must_use]
pub fn fits(pattern: &str, text: &[u8]) -> bool {
    let pattern = pattern.as_bytes();
    // The place after the last star, and where in the text it was tried.
    let mut star: Option<(usize, usize)> = None;
    let (mut at, mut from) = (0, 0);
    while from < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at + 1, from));
                at += 1;
            }
            Some(octet) if octet.eq_ignore_ascii_case(&text[from]) => {
                at += 1;
                from += 1;
            }
            _ => match star {
                Some((after, tried)) => {
                    star = Some((after, tried + 1));
                    at = after;
                    from = tried + 1;
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|octet| *octet == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_read_whole_and_strictly() {
        let HeardFront::Reply(reply, taken) =
            read_reply(b"250-a\r\n250-SIZE 5\n250 X=1\r\n221 b\r\n")
        else {
            unreachable!("it is a reply");
        };
        assert_eq!((reply.code(), reply.text(), taken), ("250", &b"a"[..], 27));
        assert!(reply.offers("size") && reply.offers("X") && !reply.offers("a"));
        for begun in ["", "2", "250 a", "250 a\r", "250-a\r\n", "250-a\r\n25"] {
            assert_eq!(
                read_reply(begun.as_bytes()),
                HeardFront::Unfinished,
                "{begun:?}"
            );
        }
        for wrong in [
            "OK\r\n",
            "25 a\r\n",
            "2500 a\r\n",
            "250a\n",
            "\r\n",
            "250-a\r\n251 b\r\n",
        ] {
            let read = read_reply(wrong.as_bytes());
            assert!(matches!(read, HeardFront::NoReply(..)), "{wrong:?}");
        }
        assert!(matches!(read_reply(&[b'x'; 3000]), HeardFront::NoReply(..)));
    }

    #[test]
    fn patterns_fit_whatever_the_case() {
        for (pattern, text) in [
            ("*", ""),
            ("a*c", "AbbC"),
            ("*b*", "abc"),
            ("abc", "abc"),
            ("a*b*c", "axbxbxc"),
        ] {
            assert!(fits(pattern, text.as_bytes()), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("", "a"),
            ("a", ""),
            ("a*c", "abd"),
            ("*b", "abc"),
            ("?*", "a"),
        ] {
            assert!(!fits(pattern, text.as_bytes()), "{pattern} {text}");
        }
    }
}
