//! The header fields that every message has and a submitted one may lack: `Date` and `Message-ID` (RFC 6409 §8.2, §8.3).
//!
//! Whether they are missing shows at the end of the header, which is where they are put in. Nothing else is changed.

use core::mem;

use memchr::memchr;

use super::data::CRLF;
use super::envelope::QueueId;

/// The most octets at the start of a line that are held back because they may be the name of a field, with white space
/// behind it. Of a line in its standard length (RFC 5322 §2.1.1) this is all but the colon.
pub const FIELD_NAME_BYTES_MAX: usize = 997;

/// The fields that a message still lacks. Its text may come in any pieces, which are taken by [`read`](Self::read) and
/// given back.
///
/// The header ends with the first empty line, in front of the first line that is no field, or with the message.
#[derive(Debug)]
pub struct MissingFields {
    fields: Vec<Field>,
    place: Place,
    /// The start of a line, as long as it may be this or that.
    held: Vec<u8>,
    /// What was given back last.
    given: Vec<u8>,
}

#[derive(Debug)]
struct Field {
    name: &'static str,
    value: String,
}

/// Where in the message the next octet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// At its very start, where there is no field yet that a line could be folded from.
    Start,
    /// At the start of another line.
    LineStart,
    /// In what may be the name of a field.
    InName,
    /// Behind that, in white space (RFC 5322 §4.5).
    AfterName,
    /// Behind a CR at the start of a line.
    AfterCr,
    /// Anywhere else in the header.
    InField,
    /// Where nothing is missing any more.
    Complete,
}

impl MissingFields {
    /// Those of a message that was received at `date`, as RFC 5322 §3.3 writes it, by the server called `hostname`, and
    /// is known there as `id`. Without a date no such field is missed.
    #[must_use]
    pub fn new(date: &str, id: QueueId, hostname: &str) -> Self {
        let date = Field {
            name: "Date",
            value: date.to_owned(),
        };
        let message_id = Field {
            name: "Message-ID",
            value: format!("<{id}@{hostname}>"),
        };
        let mut fields = vec![date, message_id];
        fields.retain(|field| !field.value.is_empty());
        Self {
            fields,
            place: Place::Start,
            held: Vec::new(),
            given: Vec::new(),
        }
    }

    /// Takes the next piece of the message. What is to be stored of it now comes back: nothing, if all is held back.
    pub fn read(&mut self, piece: &[u8]) -> &[u8] {
        self.let_go();
        let mut rest = piece;
        while let Some((&byte, behind)) = rest.split_first() {
            let passed = match self.place {
                Place::Complete => rest.len(),
                Place::InField => match memchr(b'\n', rest) {
                    Some(end) => {
                        self.place = Place::LineStart;
                        end + 1
                    }
                    None => rest.len(),
                },
                _ => {
                    self.held.push(byte);
                    self.decide(byte);
                    rest = behind;
                    continue;
                }
            };
            self.given.extend_from_slice(&rest[..passed]);
            rest = &rest[passed..];
        }
        &self.given
    }

    /// Takes the end of the message, and gives back what is to be stored before it.
    pub fn end(&mut self) -> &[u8] {
        self.let_go();
        match self.place {
            Place::Complete => {}
            Place::Start | Place::LineStart => self.put_in(),
            Place::InField => {
                self.given.extend_from_slice(CRLF);
                self.put_in();
            }
            // It is a line without an end.
            Place::InName | Place::AfterName | Place::AfterCr => self.put_in_with_empty_line(),
        }
        &self.given
    }

    /// Frees the memory of what was given back last.
    pub fn let_go(&mut self) {
        self.given = Vec::new();
    }

    /// Whether none is missing any more: the rest of the message comes out as it goes in.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.place == Place::Complete
    }

    /// Looks at a line that begins with what is held, of which `byte` is the last.
    fn decide(&mut self, byte: u8) {
        let is_short = self.held.len() <= FIELD_NAME_BYTES_MAX;
        match (self.place, byte) {
            (Place::Start | Place::LineStart | Place::AfterCr, b'\n') => self.put_in(),
            (Place::Start | Place::LineStart, b'\r') => self.place = Place::AfterCr,
            (Place::LineStart, b' ' | b'\t') => self.pass(Place::InField),
            (Place::InName | Place::AfterName, b':') => {
                self.meet();
                self.pass(match self.fields[..] {
                    [] => Place::Complete,
                    _ => Place::InField,
                });
            }
            (Place::InName | Place::AfterName, b' ' | b'\t') if is_short => {
                self.place = Place::AfterName;
            }
            (Place::Start | Place::LineStart | Place::InName, b'!'..=b'9' | b';'..=b'~')
                if is_short =>
            {
                self.place = Place::InName;
            }
            _ => self.put_in_with_empty_line(),
        }
    }

    /// Gives out what is held.
    fn pass(&mut self, place: Place) {
        self.given.append(&mut self.held);
        self.place = place;
    }

    /// Misses the field no more whose name is held, with a colon behind it.
    fn meet(&mut self) {
        let name = self.held[..self.held.len() - 1].trim_ascii_end();
        self.fields
            .retain(|field| !name.eq_ignore_ascii_case(field.name.as_bytes()));
    }

    /// Puts the fields in front of what is held.
    fn put_in(&mut self) {
        for Field { name, value } in mem::take(&mut self.fields) {
            self.given
                .extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        self.pass(Place::Complete);
    }

    /// The same in front of what does not belong to the header.
    fn put_in_with_empty_line(&mut self) {
        let held = mem::take(&mut self.held);
        self.put_in();
        self.given.extend_from_slice(CRLF);
        self.given.extend_from_slice(&held);
    }
}
