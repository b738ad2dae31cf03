//! The octets that a server sends in the protocol of NATS clients: sans-IO, incremental, and bounded whatever its lengths claim.
//!
//! Input may be cut at any octet. A message that is too long is told of without its text: whoever sent it to the stream must not be
//! able to end our connection again and again.

use core::fmt;
use std::error::Error;
use std::mem;

use super::headers::parse_headers;
use crate::store::stream::StreamMessage;

/// The most octets of a line, with its end.
pub const CONTROL_LINE_BYTES_MAX: usize = 4 * 1024;
/// The most octets of the line of INFO, which names all servers of a cluster.
pub const INFO_LINE_BYTES_MAX: usize = 64 * 1024;
/// The most octets of the headers and the payload of a message that is kept.
pub const MESSAGE_BYTES_MAX: usize = 1024 * 1024 + 64 * 1024;
/// The most octets of a message that is skipped: more than any server lets through.
const SKIPPED_BYTES_MAX: usize = 128 * 1024 * 1024;
/// The most fields of a line: those of HMSG.
const FIELDS_MAX: usize = 5;

/// One thing that a server says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerOp {
    /// Facts about the server, as JSON.
    Info(Box<[u8]>),
    /// A message, with the number of the subscription that it is for.
    Message(WireMessage),
    /// It wants to know whether somebody is there.
    Ping,
    /// It is there.
    Pong,
    /// It has done what it was told.
    Success,
    /// It complains; the text is without quotes.
    Complaint(Box<str>),
}

/// A message as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WireMessage {
    /// The number of the subscription.
    pub subscription: u64,
    /// Whether it is all there. One that is too long has neither headers nor payload.
    pub is_whole: bool,
    /// The message; its token is not known here.
    pub message: StreamMessage,
}

/// Why octets are not what a server says. Nothing can be read after that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WireError {
    /// A line is too long.
    LineTooLong,
    /// A line does not end in CR LF.
    LineEnd,
    /// There is no such verb.
    Verb,
    /// A verb has other arguments.
    Arguments,
    /// A message is longer than any server lets through.
    MessageTooLong,
    /// A message does not end where it should.
    MessageEnd,
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LineTooLong => "a line is too long",
            Self::LineEnd => "a line does not end in CR LF",
            Self::Verb => "a line begins with none of the verbs of NATS",
            Self::Arguments => "a verb has other arguments than it should",
            Self::MessageTooLong => "a message is too long",
            Self::MessageEnd => "a message does not end where it should",
        })
    }
}

impl Error for WireError {}

/// The reader of what a server says.
#[derive(Debug, Default)]
pub struct WireParser {
    /// The start of a line whose end has not come.
    line: Vec<u8>,
    /// The message whose text is being read.
    incoming: Option<Incoming>,
}

/// A message whose text is being read.
#[derive(Debug)]
struct Incoming {
    subscription: u64,
    subject: Box<str>,
    reply: Option<Box<str>>,
    /// The octets of its headers; `None` where it has none.
    header_bytes: Option<usize>,
    /// Octets that are still to come, with CR LF.
    left: usize,
    is_kept: bool,
    octets: Vec<u8>,
}

/// The meaning of a line.
enum LineOp {
    Whole(ServerOp),
    Begins(Incoming),
}

impl WireParser {
    /// Takes what it can use off the front of `input`; the next thing that is said if it is all there. Nothing is left of `input`
    /// where it is not.
    ///
    /// # Errors
    /// [`WireError`] for octets that no server says.
    pub fn next(&mut self, input: &mut &[u8]) -> Result<Option<ServerOp>, WireError> {
        loop {
            if let Some(incoming) = &mut self.incoming {
                if !incoming.take(input) {
                    return Ok(None);
                }
                let incoming = self.incoming.take();
                return incoming.map(Incoming::finish).transpose();
            }
            match self.take_line(input)? {
                None => return Ok(None),
                Some(LineOp::Whole(op)) => return Ok(Some(op)),
                Some(LineOp::Begins(incoming)) => self.incoming = Some(incoming),
            }
        }
    }

    /// Octets that it keeps of what is not all there.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.line.len() + self.incoming.as_ref().map_or(0, |it| it.octets.len())
    }

    fn take_line(&mut self, input: &mut &[u8]) -> Result<Option<LineOp>, WireError> {
        let octets = mem::take(input);
        let Some(end) = memchr::memchr(b'\n', octets) else {
            self.line.extend_from_slice(octets);
            check_length(&self.line)?;
            return Ok(None);
        };
        let (line, rest) = octets.split_at(end + 1);
        *input = rest;
        if self.line.is_empty() {
            return parse_line(line).map(Some);
        }
        let mut whole = mem::take(&mut self.line);
        whole.extend_from_slice(line);
        parse_line(&whole).map(Some)
    }
}

impl Incoming {
    /// Takes what belongs to it; whether it is all there.
    fn take(&mut self, input: &mut &[u8]) -> bool {
        let skipped = match self.is_kept {
            true => 0,
            // The last two octets are looked at.
            false => self.left.saturating_sub(2).min(input.len()),
        };
        *input = &input[skipped..];
        self.left -= skipped;
        let (part, rest) = input.split_at(self.left.min(input.len()));
        self.octets.extend_from_slice(part);
        *input = rest;
        self.left -= part.len();
        self.left == 0
    }

