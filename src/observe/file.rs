//! The file of a record: a line that says what it is, then frames.
//!
//! ```text
//! mailoop-record-1\n
//! length (7 bits an octet)  frame of that length  CRC-32 of the frame (4 octets, little-endian)
//! ...
//! ```
//!
//! A file may be cut anywhere: its complete frames are good.

use core::fmt;
use core::ops::Range;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};

use super::codec::RecordValue;
use super::crc::crc32;
use super::frame::Frame;
use super::packed::{pack, unpack};
use crate::net::driver::ConnectionId;
use crate::net::probe::Content;

/// The first line of every record; the number is the version of its frames.
pub const MAGIC: &[u8] = b"mailoop-record-1\n";
/// The start of the first line, whatever the version.
const MAGIC_NAME: &[u8] = b"mailoop-record-";
/// The longest frame: octets of one read, with their connection.
const FRAME_BYTES_MAX: u64 = 16 << 20;
/// The number of a frame `Used` whose text is [packed](super::packed).
const PACKED_TEXT: u8 = 255;
const READ_BYTES: usize = 64 * 1024;

/// Appends a frame with its length and checksum; `scratch` is a buffer to put it together in.
pub fn put_frame(frame: &Frame<'_>, scratch: &mut Vec<u8>, out: &mut Vec<u8>) {
    scratch.clear();
    match *frame {
        Frame::Used {
            connection,
            content: Content::Text,
            octets,
        } => {
            scratch.push(PACKED_TEXT);
            connection.put(scratch);
            pack(octets, scratch);
        }
        _ => frame.put(scratch),
    }
    scratch.len().put(out);
    out.extend_from_slice(scratch);
    out.extend_from_slice(&crc32(scratch).to_le_bytes());
}

/// Why a file cannot be read on as a record.
#[derive(Debug)]
pub enum RecordError {
    /// The file cannot be read.
    Io(io::Error),
    /// The file is no record.
    NoRecord,
    /// The record is of another version, as its first line says.
    Version(String),
    /// A frame that begins at this octet is garbled.
    Garbled(u64),
    /// A frame that begins at this octet is whole, and none that this program knows.
    Unknown(u64),
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::NoRecord => f.write_str("it is no record of mailoop"),
            Self::Version(version) => write!(
                f,
                "it is a record of version {version}, and this program reads version 1"
            ),
            Self::Garbled(at) => write!(f, "the frame at octet {at} is garbled"),
            Self::Unknown(at) => write!(
                f,
                "the frame at octet {at} is none that mailoop {} knows: the record is of another version",
                env!("CARGO_PKG_VERSION")
            ),
        }
    }
}

/// A reader of the frames of a record.
#[derive(Debug)]
pub struct FrameReader<R> {
    source: R,
    buffer: Vec<u8>,
    /// The start of what was not given out.
    start: usize,
    /// The place of that in the file.
    position: u64,
    /// The place of the next frame in the buffer, once it is whole and good.
    head: Option<Range<usize>>,
    /// The text of that frame, if it was packed.
    text: Vec<u8>,
    is_cut_short: bool,
}

impl<R: Read + Seek> FrameReader<R> {
    /// Goes to the frame at this [position](Self::position).
    ///
    /// # Errors
    /// The source fails.
    pub fn go_to(&mut self, position: u64) -> Result<(), RecordError> {
        let place = SeekFrom::Start(position);
        self.source.seek(place).map_err(RecordError::Io)?;
        self.buffer.clear();
        (self.start, self.position) = (0, position);
        (self.head, self.is_cut_short) = (None, false);
        Ok(())
    }
}

impl<R: Read> FrameReader<R> {
    /// Reads the first line.
    ///
    /// # Errors
    /// The source fails, or is no record of this version.
    pub fn new(source: R) -> Result<Self, RecordError> {
        let mut reader = Self {
            source,
            buffer: Vec::new(),
            start: 0,
            position: 0,
            head: None,
            text: Vec::new(),
            is_cut_short: false,
        };
        while reader.rest().len() < MAGIC.len() && reader.fill()? {}
        let rest = reader.rest();
        if rest.starts_with(MAGIC) {
            reader.advance(MAGIC.len());
            return Ok(reader);
        }
        let version = rest.strip_prefix(MAGIC_NAME);
        // A line without an end may be the beginning of any.
        let end = |rest: &&[u8]| rest.iter().position(|octet| *octet == b'\n');
        let version = version.and_then(|rest| Some(&rest[..end(&rest)?]));
        Err(match version.map(str::from_utf8) {
            Some(Ok(version)) if !version.is_empty() => {
                RecordError::Version(version.escape_debug().to_string())
            }
            _ => RecordError::NoRecord,
        })
    }

