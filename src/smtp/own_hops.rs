//! The count of times that a message has passed this server before, taken as its header streams by.

use memchr::memchr;

use super::by_clause::ByClause;

/// The number of `Received` fields of this server at which a message goes round in a loop. A few may be there in good order: a
/// filter that hands mail back, an alias that leads out and home again.
const OWN_HOPS_MAX: usize = 3;

/// The name of the field that each server adds, in lower case.
const NAME: &[u8] = b"received";

/// Counts the `Received` fields of one message that this server has added. Its text may come in any pieces; after the header it
/// looks no further.
#[derive(Debug)]
pub(super) struct OwnHops {
    count: usize,
    position: HeaderPosition,
}

/// The position of the next octet in the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HeaderPosition {
    /// After the first so many octets of the name, at the start of a line.
    InName(usize),
    /// After the whole name; white space may be before its colon (RFC 5322 §4.5).
    AfterName,
    /// In the value of a `Received` field.
    InValue(ByClause),
    /// At the start of a line after one of such a value, which may go on there.
    AfterLine(ByClause),
    /// Anywhere else in a line.
    InLine,
    /// After a CR at the start of a line.
    AfterCr,
    /// After the empty line.
    InBody,
}

impl OwnHops {
    pub(super) fn new() -> Self {
        Self {
            count: 0,
            position: HeaderPosition::InName(0),
        }
    }

    /// Whether there are as many as [`OWN_HOPS_MAX`].
    pub(super) fn are_too_many(&self) -> bool {
        self.count >= OWN_HOPS_MAX
    }

    /// Takes the next piece of the message, whose lines end in CRLF; `name` is that of this server.
    pub(super) fn read(&mut self, text: &[u8], name: &str) {
        let mut rest = text;
        while let Some((&octet, behind)) = rest.split_first()
            && self.position != HeaderPosition::InBody
        {
            rest = behind;
            if self.position == HeaderPosition::InLine && octet != b'\n' {
                rest = &rest[memchr(b'\n', rest).unwrap_or(rest.len())..];
                continue;
            }
            self.position = self.after(octet, name.as_bytes());
        }
    }

    /// The position after this octet.
    fn after(&mut self, octet: u8, name: &[u8]) -> HeaderPosition {
        match (self.position, octet) {
            (HeaderPosition::InValue(mut clause), _) => {
                let was_found = clause.is_found();
                clause.read(octet, name);
                self.count += usize::from(clause.is_found() && !was_found);
                match octet {
                    b'\n' => HeaderPosition::AfterLine(clause),
                    _ => HeaderPosition::InValue(clause),
                }
            }
            (HeaderPosition::AfterLine(clause), b' ' | b'\t') => HeaderPosition::InValue(clause),
            (HeaderPosition::AfterLine(_) | HeaderPosition::InName(0), b'\r') => {
                HeaderPosition::AfterCr
            }
            (HeaderPosition::AfterLine(_), _) => in_name(0, octet),
            (HeaderPosition::InName(matched), _) => in_name(matched, octet),
            (HeaderPosition::AfterName, b' ' | b'\t') => HeaderPosition::AfterName,
            (HeaderPosition::AfterName, b':') => HeaderPosition::InValue(ByClause::new()),
            (HeaderPosition::InLine, b'\n') => HeaderPosition::InName(0),
            (HeaderPosition::AfterCr, b'\n') | (HeaderPosition::InBody, _) => {
                HeaderPosition::InBody
            }
            (HeaderPosition::AfterName | HeaderPosition::InLine | HeaderPosition::AfterCr, _) => {
                HeaderPosition::InLine
            }
        }
    }
}

/// The position after one more octet of what may be the name.
fn in_name(matched: usize, octet: u8) -> HeaderPosition {
    match NAME.get(matched) {
        Some(wanted) if *wanted == octet.to_ascii_lowercase() => match matched + 1 {
            all if all == NAME.len() => HeaderPosition::AfterName,
            matched => HeaderPosition::InName(matched),
        },
        _ => HeaderPosition::InLine,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(text: &str, piece: usize) -> usize {
        let mut hops = OwnHops::new();
        for piece in text.as_bytes().chunks(piece) {
            hops.read(piece, "mx.example.org");
        }
        hops.count
    }

    #[test]
    fn fields_of_this_server_are_counted_wherever_they_are_cut() {
        let text = "Received: from a\r\n\tby mx.example.org id 1\r\n\
                    received : by MX.example.org; now\r\n\
                    Received: from mx.example.org by other.example\r\n\
                    X-Received: by mx.example.org\r\n\
                    Received-SPF: by mx.example.org\r\n\
                    Received: by mx.example.org by mx.example.org\r\n\
                    Subject: by\r\n mx.example.org\r\n\
                    \r\n\
                    Received: by mx.example.org\r\n";
        for piece in 1..=text.len() {
            assert_eq!(count(text, piece), 3, "by {piece}");
        }
        assert_eq!(count("\r\nReceived: by mx.example.org\r\n", 1), 0);
        assert_eq!(count("x", 1), 0);
    }
}