    fn finish(mut self) -> Result<ServerOp, WireError> {
        if !self.octets.ends_with(b"\r\n") {
            return Err(WireError::MessageEnd);
        }
        self.octets.truncate(self.octets.len() - 2);
        let mut message = StreamMessage {
            subject: self.subject,
            reply: self.reply,
            ..StreamMessage::default()
        };
        if let Some(headers) = self.header_bytes.filter(|_| self.is_kept) {
            let (headers, payload) = self.octets.split_at(headers.min(self.octets.len()));
            (message.status, message.headers) = parse_headers(headers);
            message.payload = payload.into();
        } else {
            message.payload = self.octets.into_boxed_slice();
        }
        Ok(ServerOp::Message(WireMessage {
            subscription: self.subscription,
            is_whole: self.is_kept,
            message,
        }))
    }
}

fn check_length(line: &[u8]) -> Result<(), WireError> {
    let is_info = line
        .get(..4)
        .is_some_and(|verb| verb.eq_ignore_ascii_case(b"INFO"));
    let max = match is_info {
        true => INFO_LINE_BYTES_MAX,
        false => CONTROL_LINE_BYTES_MAX,
    };
    match line.len() > max {
        true => Err(WireError::LineTooLong),
        false => Ok(()),
    }
}

/// Reads a line with its end.
fn parse_line(line: &[u8]) -> Result<LineOp, WireError> {
    check_length(line)?;
    let line = line.strip_suffix(b"\r\n").ok_or(WireError::LineEnd)?;
    let verb_bytes = line.iter().position(|octet| is_blank(*octet));
    let (verb, arguments) = line.split_at(verb_bytes.unwrap_or(line.len()));
    let arguments = trim_blanks(arguments);
    let is = |other: &str| verb.eq_ignore_ascii_case(other.as_bytes());
    Ok(LineOp::Whole(if is("MSG") {
        return parse_message(arguments, false).map(LineOp::Begins);
    } else if is("HMSG") {
        return parse_message(arguments, true).map(LineOp::Begins);
    } else if is("INFO") {
        ServerOp::Info(arguments.into())
    } else if is("-ERR") {
        let text = String::from_utf8_lossy(arguments);
        let quoted = text
            .strip_prefix('\'')
            .and_then(|text| text.strip_suffix('\''));
        ServerOp::Complaint(quoted.unwrap_or(&text).into())
    } else if !arguments.is_empty() && ["PING", "PONG", "+OK"].iter().any(|verb| is(verb)) {
        return Err(WireError::Arguments);
    } else if is("PING") {
        ServerOp::Ping
    } else if is("PONG") {
        ServerOp::Pong
    } else if is("+OK") {
        ServerOp::Success
    } else {
        return Err(WireError::Verb);
    }))
}

/// Reads the arguments of MSG, or of HMSG: `subject subscription [reply] [header octets] octets`.
fn parse_message(arguments: &[u8], has_headers: bool) -> Result<Incoming, WireError> {
    let mut fields = [&[][..]; FIELDS_MAX];
    let mut count = 0;
    let parts = arguments.split(|octet| is_blank(*octet));
    for part in parts.filter(|part| !part.is_empty()) {
        *fields.get_mut(count).ok_or(WireError::Arguments)? = part;
        count += 1;
    }
    let fixed = 3 + usize::from(has_headers);
    let has_reply = count == fixed + 1;
    let is_plain = |octet: &u8| *octet > b' ' && *octet != 0x7f;
    if !(count == fixed || has_reply) || !arguments.iter().all(|it| is_blank(*it) || is_plain(it)) {
        return Err(WireError::Arguments);
    }
    let text = |field: &[u8]| String::from_utf8_lossy(field).into();
    let bytes = number(fields[count - 1])?;
    let header_bytes = match has_headers {
        true => Some(number(fields[count - 2])?),
        false => None,
    };
    if header_bytes.is_some_and(|headers| headers > bytes) {
        return Err(WireError::Arguments);
    }
    if bytes > SKIPPED_BYTES_MAX {
        return Err(WireError::MessageTooLong);
    }
    let is_kept = bytes <= MESSAGE_BYTES_MAX;
    Ok(Incoming {
        subscription: number(fields[1])? as u64,
        subject: text(fields[0]),
        reply: has_reply.then(|| text(fields[2])),
        header_bytes,
        left: bytes + 2,
        is_kept,
        octets: Vec::with_capacity(if is_kept { bytes + 2 } else { 2 }),
    })
}

fn number(digits: &[u8]) -> Result<usize, WireError> {
    let is_number = (1..=15).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    let digits = str::from_utf8(digits).ok().filter(|_| is_number);
    digits
        .and_then(|digits| digits.parse().ok())
        .ok_or(WireError::Arguments)
}

/// Octets without the blanks around them. Other white space is none here.
fn trim_blanks(octets: &[u8]) -> &[u8] {
    let is_text = |octet: &u8| !is_blank(*octet);
    let Some(start) = octets.iter().position(is_text) else {
        return &[];
    };
    let end = octets.iter().rposition(is_text).unwrap_or(start);
    &octets[start..=end]
}

fn is_blank(octet: u8) -> bool {
    matches!(octet, b' ' | b'\t')
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests;