    /// Reads the next frame; `None` at the end, also where the last frame is incomplete.
    ///
    /// # Errors
    /// The source fails, or the frame is garbled.
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, RecordError> {
        self.peek()?;
        let Some(frame) = self.head.clone() else {
            return Ok(None);
        };
        self.skip();
        Ok(read(&self.buffer[frame], &self.text))
    }

    /// Looks at the next frame, which stays the next one until it is [skipped](Self::skip).
    ///
    /// # Errors
    /// As [`next_frame`](Self::next_frame).
    pub fn peek(&mut self) -> Result<Option<Frame<'_>>, RecordError> {
        if self.head.is_none() {
            let Some((start, length)) = self.find()? else {
                return Ok(None);
            };
            let frame = self.start + start..self.start + start + length;
            let octets = &self.buffer[frame.clone()];
            let sum = &self.buffer[frame.end..frame.end + size_of::<u32>()];
            if sum != crc32(octets).to_le_bytes() {
                return Err(RecordError::Garbled(self.position));
            }
            if let [PACKED_TEXT, rest @ ..] = octets {
                self.text.clear();
                let max = usize::try_from(FRAME_BYTES_MAX).unwrap_or(usize::MAX);
                let mut packed = rest;
                let unpacked = ConnectionId::take(&mut packed)
                    .and_then(|_| unpack(packed, max, &mut self.text));
                unpacked.ok_or(RecordError::Garbled(self.position))?;
            }
            self.head = Some(frame);
        }
        let octets = self.head.clone().map(|frame| &self.buffer[frame]);
        match octets.map(|octets| read(octets, &self.text)) {
            Some(None) => Err(RecordError::Unknown(self.position)),
            frame => Ok(frame.flatten()),
        }
    }

    /// Leaves the frame behind that was looked at.
    pub fn skip(&mut self) {
        if let Some(frame) = self.head.take() {
            self.advance(frame.end + size_of::<u32>() - self.start);
        }
    }

    /// Whether the last frame is incomplete.
    #[must_use]
    pub fn is_cut_short(&self) -> bool {
        self.is_cut_short
    }

    /// The place of the next frame in the file.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Reads on until the next frame is whole: the start of its octets behind its length, and how many there are.
    fn find(&mut self) -> Result<Option<(usize, usize)>, RecordError> {
        loop {
            let mut rest = self.rest();
            let before = rest.len();
            let length = u64::take(&mut rest);
            let start = before - rest.len();
            match length {
                Some(length) if length > FRAME_BYTES_MAX => {
                    return Err(RecordError::Garbled(self.position));
                }
                Some(length) => {
                    let length = usize::try_from(length).unwrap_or(usize::MAX);
                    if rest.len() >= length + size_of::<u32>() {
                        return Ok(Some((start, length)));
                    }
                }
                // No number has more octets.
                None if before >= 10 => return Err(RecordError::Garbled(self.position)),
                None => {}
            }
            if !self.fill()? {
                self.is_cut_short = !self.rest().is_empty();
                return Ok(None);
            }
        }
    }

    fn rest(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    fn advance(&mut self, octets: usize) {
        self.start += octets;
        self.position += octets as u64;
    }

    /// Reads more; whether there was more.
    fn fill(&mut self) -> Result<bool, RecordError> {
        self.buffer.drain(..self.start);
        self.start = 0;
        let filled = self.buffer.len();
        self.buffer.resize(filled + READ_BYTES, 0);
        let read = loop {
            match self.source.read(&mut self.buffer[filled..]) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => break read.map_err(RecordError::Io)?,
            }
        };
        self.buffer.truncate(filled + read);
        Ok(read > 0)
    }
}

/// Reads a frame, whose `text` was unpacked if it was packed.
fn read<'a>(octets: &'a [u8], text: &'a [u8]) -> Option<Frame<'a>> {
    match octets {
        [PACKED_TEXT, rest @ ..] => Some(Frame::Used {
            connection: ConnectionId::take(&mut &rest[..])?,
            content: Content::Text,
            octets: text,
        }),
        _ => Frame::read(octets),
    }
}
