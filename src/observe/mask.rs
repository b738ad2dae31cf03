//! The mask of the text of a message, in a record: a replay takes the same way with it.
//!
//! It has the length of what it hides, and its line ends. Octets on which a decision of the session depends stay: what ends a message,
//! the names of the header fields that are counted or put in.

use memchr::memchr2;
#[cfg(any(feature = "milter", feature = "relay"))]
use memchr::memchr2_iter;

use crate::smtp::by_clause::ByClause;
use crate::smtp::data::EndText;
use crate::smtp::mask::FILLER;

/// The octet in its place where that would mean something.
const OTHER_FILLER: u8 = b'y';

/// The octet in place of those that are in no name of a header field.
const NO_NAME_FILLER: u8 = 0x7F;

/// The fields and lines whose name decides something; the last one begins an mbox.
const NAMES: [&[u8]; 4] = [b"received", b"date", b"message-id", b"from"];

/// What a text may hold by which a session goes, beside the names of fields.
#[derive(Clone, Debug, Default)]
pub(super) struct DecisiveText {
    /// The line that ends a message.
    pub(super) end_text: Option<EndText>,
    /// The name of the server, by which it counts how often it has seen a message; `None` where it does not count.
    pub(super) own_name: Option<String>,
}

/// The position in a message whose text is hidden, piece by piece.
#[derive(Clone, Copy, Debug)]
pub(super) struct HiddenText {
    /// Octets of the present line, CR and a dot at its start not counted.
    column: u16,
    part: LinePart,
    /// Whether the header has ended.
    is_in_body: bool,
    /// Whether the line is the start of the end text so far.
    is_end_text: bool,
    /// Whether the line has begun with a dot.
    has_dot: bool,
    /// Octets at the start of the line that quote it, as `>` does.
    quotes: u16,
    /// The value of a `Received` field, whose lines go on, where its servers are looked at.
    clause: Option<ByClause>,
}

/// The part of a line of the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LinePart {
    /// In a name, which may be one of [`NAMES`], by bits.
    Name(u8),
    /// After the white space behind a name, which is `Received` or not.
    AfterName(bool),
    /// Anywhere else.
    Rest,
}

impl HiddenText {
    /// At the start of a message.
    pub(super) fn new() -> Self {
        Self {
            column: 0,
            part: LinePart::Name(u8::MAX),
            is_in_body: false,
            is_end_text: true,
            has_dot: false,
            quotes: 0,
            clause: None,
        }
    }

    /// Hides the next piece.
    pub(super) fn hide(&mut self, text: &[u8], decisive: &DecisiveText) -> Vec<u8> {
        let end_text = decisive.end_text.as_ref();
        let end_text = end_text.map_or("", EndText::as_str).as_bytes();
        let own_name = decisive.own_name.as_deref().map(str::as_bytes);
        let mut hidden = Vec::with_capacity(text.len());
        let mut rest = text;
        while let Some((octet, behind)) = rest.split_first() {
            let plain = match self.is_plain(end_text) {
                true => memchr2(b'\r', b'\n', rest).unwrap_or(rest.len()),
                false => 0,
            };
            if plain > 0 {
                hidden.resize(hidden.len() + plain, FILLER);
                rest = &rest[plain..];
            } else {
                hidden.push(self.hide_octet(*octet, end_text, own_name));
                rest = behind;
            }
        }
        hidden
    }

    /// Whether any octet within the present line is as good as another.
    fn is_plain(&self, end_text: &[u8]) -> bool {
        let is_in_end_text = self.is_end_text && !end_text.is_empty();
        let is_free = self.column > 0 && !is_in_end_text && self.clause.is_none();
        is_free && (self.is_in_body || self.part == LinePart::Rest)
    }

    fn hide_octet(&mut self, octet: u8, end_text: &[u8], own_name: Option<&[u8]>) -> u8 {
        if let (b'\r' | b'\n', Some(clause)) = (octet, &mut self.clause) {
            clause.read(octet, own_name.unwrap_or_default());
        }
        match octet {
            b'\r' => return octet,
            b'\n' => {
                let is_in_body = self.is_in_body || self.column == 0 && !self.has_dot;
                *self = Self {
                    is_in_body,
                    clause: self.clause.filter(|_| !is_in_body),
                    ..Self::new()
                };
                return octet;
            }
            b'.' if self.column == 0 && !self.has_dot => {
                self.has_dot = true;
                return octet;
            }
            _ => {}
        }
        let column = usize::from(self.column);
        self.column = self.column.saturating_add(1);
        let expected = end_text.get(column).filter(|_| self.is_end_text);
        let shown = self.show_in_header(octet, column, own_name);
        if expected == Some(&octet) {
            return octet;
        }
        self.is_end_text = false;
        match shown {
            Some(shown) => shown,
            None if expected == Some(&FILLER) => OTHER_FILLER,
            None => FILLER,
        }
    }

