//! The header fields that every message has and a submitted one may lack: `Date` and `Message-ID` (RFC 6409 §8.2, §8.3);
//! and the empty line that any message lacks whose first line is no header field. Nothing else is changed.
//!
//! Which fields are missing shows at the end of the header, which is where they are put in. The empty line keeps text
//! apart from the trace field in front of it: white space would continue that, so that anybody could forge a part of it.

use core::mem;

use memchr::memchr;

use super::data::CRLF;
use super::envelope::QueueId;

/// The most octets at the start of a line that are held back because they may be the name of a field, with white space
/// behind it. Of a line in its standard length (RFC 5322 §2.1.1) this is all but the colon.
pub const FIELD_NAME_BYTES_MAX: usize = 997;

/// The kind of a line in a header, as far as its first octets tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderLine<'a> {
    /// Too few octets are there to tell.
    Undecided,
    /// An empty line, which ends the header.
    Empty,
    /// White space, which continues the field before it (RFC 5322 §2.2.3).
    Folded,
    /// A field of this name; white space before its colon is obsolete (RFC 5322 §4.5).
    Field(&'a [u8]),
    /// `From ` or `>From `, which begins a message in an mbox file (RFC 4155). It comes in front of a header and is no
    /// end of it.
    Mbox,
    /// Anything else, which belongs to the body.
    Text,
}

impl<'a> HeaderLine<'a> {
    /// The kind of the line that begins with `line`; what follows it makes no difference.
    #[must_use]
    pub fn of(line: &'a [u8]) -> Self {
        match line {
            [] | [b'\r'] => return Self::Undecided,
            [b'\n', ..] | [b'\r', b'\n', ..] => return Self::Empty,
            [b' ' | b'\t', ..] => return Self::Folded,
            _ => {}
        }
        let start = &line[..line.len().min(FIELD_NAME_BYTES_MAX + 1)];
        let is_in_name = |byte: &u8| byte.is_ascii_graphic() && *byte != b':';
        let name_bytes = start.iter().position(|byte| !is_in_name(byte));
        let (name, rest) = start.split_at(name_bytes.unwrap_or(start.len()));
        let behind = rest.iter().find(|byte| !matches!(byte, b' ' | b'\t'));
        match behind {
            None if start.len() <= FIELD_NAME_BYTES_MAX => Self::Undecided,
            Some(b':') if !name.is_empty() => Self::Field(name),
            _ if rest.starts_with(b" ") && is_from(name) => Self::Mbox,
            _ => Self::Text,
        }
    }
}

/// Whether it is `From` behind any number of `>`: each quotes the line once more.
fn is_from(word: &[u8]) -> bool {
    let quotes = word.iter().take_while(|byte| **byte == b'>').count();
    word[quotes..] == *b"From"
}

/// The fields and the empty line that a message still lacks. Its text may come in any pieces, which are taken by
/// [`read`](Self::read) and given back. By default no field is missed.
///
/// The header ends with the first empty line, in front of the first line that is no field, or with the message.
#[derive(Debug, Default)]
pub struct MissingFields {
    fields: Vec<MissingField>,
    state: FieldState,
    /// The start of a line, as long as it may be this or that.
    held: Vec<u8>,
    /// The text to give back, if it is not the start of the piece that was read last.
    given: Vec<u8>,
    /// The length of the start of that piece which is given back otherwise.
    passed: usize,
}

#[derive(Debug)]
struct MissingField {
    name: &'static str,
    value: String,
}

/// The position of the next octet in the message; what is held back comes before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum FieldState {
    /// At the start of the first line but for those of an mbox: there is no field yet that it could be folded from.
    #[default]
    Start,
    /// In a line of an mbox.
    InMboxLine,
    /// At the start of another line.
    LineStart,
    /// Anywhere else in the header.
    InField,
    /// Anywhere, with nothing missing any more.
    Complete,
}

impl MissingFields {
    /// The fields that may be missing from a message that was received at `date`, as RFC 5322 §3.3 writes it, by the server
    /// called `hostname`, and is known there as `id`. Without a date no such field is missed.
    #[must_use]
    pub fn new(date: &str, id: QueueId, hostname: &str) -> Self {
        let date = MissingField {
            name: "Date",
            value: date.to_owned(),
        };
        let message_id = MissingField {
            name: "Message-ID",
            value: format!("<{id}@{hostname}>"),
        };
        let mut fields = vec![date, message_id];
        fields.retain(|field| !field.value.is_empty());
        Self {
            fields,
            ..Self::default()
        }
    }

