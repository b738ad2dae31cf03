//! The records of a message in a stream: their subjects, their headers, and the envelope as JSON (RFC 8259).
//!
//! A message has one last record, which alone makes it one: its envelope, and its text if that is short. A longer text lies in parts
//! that were acknowledged before it. The format outlives the program that wrote it: a version comes with each envelope, an older
//! program refuses a newer version, and members that it does not know change nothing.

use core::fmt;
use std::error::Error;

use super::SUBJECT_PREFIX;
use crate::json::{JsonError, JsonValue, Members, texts};
use crate::smtp::envelope::{Body, QueueId, Recipient};
use crate::smtp::path::{Mailbox, ReversePath};

/// The version of envelopes that is written, and the newest that is read.
pub const STREAM_ENVELOPE_VERSION: u64 = 1;
/// The most octets of a part of a text.
pub const PART_BYTES_MAX: usize = 64 * 1024;
/// The room beside a part that a message of the stream needs for the headers.
pub const PART_ROOM_BYTES: usize = 4 * 1024;
/// The header by which the stream knows a record that it has already.
pub const MESSAGE_ID: &str = "Nats-Msg-Id";
/// The header that names the stream that a record is for.
pub const EXPECTED_STREAM: &str = "Nats-Expected-Stream";
/// The header with the envelope, of a last record.
pub const ENVELOPE: &str = "Mailoop-Envelope";
/// The header with the number of a part, counted from 1.
pub const PART: &str = "Mailoop-Part";

/// A kind of record, which has subjects of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StreamRecordKind {
    /// The last record of a message.
    Message,
    /// A part of a text.
    Part,
    /// A message that cannot be delivered, set aside.
    Aside,
}

impl StreamRecordKind {
    const ALL: [Self; 3] = [Self::Message, Self::Part, Self::Aside];

    fn word(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Part => "part",
            Self::Aside => "aside",
        }
    }

    /// The subject of a record of this kind, of the message `id`.
    #[must_use]
    pub fn subject(self, id: &QueueId) -> String {
        format!("{SUBJECT_PREFIX}.{}.{id}", self.word())
    }

    /// The pattern of the subjects of all records of this kind.
    #[must_use]
    pub fn pattern(self) -> String {
        format!("{SUBJECT_PREFIX}.{}.*", self.word())
    }

    /// Reads a subject: the kind of its record, and the message that it is of.
    #[must_use]
    pub fn of_subject(subject: &str) -> Option<(Self, QueueId)> {
        let rest = subject.strip_prefix(SUBJECT_PREFIX)?.strip_prefix('.')?;
        let (word, id) = rest.split_once('.')?;
        let kind = Self::ALL.into_iter().find(|kind| kind.word() == word)?;
        Some((kind, queue_id(id)?))
    }
}

/// The [`MESSAGE_ID`] of a part.
#[must_use]
pub fn part_id(id: &QueueId, part: u32) -> String {
    format!("{id}-{part}")
}

/// The envelope of a message in a stream, with all that tells whether its text is whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamEnvelope {
    /// The name of the message, which no other has, of whatever server.
    pub id: QueueId,
    /// When it came, in milliseconds of the epoch.
    pub time_ms: u64,
    /// The address that failures are reported to.
    pub sender: ReversePath,
    /// Its recipients, at least one.
    pub recipients: Vec<StreamRecipient>,
    /// The declared kind of its body.
    pub body: Body,
    /// Whether its addresses, and what is in the message, may be in UTF-8 (RFC 6531).
    pub smtputf8: bool,
    /// The octets of its text.
    pub octets: u64,
    /// The number of its parts; 0 if the text is in the last record.
    pub parts: u32,
    /// The sequence in the stream of its first part; 0 if there are none.
    pub first: u64,
    /// The checksum of the whole text, CRC-32C.
    pub crc32c: u32,
}

/// A recipient of a message in a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamRecipient {
    /// The address, as the client named it.
    pub address: Mailbox,
    /// The mailboxes that it leads to.
    pub mailboxes: Vec<Mailbox>,
}

impl From<&Recipient> for StreamRecipient {
    fn from(recipient: &Recipient) -> Self {
        Self {
            address: recipient.address.clone(),
            mailboxes: recipient.mailboxes.to_vec(),
        }
    }
}

/// Why a header is no envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamEnvelopeError {
    /// A newer mailoop wrote it, in this version.
    Newer(u64),
    /// It is no JSON.
    Json(JsonError),
    /// A member is missing, or no such value as it has to be.
    Member(&'static str),
}

impl fmt::Display for StreamEnvelopeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Newer(version) => write!(
                f,
                "a newer mailoop wrote this envelope, in version {version}"
            ),
            Self::Json(error) => error.fmt(f),
            Self::Member(name) => {
                write!(f, "the envelope has no {name:?}, or none that is valid")
            }
        }
    }
}

impl Error for StreamEnvelopeError {}

impl From<JsonError> for StreamEnvelopeError {
    fn from(error: JsonError) -> Self {
        Self::Json(error)
    }
}