    /// The octet in place of this one in a header, where not any will do.
    fn show_in_header(&mut self, octet: u8, column: usize, own_name: Option<&[u8]>) -> Option<u8> {
        if self.is_in_body {
            return None;
        }
        if column == 0 && !matches!(octet, b' ' | b'\t') {
            self.clause = None;
        }
        match (self.part, octet) {
            (LinePart::Rest, _) => self.show_in_value(octet, own_name?),
            (_, b' ' | b'\t') if column == 0 => {
                self.part = LinePart::Rest;
                let name = own_name.unwrap_or_default();
                self.show_in_value(octet, name).or(Some(octet))
            }
            (part, b' ' | b'\t') => {
                self.part = LinePart::AfterName(self.is_received(part, column));
                Some(octet)
            }
            (part, b':') => {
                let is_watched = own_name.is_some() && self.is_received(part, column);
                self.clause = is_watched.then(ByClause::new);
                self.part = LinePart::Rest;
                Some(octet)
            }
            (LinePart::AfterName(_), _) => {
                self.part = LinePart::Rest;
                None
            }
            (LinePart::Name(_), b'>') if column == usize::from(self.quotes) => {
                self.quotes += 1;
                Some(octet)
            }
            (LinePart::Name(candidates), _) if octet.is_ascii_graphic() => {
                let at = column - usize::from(self.quotes);
                let fits = |name: &[u8]| name.get(at) == Some(&octet.to_ascii_lowercase());
                let candidates = (0..NAMES.len())
                    .filter(|index| candidates >> index & 1 == 1 && fits(NAMES[*index]))
                    .fold(0, |bits, index| bits | 1 << index);
                self.part = LinePart::Name(candidates);
                (candidates != 0).then_some(octet)
            }
            (LinePart::Name(_), _) => {
                self.part = LinePart::Rest;
                Some(NO_NAME_FILLER)
            }
        }
    }
}

impl HiddenText {
    /// Whether the name that has ended at this column is `Received`.
    fn is_received(&self, part: LinePart, column: usize) -> bool {
        match part {
            LinePart::Name(candidates) => {
                candidates & 1 == 1 && self.quotes == 0 && column == NAMES[0].len()
            }
            LinePart::AfterName(is_received) => is_received,
            LinePart::Rest => false,
        }
    }

    /// The octet in place of this one in the value of a `Received` field whose servers are looked at.
    fn show_in_value(&mut self, octet: u8, own_name: &[u8]) -> Option<u8> {
        let clause = self.clause.as_mut()?;
        let shown = clause.masked(octet, own_name);
        clause.read(octet, own_name);
        Some(shown)
    }
}

/// Hides text of a message on its way out, or a piece of it: what ends a line stays, and a dot that may begin one, which is doubled.
#[cfg(any(feature = "milter", feature = "relay"))]
pub(super) fn hide_sent(text: &[u8]) -> Vec<u8> {
    let mut hidden = vec![FILLER; text.len()];
    let mut begins_line = 0;
    for end in memchr2_iter(b'\r', b'\n', text) {
        keep_dot(text, begins_line, &mut hidden);
        hidden[end] = text[end];
        begins_line = end + 1;
    }
    keep_dot(text, begins_line, &mut hidden);
    hidden
}

/// Shows the octet at this place if it is a dot.
#[cfg(any(feature = "milter", feature = "relay"))]
fn keep_dot(text: &[u8], place: usize, hidden: &mut [u8]) {
    if text.get(place) == Some(&b'.') {
        hidden[place] = b'.';
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str, end: Option<&str>, piece: usize) -> String {
        let decisive = DecisiveText {
            end_text: end.and_then(EndText::new),
            own_name: None,
        };
        text_of(text, &decisive, piece)
    }

    fn text_of(text: &str, decisive: &DecisiveText, piece: usize) -> String {
        let mut hidden = HiddenText::new();
        let pieces = text.as_bytes().chunks(piece);
        let octets: Vec<u8> = pieces
            .flat_map(|piece| hidden.hide(piece, decisive))
            .collect();
        String::from_utf8_lossy(&octets).into_owned()
    }

    #[test]
    fn text_keeps_the_shape_that_decides_wherever_it_is_cut() {
        for (said, hidden) in [
            (
                "Received: from a\r\n\tby b\r\n",
                "Received:xxxxxxx\r\n\txxxx\r\n",
            ),
            (
                "Subject: hi\r\n\r\nReceived: no\r\n",
                "xxxxxxx:xxx\r\n\r\nxxxxxxxxxxxx\r\n",
            ),
            (
                ">From a b\r\nDate : now\r\nDates: x\r\n",
                ">From xxx\r\nDate :xxxx\r\nDatex:xx\r\n",
            ),
            ("no field\r\n..dot\r\n.\r\n", "xx xxxxx\r\n.xxxx\r\n.\r\n"),
            ("\u{e9}: a\r\n", "\u{7f}xxxx\r\n"),
        ] {
            for piece in 1..said.len() {
                assert_eq!(text(said, None, piece), hidden, "{said:?} by {piece}");
            }
        }
    }

    #[test]
    fn servers_that_a_message_has_passed_are_hidden_but_for_this_one() {
        let decisive = DecisiveText {
            end_text: None,
            own_name: Some("mx.a".to_owned()),
        };
        for (said, hidden) in [
            (
                "Received : from q (r)\r\n\tby mx.a; 1\r\nX: by mx.a\r\n",
                "Received : xxxx x (x)\r\n\tby mx.a; x\r\nx:xxxxxxxx\r\n",
            ),
            (
                "Received: by mx.b\r\nSubject: hi\r\n by mx.a\r\n",
                "Received: by mx.x\r\nxxxxxxx:xxx\r\n xxxxxxx\r\n",
            ),
            (
                "Received: by mx.a\r\n\r\n by mx.a\r\n",
                "Received: by mx.a\r\n\r\nxxxxxxxx\r\n",
            ),
        ] {
            for piece in 1..said.len() {
                assert_eq!(
                    text_of(said, &decisive, piece),
                    hidden,
                    "{said:?} by {piece}"
                );
            }
        }
    }

    #[test]
    fn the_text_that_ends_a_message_stays_and_nothing_becomes_it() {
        let said = "\r\nfoo\r\nENx\r\nEND\r\n";
        assert_eq!(text(said, Some("END"), 1), "\r\nxxx\r\nENx\r\nEND\r\n");
        assert_eq!(text("\r\nq\r\n", Some("x"), 1), "\r\ny\r\n");
    }
}
