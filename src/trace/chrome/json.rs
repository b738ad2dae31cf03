//! JSON, written by hand.

use std::io::Write;

/// The members of an object, one after the other.
#[derive(Clone, Debug, Default)]
pub(super) struct Members(Vec<u8>);

impl Members {
    /// Adds a number.
    pub(super) fn number(&mut self, name: &str, number: u64) {
        self.name(name);
        // A vector takes everything.
        let _ = write!(self.0, "{number}");
    }

    /// Adds a text.
    pub(super) fn text(&mut self, name: &str, text: &str) {
        self.name(name);
        put_text(text, &mut self.0);
    }

    /// Adds a range of octets, the end not included; nothing if it is empty.
    pub(super) fn range(&mut self, name: &str, from: u64, to: u64) {
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
    pub(super) fn into_text(self) -> Box<[u8]> {
        self.0.into_boxed_slice()
    }
}

/// Appends a text as a string (RFC 8259 §7).
fn put_text(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for character in text.chars() {
        match character {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            character if character.is_control() => {
                let _ = write!(out, "\\u{:04x}", u32::from(character));
            }
            character => {
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
    }
    out.push(b'"');
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
            "\"n\":1,\"read\":[3,5],\"why\":\"a \\\"b\\\" \\\\ \\u000a\\u009b\u{e9}\""
        );
    }
}
