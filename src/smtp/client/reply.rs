//! A server's reply, as its client reads it (RFC 5321 §4.2).

use core::fmt;
use core::mem;

use memchr::memchr;

use crate::smtp::visible::{is_visible, write_escaped};

/// The most octets of a reply line, its end counted in: the 512 of RFC 5321 §4.5.3.1.5 and some grace.
pub const REPLY_LINE_BYTES_MAX: usize = 1000;
/// The most lines of one reply.
pub const REPLY_LINES_MAX: usize = 100;

/// One complete reply.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerReply {
    code: u16,
    /// The lines with their codes, a LF between two.
    lines: Vec<u8>,
}

/// The kind of a reply, by its first digit (RFC 5321 §4.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyKind {
    /// 2yz: done.
    Completed,
    /// 3yz: done so far, the rest is awaited.
    GoAhead,
    /// 4yz: not now, but perhaps later.
    NotNow,
    /// 421: not now, and the server closes the connection (RFC 5321 §3.8).
    Closing,
    /// 5yz: no.
    Refused,
}

/// Why what came from a server is no SMTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProtocolError {
    /// A line has no reply code.
    NotAReply(Box<[u8]>),
    /// A line is over [`REPLY_LINE_BYTES_MAX`].
    LineTooLong,
    /// A reply is over [`REPLY_LINES_MAX`].
    TooManyLines,
    /// A reply answers nothing that was said.
    OutOfPlace(ServerReply),
    /// Something in the clear follows the reply that begins TLS.
    BehindStartTls,
}

impl ServerReply {
    /// The three digits.
    #[must_use]
    pub fn code(&self) -> u16 {
        self.code
    }

    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> ReplyKind {
        match self.code {
            421 => ReplyKind::Closing,
            ..300 => ReplyKind::Completed,
            300..400 => ReplyKind::GoAhead,
            400..500 => ReplyKind::NotNow,
            500.. => ReplyKind::Refused,
        }
    }

    /// Its lines as they came, without their ends.
    pub fn lines(&self) -> impl Iterator<Item = &[u8]> {
        self.lines.split(|&byte| byte == b'\n')
    }

    /// Its lines without their codes.
    pub fn texts(&self) -> impl Iterator<Item = &[u8]> {
        self.lines().map(|line| line.get(4..).unwrap_or_default())
    }
}

impl fmt::Display for ServerReply {
    /// The whole reply in one printable line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        for text in self.texts().filter(|text| !text.is_empty()) {
            write!(f, " {}", Printable(text))?;
        }
        Ok(())
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAReply(line) => write!(f, "\"{}\" is no SMTP reply", Printable(line)),
            Self::LineTooLong => write!(f, "a reply line is over {REPLY_LINE_BYTES_MAX} octets"),
            Self::TooManyLines => write!(f, "a reply is over {REPLY_LINES_MAX} lines"),
            Self::OutOfPlace(reply) => write!(f, "the reply \"{reply}\" is out of place"),
            Self::BehindStartTls => {
                f.write_str("it goes on in the clear behind its reply to STARTTLS")
            }
        }
    }
}

impl core::error::Error for ProtocolError {}

/// Text of a peer, made safe to show: control characters, and marks of Unicode that are invisible or turn text around, are
/// escaped; what is no UTF-8 is replaced.
#[derive(Clone, Copy, Debug)]
pub struct Printable<'a>(pub &'a [u8]);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_harmless = |character| character == ' ' || is_visible(character);
        write_escaped(f, &String::from_utf8_lossy(self.0), is_harmless)
    }
}

/// Puts replies together from bytes that were cut anywhere.
#[derive(Debug, Default)]
pub(super) struct ReplyReader {
    reply: ServerReply,
    /// The lines of the next reply, as far as they came.
    pending: Vec<u8>,
    /// The start of the current line in `pending`.
    line_start: usize,
    /// The number of lines that are complete.
    lines: usize,
}

impl ReplyReader {
    pub(super) fn reply(&self) -> &ServerReply {
        &self.reply
    }

    /// Takes bytes from `input` until a reply is complete, and tells whether it is.
    pub(super) fn read(&mut self, input: &mut &[u8]) -> Result<bool, ProtocolError> {
        loop {
            let end = memchr(b'\n', input);
            let (bytes, rest) = input.split_at(end.map_or(input.len(), |at| at + 1));
            if self.pending.len() - self.line_start + bytes.len() > REPLY_LINE_BYTES_MAX {
                return Err(ProtocolError::LineTooLong);
            }
            self.pending.extend_from_slice(bytes);
            *input = rest;
            if end.is_none() {
                return Ok(false);
            }
            if self.end_line()? {
                return Ok(true);
            }
        }
    }

    /// Takes the line in that its LF just ended, and tells whether it is the last of its reply.
    fn end_line(&mut self) -> Result<bool, ProtocolError> {
        self.pending.pop();
        // RFC 5321 §2.3.8 wants CRLF, but nothing is lost by taking a reply that ends in a bare LF.
        if self.pending.ends_with(b"\r") {
            self.pending.pop();
        }
        let line = &self.pending[self.line_start..];
        let not_a_reply = || ProtocolError::NotAReply(line.into());
        let (code, last) = parse(line).ok_or_else(not_a_reply)?;
        // RFC 5321 §4.2.1: all lines of a reply have the same code.
        if line[..3] != self.pending[..3] {
            return Err(not_a_reply());
        }
        self.lines += 1;
        if self.lines > REPLY_LINES_MAX {
            return Err(ProtocolError::TooManyLines);
        }
        if !last {
            self.pending.push(b'\n');
            self.line_start = self.pending.len();
            return Ok(false);
        }
        self.reply.code = code;
        mem::swap(&mut self.reply.lines, &mut self.pending);
        self.pending.clear();
        self.line_start = 0;
        self.lines = 0;
        Ok(true)
    }
}

/// The code of a reply line, and whether it is the last one.
fn parse(line: &[u8]) -> Option<(u16, bool)> {
    let [x @ b'2'..=b'5', y @ b'0'..=b'9', z @ b'0'..=b'9', rest @ ..] = line else {
        return None;
    };
    let last = match rest {
        // RFC 5321 §4.2: the text may be missing, and some servers leave its space out too.
        [] | [b' ', ..] => true,
        [b'-', ..] => false,
        _ => return None,
    };
    let digit = |byte: &u8| u16::from(byte - b'0');
    Some((digit(x) * 100 + digit(y) * 10 + digit(z), last))
}
