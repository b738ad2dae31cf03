//! Masks: what a record holds in place of credentials and of message text, so that a replay takes the same way.
//!
//! Every mask has the length of what it hides, and its line ends. Octets on which a decision of the session depends stay: verbs,
//! names of mechanisms, what ends a message, the names of the header fields that are counted or put in.

mod client;

use std::borrow::Cow;

use memchr::{memchr2, memmem};

use super::packed::FILLER;
use crate::smtp::command::verbs::Verb;
use crate::smtp::data::EndText;
use crate::smtp::mechanism::Mechanism;

pub(super) use client::{HiddenReplies, hide_said_credentials};

/// The octet in its place where that would mean something.
const OTHER_FILLER: u8 = b'y';
/// The octet in place of those that are in no name of a header field.
const NO_NAME_FILLER: u8 = 0x7F;

/// The fields and lines whose name decides something; the last one begins an mbox.
const NAMES: [&[u8]; 4] = [b"received", b"date", b"message-id", b"from"];

/// Hides all but what ends or breaks a line.
pub(super) fn hide(octets: &[u8]) -> Vec<u8> {
    let hidden = octets.iter().map(|octet| match octet {
        b'\r' | b'\n' | 0 | b' ' | b'\t' => *octet,
        _ => FILLER,
    });
    hidden.collect()
}

/// Hides a response of a login; the line that gives it up stays.
pub(super) fn hide_response(line: &[u8]) -> Vec<u8> {
    if line.trim_ascii_end() == b"*" {
        return line.to_vec();
    }
    hide(line)
}

/// Hides the credentials in a command line. `is_guarded` is set by AUTH, DATA and BDAT; from then on no line without a verb is shown:
/// it may be a response to a challenge that was never given, or text of a message that was refused.
pub(super) fn hide_command<'a>(line: &'a [u8], is_guarded: &mut bool) -> Cow<'a, [u8]> {
    const AUTH: &[u8] = b"AUTH";
    let indent = line.len() - line.trim_ascii_start().len();
    let command = &line[indent..];
    let verb = command.get(..AUTH.len()).unwrap_or_default();
    if verb.eq_ignore_ascii_case(AUTH) {
        *is_guarded = true;
        let mut hidden = line[..indent + AUTH.len()].to_vec();
        hide_argument(&command[AUTH.len()..], &mut hidden);
        return hidden.into();
    }
    let name = command.split(u8::is_ascii_whitespace).next();
    let name = name.unwrap_or_default();
    if *is_guarded && !Verb::is_known(name) {
        return hide_unknown(line).into();
    }
    *is_guarded |= [b"DATA", b"BDAT"]
        .iter()
        .any(|verb| name.eq_ignore_ascii_case(*verb));
    line.into()
}

/// Hides a line without a verb, but for the name of a protocol at its end, by which a request of HTTP is known.
fn hide_unknown(line: &[u8]) -> Vec<u8> {
    const HTTP: &[u8] = b"HTTP/";
    let mut hidden = hide(line);
    let words = line.trim_ascii_end();
    let last = words.iter().rposition(|octet| *octet == b' ');
    if let Some(last) = last.map(|space| space + 1)
        && words[last..].starts_with(HTTP)
    {
        hidden[last..last + HTTP.len()].copy_from_slice(HTTP);
    }
    hidden
}

/// Hides what follows AUTH, but for the name of a mechanism and a response that is empty.
fn hide_argument(argument: &[u8], hidden: &mut Vec<u8>) {
    let mut is_first = true;
    for word in argument.split_inclusive(u8::is_ascii_whitespace) {
        let bare = word.trim_ascii_end();
        if bare == b"=" || is_first && Mechanism::named(bare).is_some() {
            hidden.extend_from_slice(word);
        } else {
            hidden.extend(hide(word));
        }
        is_first &= bare.is_empty();
    }
}

/// Hides the challenges of logins in what a server says; whether there are any.
pub(super) fn hide_challenges(said: &[u8]) -> Option<Vec<u8>> {
    memmem::find(said, b"334 ")?;
    Some(HiddenReplies::default().hide(said))
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
}

