//! The response of a server that was asked by HTTP, as far as that matters here (RFC 9112): sans-IO, and bounded whatever its lengths
//! claim.

use core::fmt;
use std::mem;

/// The most octets of all lines that are no text: those of the head, of chunks, and of trailers.
const LINES_BYTES_MAX: usize = 64 * 1024;
/// The most digits of a length.
const LENGTH_DIGITS_MAX: usize = 15;

/// A response that is being received. Only one with the status 200 and the media type that is wanted is taken.
#[derive(Debug)]
pub struct WantedResponse {
    media_type: &'static str,
    text_bytes_max: usize,
    part: ResponsePart,
    framing: BodyFraming,
    is_wanted: bool,
    /// The start of a line whose end has not come.
    line: Vec<u8>,
    /// The octets of lines so far.
    line_bytes: usize,
    text: Vec<u8>,
}

/// Why there is no response that is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseFault {
    /// The connection broke before all was there.
    CutShort,
    /// The status is another than 200.
    Status(u16),
    /// The media type is another.
    ContentType,
    /// The response is too long.
    TooLong,
    /// It makes no sense.
    NotHttp,
}

impl fmt::Display for ResponseFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CutShort => "the connection broke",
            Self::Status(status) => return write!(f, "HTTP status {status} in place of 200"),
            Self::ContentType => "the response is of another type",
            Self::TooLong => "the response is too long",
            Self::NotHttp => "the response makes no sense",
        })
    }
}

impl core::error::Error for ResponseFault {}

/// What comes next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum ResponsePart {
    #[default]
    StatusLine,
    /// Fields after the status of an interim response, which says nothing.
    InterimFields,
    Fields,
    /// So many octets of the text.
    Text(usize),
    TextUntilEnd,
    ChunkSize,
    ChunkEnd,
    Trailers,
    Done,
}

/// The way in which the end of the text is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum BodyFraming {
    #[default]
    UntilEnd,
    Length(usize),
    Chunked,
}

impl WantedResponse {
    /// A response of which nothing has come. It is to be of this media type, in lower case, and have so many octets of text at most.
    #[must_use]
    pub fn new(media_type: &'static str, text_bytes_max: usize) -> Self {
        Self {
            media_type,
            text_bytes_max,
            part: ResponsePart::default(),
            framing: BodyFraming::default(),
            is_wanted: false,
            line: Vec::new(),
            line_bytes: 0,
            text: Vec::new(),
        }
    }

    /// Takes octets, and tells whether the response is complete. After that there are no more to be taken.
    ///
    /// # Errors
    /// [`ResponseFault`] for a response that is none, is not for us, or is too long.
    pub fn receive(&mut self, mut octets: &[u8]) -> Result<bool, ResponseFault> {
        while self.part != ResponsePart::Done && !octets.is_empty() {
            let used = match self.part {
                ResponsePart::Text(left) => {
                    let part = &octets[..left.min(octets.len())];
                    self.add_text(part)?;
                    self.part = match (left - part.len(), self.framing) {
                        (0, BodyFraming::Chunked) => ResponsePart::ChunkEnd,
                        (0, _) => ResponsePart::Done,
                        (left, _) => ResponsePart::Text(left),
                    };
                    part.len()
                }
                ResponsePart::TextUntilEnd => {
                    self.add_text(octets)?;
                    octets.len()
                }
                _ => self.take_line(octets)?,
            };
            octets = &octets[used..];
        }
        Ok(self.part == ResponsePart::Done)
    }

    /// Takes note that the peer has closed its side, and takes the text.
    ///
    /// # Errors
    /// [`ResponseFault::CutShort`] if there should have been more.
    pub fn end(&mut self) -> Result<Vec<u8>, ResponseFault> {
        match self.part {
            ResponsePart::Done | ResponsePart::TextUntilEnd => Ok(mem::take(&mut self.text)),
            _ => Err(ResponseFault::CutShort),
        }
    }

    fn add_text(&mut self, part: &[u8]) -> Result<(), ResponseFault> {
        if self.text.len() + part.len() > self.text_bytes_max {
            return Err(ResponseFault::TooLong);
        }
        self.text.extend_from_slice(part);
        Ok(())
    }

    /// Takes octets up to the end of a line, and acts upon that if it has come. Returns the number of octets that were taken.
    fn take_line(&mut self, octets: &[u8]) -> Result<usize, ResponseFault> {
        let end = memchr::memchr(b'\n', octets);
        let used = end.map_or(octets.len(), |end| end + 1);
        self.line_bytes += used;
        if self.line_bytes > LINES_BYTES_MAX {
            return Err(ResponseFault::TooLong);
        }
        self.line.extend_from_slice(&octets[..used]);
        if end.is_some() {
            let line = mem::take(&mut self.line);
            let line = line.strip_suffix(b"\n").unwrap_or(&line);
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            self.part = self.after_line(line)?;
        }
        Ok(used)
    }