impl StreamEnvelope {
    /// The envelope as one line of JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut members = Members::default();
        members.number("version", STREAM_ENVELOPE_VERSION);
        members.text("id", self.id.as_str());
        members.number("time", self.time_ms);
        let sender = match &self.sender {
            ReversePath::Null => "",
            ReversePath::Mailbox(sender) => sender.as_str(),
        };
        members.text("from", sender);
        let recipients = self.recipients.iter().map(StreamRecipient::to_json);
        members.array("recipients", &recipients.collect::<Vec<_>>());
        members.text("body", body_word(self.body));
        members.boolean("smtputf8", self.smtputf8);
        members.number("octets", self.octets);
        members.number("parts", self.parts.into());
        if self.parts > 0 {
            members.number("first", self.first);
        }
        members.text("crc32c", &format!("{:08x}", self.crc32c));
        // Texts were put into it, and nothing else.
        String::from_utf8(members.into_object().into_vec()).unwrap_or_default()
    }

    /// Reads an envelope.
    ///
    /// # Errors
    /// A newer version, no JSON, or a member that is missing or not as it has to be.
    pub fn from_json(json: &str) -> Result<Self, StreamEnvelopeError> {
        let object = JsonValue::parse(json.as_bytes())?;
        let version = number(&object, "version")?;
        if version > STREAM_ENVELOPE_VERSION {
            return Err(StreamEnvelopeError::Newer(version));
        }
        let parts = number(&object, "parts")?;
        let parts = u32::try_from(parts).map_err(|_| StreamEnvelopeError::Member("parts"))?;
        let first = match parts {
            0 => 0,
            _ => number(&object, "first")?,
        };
        Ok(Self {
            id: member("id", queue_id(text(&object, "id")?))?,
            time_ms: number(&object, "time")?,
            sender: member("from", reverse_path(text(&object, "from")?))?,
            recipients: member("recipients", recipients(&object))?,
            body: member("body", body(text(&object, "body")?))?,
            smtputf8: member("smtputf8", boolean(&object, "smtputf8"))?,
            octets: number(&object, "octets")?,
            parts,
            first,
            crc32c: member("crc32c", checksum(text(&object, "crc32c")?))?,
        })
    }
}

impl StreamRecipient {
    fn to_json(&self) -> Box<[u8]> {
        let mut members = Members::default();
        members.text("address", self.address.as_str());
        let mailboxes: Vec<&str> = self.mailboxes.iter().map(Mailbox::as_str).collect();
        members.value("mailboxes", &texts(&mailboxes));
        members.into_object()
    }

    fn from_json(object: &JsonValue) -> Option<Self> {
        let mailboxes = object.get("mailboxes")?.as_texts()?;
        let mailboxes = mailboxes.into_iter().map(|mailbox| mailbox.parse().ok());
        Some(Self {
            address: object.get("address")?.as_text()?.parse().ok()?,
            mailboxes: mailboxes.collect::<Option<_>>()?,
        })
    }
}

/// A member that has to be there, and as it has to be.
fn member<T>(name: &'static str, value: Option<T>) -> Result<T, StreamEnvelopeError> {
    value.ok_or(StreamEnvelopeError::Member(name))
}

fn text<'a>(object: &'a JsonValue, name: &'static str) -> Result<&'a str, StreamEnvelopeError> {
    member(name, object.get(name).and_then(JsonValue::as_text))
}

/// A whole number that is not negative.
fn number(object: &JsonValue, name: &'static str) -> Result<u64, StreamEnvelopeError> {
    let number = object.get(name).and_then(JsonValue::as_whole);
    number.ok_or(StreamEnvelopeError::Member(name))
}

fn boolean(object: &JsonValue, name: &str) -> Option<bool> {
    match object.get(name)? {
        JsonValue::Bool(value) => Some(*value),
        _ => None,
    }
}

fn queue_id(text: &str) -> Option<QueueId> {
    QueueId::from_text(text).filter(|id| !id.as_bytes().is_empty())
}

fn reverse_path(text: &str) -> Option<ReversePath> {
    match text {
        "" => Some(ReversePath::Null),
        address => address.parse().ok().map(ReversePath::Mailbox),
    }
}

fn recipients(object: &JsonValue) -> Option<Vec<StreamRecipient>> {
    let recipients = object.get("recipients")?.as_array()?;
    let recipients: Option<Vec<_>> = recipients.iter().map(StreamRecipient::from_json).collect();
    recipients.filter(|recipients| !recipients.is_empty())
}

fn body_word(body: Body) -> &'static str {
    match body {
        Body::SevenBit => "7bit",
        Body::EightBitMime => "8bitmime",
        Body::BinaryMime => "binarymime",
    }
}

fn body(word: &str) -> Option<Body> {
    let bodies = [Body::SevenBit, Body::EightBitMime, Body::BinaryMime];
    bodies.into_iter().find(|body| body_word(*body) == word)
}

fn checksum(digits: &str) -> Option<u32> {
    let is_hex = digits.len() == 8 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    u32::from_str_radix(digits, 16).ok().filter(|_| is_hex)
}

#[cfg(test)]
mod tests;
