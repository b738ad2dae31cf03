//! The count of servers that a message has passed, taken as its header streams by.

use memchr::memchr;

/// The most `Received` fields that a message may come with; one with more goes round in a loop. RFC 5321 §6.3 asks
/// for no less.
pub const HOPS_MAX: usize = 100;

/// The name of the field that each server adds, in lower case.
const NAME: &[u8] = b"received";

/// Counts the `Received` fields of one message, whose text may come in any pieces. Behind the header, which is behind
/// the first empty line, it looks no further.
#[derive(Debug)]
pub struct Hops {
    count: usize,
    state: HeaderState,
}

/// The position of the next octet in the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HeaderState {
    /// Behind the first so many octets of the name, at the start of a line.
    InName(usize),
    /// Behind the whole name; white space may be between it and its colon (RFC 5322 §4.5).
    AfterName,
    /// Anywhere else in a line.
    InLine,
    /// Behind a CR at the start of a line.
    AfterCr,
    /// Behind the empty line.
    InBody,
}

impl Hops {
    /// None yet, at the start of a message.
    #[must_use]
    pub fn new() -> Self {
        Self {
            count: 0,
            state: HeaderState::InName(0),
        }
    }

    /// Whether there are more than [`HOPS_MAX`].
    #[must_use]
    pub fn are_too_many(&self) -> bool {
        self.count > HOPS_MAX
    }

    /// Takes the next piece of the message, whose lines end in CRLF.
    pub fn read(&mut self, text: &[u8]) {
        let mut rest = text;
        while let Some((byte, behind)) = rest.split_first()
            && self.state != HeaderState::InBody
        {
            rest = behind;
            self.state = match (self.state, byte) {
                (HeaderState::InLine, b'\n') => HeaderState::InName(0),
                (HeaderState::InLine, _) => {
                    let end = memchr(b'\n', rest);
                    rest = &rest[end.unwrap_or(rest.len())..];
                    HeaderState::InLine
                }
                (HeaderState::InName(0), b'\r') => HeaderState::AfterCr,
                (HeaderState::AfterCr, b'\n') => HeaderState::InBody,
                (HeaderState::InName(matched), byte)
                    if byte.eq_ignore_ascii_case(&NAME[matched]) =>
                {
                    if matched + 1 < NAME.len() {
                        HeaderState::InName(matched + 1)
                    } else {
                        HeaderState::AfterName
                    }
                }
                (HeaderState::AfterName, b' ' | b'\t') => HeaderState::AfterName,
                (HeaderState::AfterName, b':') => {
                    self.count += 1;
                    HeaderState::InLine
                }
                _ => HeaderState::InLine,
            };
        }
    }
}

impl Default for Hops {
    fn default() -> Self {
        Self::new()
    }
}