    /// Takes the next piece of the message. What is to be stored of it now comes back: nothing, if all is held back.
    pub fn read<'a>(&'a mut self, piece: &'a [u8]) -> &'a [u8] {
        self.let_go();
        if self.held.is_empty() {
            self.passed = self.scan(piece);
            self.held = piece[self.passed..].to_vec();
        } else {
            let text = [&mem::take(&mut self.held), piece].concat();
            let passed = self.scan(&text);
            if self.given.is_empty() {
                self.given = text[..passed].to_vec();
            }
            self.held = text[passed..].to_vec();
        }
        self.given(piece)
    }

    /// Returns once more what is to be stored of `piece`, which was read last.
    #[must_use]
    pub fn given<'a>(&'a self, piece: &'a [u8]) -> &'a [u8] {
        match &self.given[..] {
            [] => &piece[..self.passed],
            given => given,
        }
    }

    /// Takes the end of the message, and gives back what is to be stored before it.
    pub fn end(&mut self) -> &[u8] {
        self.let_go();
        let held = mem::take(&mut self.held);
        match self.state {
            FieldState::Complete => {}
            FieldState::Start | FieldState::LineStart => self.put_in(b"", !held.is_empty(), &held),
            FieldState::InField | FieldState::InMboxLine if self.fields.is_empty() => {}
            FieldState::InField | FieldState::InMboxLine => self.put_in(CRLF, false, b""),
        }
        self.state = FieldState::Complete;
        &self.given
    }

    /// Frees the memory of what was given back last.
    pub fn let_go(&mut self) {
        self.given = Vec::new();
        self.passed = 0;
    }

    /// Whether none is missing any more: the rest of the message comes out as it goes in.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.state == FieldState::Complete
    }

    /// Reads `text`, which begins where a line does if it does not begin in one, and returns how much of it is decided.
    /// All of it is decided, and given, where something is put in.
    fn scan(&mut self, text: &[u8]) -> usize {
        let mut at = 0;
        while let Some(next) = self.next_line(&text[at..]) {
            at += next;
            let line = &text[at..];
            match (self.state, HeaderLine::of(line)) {
                (FieldState::Complete | FieldState::InField | FieldState::InMboxLine, _) => {}
                (_, HeaderLine::Undecided) => return at,
                (FieldState::Start, HeaderLine::Mbox) => self.state = FieldState::InMboxLine,
                (FieldState::LineStart, HeaderLine::Folded) => self.state = FieldState::InField,
                (_, HeaderLine::Field(name)) => self.meet(name),
                (_, HeaderLine::Empty) => self.put_in(&text[..at], false, line),
                (_, _) => self.put_in(&text[..at], true, line),
            }
        }
        text.len()
    }

    /// Counts the octets of `text` that are the rest of a line; nothing if it holds no start of a line that matters.
    fn next_line(&mut self, text: &[u8]) -> Option<usize> {
        let state = match self.state {
            FieldState::Start | FieldState::LineStart => return Some(0),
            FieldState::InMboxLine => FieldState::Start,
            FieldState::InField => FieldState::LineStart,
            FieldState::Complete => return None,
        };
        let end = memchr(b'\n', text)?;
        self.state = state;
        Some(end + 1)
    }

    /// Misses a field of this name no more.
    fn meet(&mut self, name: &[u8]) {
        self.fields
            .retain(|field| !name.eq_ignore_ascii_case(field.name.as_bytes()));
        self.state = match self.fields[..] {
            [] => FieldState::Complete,
            _ => FieldState::InField,
        };
    }

    /// Puts what is missing between the `header` and what follows it.
    fn put_in(&mut self, header: &[u8], empty_line: bool, behind: &[u8]) {
        self.state = FieldState::Complete;
        if self.fields.is_empty() && !empty_line {
            return;
        }
        self.given.extend_from_slice(header);
        for MissingField { name, value } in mem::take(&mut self.fields) {
            let line = format!("{name}: {value}\r\n");
            self.given.extend_from_slice(line.as_bytes());
        }
        if empty_line {
            self.given.extend_from_slice(CRLF);
        }
        self.given.extend_from_slice(behind);
    }
}