/// The part of a line of the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LinePart {
    /// In a name, which may be one of [`NAMES`], by bits.
    Name(u8),
    /// After the white space behind a name.
    AfterName,
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
        }
    }

    /// Hides the next piece.
    pub(super) fn hide(&mut self, text: &[u8], end_text: Option<&EndText>) -> Vec<u8> {
        let end_text = end_text.map_or("", EndText::as_str).as_bytes();
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
                hidden.push(self.hide_octet(*octet, end_text));
                rest = behind;
            }
        }
        hidden
    }

    /// Whether any octet within the present line is as good as another.
    fn is_plain(&self, end_text: &[u8]) -> bool {
        let is_in_end_text = self.is_end_text && !end_text.is_empty();
        self.column > 0 && !is_in_end_text && (self.is_in_body || self.part == LinePart::Rest)
    }

    fn hide_octet(&mut self, octet: u8, end_text: &[u8]) -> u8 {
        match octet {
            b'\r' => return octet,
            b'\n' => {
                let is_in_body = self.is_in_body || self.column == 0 && !self.has_dot;
                *self = Self {
                    is_in_body,
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
        let shown = self.show_in_header(octet, column);
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
    fn show_in_header(&mut self, octet: u8, column: usize) -> Option<u8> {
        if self.is_in_body {
            return None;
        }
        match (self.part, octet) {
            (LinePart::Rest, _) => None,
            (_, b' ' | b'\t') if column == 0 => {
                self.part = LinePart::Rest;
                Some(octet)
            }
            (_, b' ' | b'\t') => {
                self.part = LinePart::AfterName;
                Some(octet)
            }
            (_, b':') => {
                self.part = LinePart::Rest;
                Some(octet)
            }
            (LinePart::AfterName, _) => {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn command(line: &str) -> String {
        let mut is_guarded = false;
        String::from_utf8_lossy(&hide_command(line.as_bytes(), &mut is_guarded)).into_owned()
    }

    #[test]
    fn credentials_are_hidden_in_a_command() {
        for (line, hidden) in [
            ("MAIL FROM:<a@b>\r\n", "MAIL FROM:<a@b>\r\n"),
            ("auth plain AGFiAHB3\r\n", "auth plain xxxxxxxx\r\n"),
            ("AUTH LOGIN\r\n", "AUTH LOGIN\r\n"),
            ("AUTH PLAIN =\r\n", "AUTH PLAIN =\r\n"),
            (" AUTH  LOGIN\tdXNlcg==\n", " AUTH  LOGIN\txxxxxxxx\n"),
            ("AUTH secret more\r\n", "AUTH xxxxxx xxxx\r\n"),
            ("AUTH PLAIN PLAIN\r\n", "AUTH PLAIN xxxxx\r\n"),
            ("AUTHENTICATE pw\r\n", "AUTHxxxxxxxx xx\r\n"),
        ] {
            assert_eq!(command(line), hidden);
        }
        let mut is_guarded = true;
        for (line, hidden) in [
            ("dXNlcg==\r\n", "xxxxxxxx\r\n"),
            ("NOOP\r\n", "NOOP\r\n"),
            ("x /y HTTP/1.1 \r\n", "x xx HTTP/xxx \r\n"),
            ("HTTP/1.1\r\n", "xxxxxxxx\r\n"),
        ] {
            let shown = hide_command(line.as_bytes(), &mut is_guarded);
            assert_eq!(*shown, *hidden.as_bytes());
        }
        for verb in ["AUTH", "data\r\n", "BDAT x\r\n"] {
            let mut is_guarded = false;
            hide_command(verb.as_bytes(), &mut is_guarded);
            assert!(is_guarded, "{verb}");
        }
        assert_eq!(hide_response(b"*\r\n"), b"*\r\n");
        assert_eq!(hide_response(b"c2Vj\r\n"), b"xxxx\r\n");
        let said = b"250 Ok 334 is no code\r\n334 cj1u\r\n";
        assert_eq!(
            hide_challenges(said).as_deref(),
            Some(&b"250 Ok 334 is no code\r\n334 xxxx\r\n"[..])
        );
    }

    fn text(text: &str, end: Option<&str>, piece: usize) -> String {
        let end = end.and_then(EndText::new);
        let mut hidden = HiddenText::new();
        let pieces = text.as_bytes().chunks(piece);
        let octets: Vec<u8> = pieces
            .flat_map(|piece| hidden.hide(piece, end.as_ref()))
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
    fn the_text_that_ends_a_message_stays_and_nothing_becomes_it() {
        let said = "\r\nfoo\r\nENx\r\nEND\r\n";
        assert_eq!(text(said, Some("END"), 1), "\r\nxxx\r\nENx\r\nEND\r\n");
        assert_eq!(text("\r\nq\r\n", Some("x"), 1), "\r\ny\r\n");
    }
}