    /// Acts upon a line, and returns what comes next.
    fn after_line(&mut self, line: &[u8]) -> Result<ResponsePart, ResponseFault> {
        Ok(match self.part {
            ResponsePart::StatusLine => match status(line).ok_or(ResponseFault::NotHttp)? {
                100..=199 => ResponsePart::InterimFields,
                200 => ResponsePart::Fields,
                other => return Err(ResponseFault::Status(other)),
            },
            ResponsePart::InterimFields if line.is_empty() => ResponsePart::StatusLine,
            ResponsePart::Fields if line.is_empty() => self.begin_text()?,
            ResponsePart::Fields => {
                self.take_field(line)?;
                ResponsePart::Fields
            }
            ResponsePart::ChunkSize => match chunk_size(line).ok_or(ResponseFault::NotHttp)? {
                0 => ResponsePart::Trailers,
                size if size > self.text_bytes_max => return Err(ResponseFault::TooLong),
                size => ResponsePart::Text(size),
            },
            ResponsePart::ChunkEnd if line.is_empty() => ResponsePart::ChunkSize,
            ResponsePart::ChunkEnd => return Err(ResponseFault::NotHttp),
            ResponsePart::Trailers if line.is_empty() => ResponsePart::Done,
            other => other,
        })
    }

    /// Takes a field of the head, if it matters.
    fn take_field(&mut self, line: &[u8]) -> Result<(), ResponseFault> {
        let bad = ResponseFault::NotHttp;
        let Some(colon) = memchr::memchr(b':', line) else {
            return Err(bad);
        };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.is_empty() || !name.iter().all(u8::is_ascii_graphic) {
            return Err(bad);
        }
        let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
        if is("content-type") {
            self.is_wanted = is_of_type(value, self.media_type);
        } else if is("content-encoding") {
            // We did not ask for any.
            self.is_wanted &= value.eq_ignore_ascii_case(b"identity");
        } else if is("transfer-encoding") {
            if !value.eq_ignore_ascii_case(b"chunked") {
                return Err(bad);
            }
            self.framing = BodyFraming::Chunked;
        } else if is("content-length") {
            let length = number(value, 10).ok_or(bad)?;
            match self.framing {
                BodyFraming::Length(other) if other != length => {
                    return Err(ResponseFault::NotHttp);
                }
                // Chunks come first (RFC 9112 §6.3).
                BodyFraming::Chunked => {}
                _ => self.framing = BodyFraming::Length(length),
            }
        }
        Ok(())
    }

    /// The head is over: what comes is the text, if it is one for us.
    fn begin_text(&self) -> Result<ResponsePart, ResponseFault> {
        if !self.is_wanted {
            return Err(ResponseFault::ContentType);
        }
        Ok(match self.framing {
            BodyFraming::Chunked => ResponsePart::ChunkSize,
            BodyFraming::UntilEnd => ResponsePart::TextUntilEnd,
            BodyFraming::Length(0) => ResponsePart::Done,
            BodyFraming::Length(length) if length > self.text_bytes_max => {
                return Err(ResponseFault::TooLong);
            }
            BodyFraming::Length(length) => ResponsePart::Text(length),
        })
    }
}

/// The status in the first line of a response of HTTP/1.
fn status(line: &[u8]) -> Option<u16> {
    let (minor, rest) = line.strip_prefix(b"HTTP/1.")?.split_first()?;
    let (digits, rest) = rest.strip_prefix(b" ")?.split_at_checked(3)?;
    let is_status = minor.is_ascii_digit() && matches!(rest.first(), None | Some(b' '));
    let status = number(digits, 10).filter(|status| is_status && *status >= 100)?;
    u16::try_from(status).ok()
}

/// The size of a chunk, before which extensions may stand.
fn chunk_size(line: &[u8]) -> Option<usize> {
    let digits = line.split(|octet| *octet == b';').next()?;
    number(digits.trim_ascii(), 16)
}

fn number(digits: &[u8], radix: u32) -> Option<usize> {
    let is_number = (1..=LENGTH_DIGITS_MAX).contains(&digits.len())
        && digits.iter().all(u8::is_ascii_alphanumeric);
    let digits = str::from_utf8(digits).ok().filter(|_| is_number)?;
    let number = u64::from_str_radix(digits, radix).ok()?;
    // What no memory holds is too long in any case.
    Some(usize::try_from(number).unwrap_or(usize::MAX))
}

/// Whether a media type is this one, whatever its parameters.
fn is_of_type(value: &[u8], media_type: &str) -> bool {
    let essence = value.split(|octet| *octet == b';').next();
    essence.is_some_and(|it| it.trim_ascii().eq_ignore_ascii_case(media_type.as_bytes()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
