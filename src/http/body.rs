//! The bodies of requests (RFC 9112 §6 and §7), bounded whatever a client claims.

use bytes::{Bytes, BytesMut};

use super::response::HttpResponse;

/// The most octets of a body, whatever its coding.
pub const BODY_BYTES_MAX: usize = 1024 * 1024;
/// The most octets of the line before a chunk, with its extensions, and of a line of the trailer section.
const CHUNK_LINE_BYTES_MAX: usize = 256;
/// The most lines of the trailer section.
const TRAILER_LINES_MAX: u8 = 16;

/// The length of a body, as the head tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyLength {
    /// So many octets.
    Octets(usize),
    /// Chunks, the last of which is empty.
    Chunked,
}

impl BodyLength {
    /// Reads the fields that tell of it.
    ///
    /// # Errors
    /// They contradict each other, are malformed, or tell of more than is taken.
    pub fn of(
        content_length: Option<&str>,
        transfer_encoding: Option<&str>,
    ) -> Result<Self, HttpResponse> {
        match (content_length, transfer_encoding) {
            (None, None) => Ok(Self::Octets(0)),
            (Some(_), Some(_)) => Err(HttpResponse::bad_request(
                "there are both Content-Length and Transfer-Encoding",
            )),
            (None, Some(coding)) if coding.eq_ignore_ascii_case("chunked") => Ok(Self::Chunked),
            (None, Some(_)) => Err(HttpResponse::text(501, "chunked is the only coding here")),
            (Some(digits), None) => {
                if digits.is_empty() || !digits.bytes().all(|octet| octet.is_ascii_digit()) {
                    return Err(HttpResponse::bad_request("Content-Length must be a number"));
                }
                let length = digits
                    .parse()
                    .ok()
                    .filter(|length| *length <= BODY_BYTES_MAX);
                length.map(Self::Octets).ok_or_else(too_large)
            }
        }
    }
}

/// A body as it comes. It takes memory for what came only.
#[derive(Debug)]
pub struct BodyDecoder {
    octets: BytesMut,
    next: BodyPart,
}

/// The next part of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BodyPart {
    /// So many octets, then the end.
    Last(usize),
    /// The line that tells how long a chunk is.
    ChunkLine,
    /// So many octets of a chunk.
    Chunk(usize),
    /// The line end after a chunk.
    ChunkEnd,
    /// The trailer section, of which so many lines came, to its empty line.
    Trailer(u8),
    /// Nothing.
    End,
}

impl BodyDecoder {
    /// A body of this length, of which nothing has come.
    #[must_use]
    pub fn new(length: BodyLength) -> Self {
        let next = match length {
            BodyLength::Octets(count) => BodyPart::Last(count),
            BodyLength::Chunked => BodyPart::ChunkLine,
        };
        Self {
            octets: BytesMut::new(),
            next,
        }
    }

    /// Takes what belongs to the body off the front of `input`; the whole body once it is there.
    ///
    /// # Errors
    /// The body is malformed, or larger than is taken.
    pub fn take(&mut self, input: &mut &[u8]) -> Result<Option<Bytes>, HttpResponse> {
        loop {
            let before = self.next;
            self.next = match before {
                BodyPart::End | BodyPart::Last(0) => {
                    self.next = BodyPart::End;
                    return Ok(Some(self.octets.split().freeze()));
                }
                BodyPart::Last(left) => BodyPart::Last(left - self.keep(left, input)),
                BodyPart::Chunk(0) => BodyPart::ChunkEnd,
                BodyPart::Chunk(left) => BodyPart::Chunk(left - self.keep(left, input)),
                BodyPart::ChunkLine => self.chunk_line(input)?,
                BodyPart::ChunkEnd => match take_line(input)? {
                    None => before,
                    Some([]) => BodyPart::ChunkLine,
                    Some(_) => {
                        return Err(HttpResponse::bad_request("a chunk is longer than it says"));
                    }
                },
                BodyPart::Trailer(lines) => match take_line(input)? {
                    None => before,
                    Some([]) => BodyPart::End,
                    Some(_) if lines >= TRAILER_LINES_MAX => {
                        return Err(HttpResponse::text(431, "the trailer section is too large"));
                    }
                    Some(_) => BodyPart::Trailer(lines + 1),
                },
            };
            if self.next == before {
                return Ok(None);
            }
        }
    }

    /// Keeps up to `most` octets; how many there were.
    fn keep(&mut self, most: usize, input: &mut &[u8]) -> usize {
        let (kept, rest) = input.split_at(input.len().min(most));
        self.octets.extend_from_slice(kept);
        *input = rest;
        kept.len()
    }

    fn chunk_line(&self, input: &mut &[u8]) -> Result<BodyPart, HttpResponse> {
        match httparse::parse_chunk_size(input) {
            Ok(httparse::Status::Partial) if input.len() <= CHUNK_LINE_BYTES_MAX => {
                Ok(BodyPart::ChunkLine)
            }
            Ok(httparse::Status::Complete((line, size))) => {
                *input = &input[line..];
                let room = BODY_BYTES_MAX - self.octets.len();
                match usize::try_from(size) {
                    Ok(0) => Ok(BodyPart::Trailer(0)),
                    Ok(size) if size <= room => Ok(BodyPart::Chunk(size)),
                    _ => Err(too_large()),
                }
            }
            Ok(httparse::Status::Partial) | Err(_) => {
                Err(HttpResponse::bad_request("this is no chunk"))
            }
        }
    }
}

/// Takes a line off the front of `input`, if it is whole, and returns it without its CRLF.
fn take_line<'a>(input: &mut &'a [u8]) -> Result<Option<&'a [u8]>, HttpResponse> {
    let window = &input[..input.len().min(CHUNK_LINE_BYTES_MAX)];
    let Some(end) = memchr::memchr(b'\n', window) else {
        return match input.len() < CHUNK_LINE_BYTES_MAX {
            true => Ok(None),
            false => Err(HttpResponse::bad_request(
                "a line among the chunks is too long",
            )),
        };
    };
    let line = input[..end].strip_suffix(b"\r");
    *input = &input[end + 1..];
    line.map(Some)
        .ok_or_else(|| HttpResponse::bad_request("a line among the chunks has no CR"))
}

fn too_large() -> HttpResponse {
    HttpResponse::text(413, "the body is too large")
}
