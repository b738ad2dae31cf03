//! JSON (RFC 8259), written and read by hand.

#[cfg(any(feature = "catch", feature = "stream"))]
mod value;

use std::io::Write;

#[cfg(any(feature = "catch", feature = "stream"))]
pub use value::{JsonError, JsonValue};

/// The members of an object, one after the other.
#[derive(Clone, Debug, Default)]
pub struct Members(Vec<u8>);

impl Members {
    /// Adds a number.
    pub fn number(&mut self, name: &str, number: u64) {
        self.name(name);
        // A vector takes everything.
        let _ = write!(self.0, "{number}");
    }

    /// Adds a text.
    pub fn text(&mut self, name: &str, text: &str) {
        self.name(name);
        put_text(text, &mut self.0);
    }

    /// Adds true or false.
    pub fn boolean(&mut self, name: &str, value: bool) {
        self.value(name, value.to_string().as_bytes());
    }

    /// Adds a value that is JSON already.
    pub fn value(&mut self, name: &str, value: &[u8]) {
        self.name(name);
        self.0.extend_from_slice(value);
    }

    /// Adds a text, or null.
    pub fn text_or_null(&mut self, name: &str, text: Option<&str>) {
        self.name(name);
        match text {
            Some(text) => put_text(text, &mut self.0),
            None => self.0.extend_from_slice(b"null"),
        }
    }

    /// Adds what is JSON already.
    pub fn raw(&mut self, name: &str, json: &[u8]) {
        self.name(name);
        self.0.extend_from_slice(json);
    }

    /// Adds an array of what is JSON already.
    pub fn array(&mut self, name: &str, elements: &[Box<[u8]>]) {
        self.name(name);
        self.0.push(b'[');
        self.0.extend_from_slice(&elements.join(&b','));
        self.0.push(b']');
    }

    /// The members as an object.
    #[must_use]
    pub fn into_object(self) -> Box<[u8]> {
        [b"{", &*self.0, b"}"].concat().into_boxed_slice()
    }

    /// Adds a range of octets, the end not included; nothing if it is empty.
    pub fn range(&mut self, name: &str, from: u64, to: u64) {
        if from < to {
            self.name(name);
            let _ = write!(self.0, "[{from},{to}]");
        }
    }

    fn name(&mut self, name: &str) {
        if !self.0.is_empty() {
            self.0.push(b',');
        }
        put_text(name, &mut self.0);
        self.0.push(b':');
    }

    /// The members as text, without the braces.
    #[must_use]
    pub fn into_text(self) -> Box<[u8]> {
        self.0.into_boxed_slice()
    }
}

/// Appends a text as a string (RFC 8259 §7).
pub fn put_text(text: &str, out: &mut Vec<u8>) {
    let octets = text.as_bytes();
    let mut copied = 0;
    out.push(b'"');
    for (at, octet) in octets.iter().enumerate() {
        let (escape, length) = match octet {
            b'"' => (&b"\\\""[..], 1),
            b'\\' => (&b"\\\\"[..], 1),
            b'\n' => (&b"\\n"[..], 1),
            b'\r' => (&b"\\r"[..], 1),
            b'\t' => (&b"\\t"[..], 1),
            0..0x20 | 0x7f => (&b""[..], 1),
            // Controls from U+0080 to U+009F are none of JSON, but of terminals.
            0xc2 if octets.get(at + 1).is_some_and(|next| *next < 0xa0) => (&b""[..], 2),
            _ => continue,
        };
        out.extend_from_slice(&octets[copied..at]);
        copied = at + length;
        out.extend_from_slice(escape);
        if escape.is_empty() {
            let code = octets[copied - 1];
            let digits =
                [code >> 4, code & 0xf].map(|digit| b"0123456789abcdef"[usize::from(digit)]);
            out.extend_from_slice(b"\\u00");
            out.extend_from_slice(&digits);
        }
    }
    out.extend_from_slice(&octets[copied..]);
    out.push(b'"');
}

/// Writes an array of texts.
#[must_use]
pub fn texts<T: AsRef<str>>(texts: &[T]) -> Vec<u8> {
    let mut out = vec![b'['];
    for (position, text) in texts.iter().enumerate() {
        if position > 0 {
            out.push(b',');
        }
        put_text(text.as_ref(), &mut out);
    }
    out.push(b']');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_json() {
        let mut members = Members::default();
        members.number("n", 1);
        members.range("read", 0, 0);
        members.range("read", 3, 5);
        members.text("why", "a \"b\" \\ \n\u{9b}\u{e9}");
        assert_eq!(
            String::from_utf8_lossy(&members.into_text()),
            "\"n\":1,\"read\":[3,5],\"why\":\"a \\\"b\\\" \\\\ \\n\\u009b\u{e9}\""
        );
    }
}
