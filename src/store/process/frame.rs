//! Frames: the form of requests to a store process and of its reports, in pipes.
//!
//! A frame is its length, its kind, the ticket it concerns, and the rest. Both ends are the same program, so a frame that
//! cannot be read means as much as a broken pipe.

use std::io::{self, ErrorKind};

use bytes::{Buf, BufMut, BytesMut};
use log::Level;
use rustix::io::Errno;

use crate::store::disk_error::errno;
use crate::store::{Failure, Ticket};

const LENGTH_BYTES: usize = 4;
/// The kind of a report that is a line for the log, in every protocol.
pub(crate) const LOG: u8 = b'L';

/// Appends a frame.
pub(crate) fn put_frame(
    out: &mut BytesMut,
    kind: u8,
    ticket: Ticket,
    rest: impl FnOnce(&mut BytesMut),
) {
    let start = out.len();
    out.put_u32(0);
    out.put_u8(kind);
    out.put_u64(ticket.0);
    rest(out);
    let length = u32::try_from(out.len() - start - LENGTH_BYTES).unwrap_or(u32::MAX);
    out[start..start + LENGTH_BYTES].copy_from_slice(&length.to_be_bytes());
}

/// Takes the first whole frame off `input`.
pub(crate) fn next_frame(input: &mut BytesMut) -> Option<BytesMut> {
    let length = input.first_chunk::<LENGTH_BYTES>()?;
    let length = u32::from_be_bytes(*length) as usize;
    if input.len() - LENGTH_BYTES < length {
        return None;
    }
    input.advance(LENGTH_BYTES);
    Some(input.split_to(length))
}

/// Reads the head of a frame, and returns the rest as well.
pub(crate) fn head(mut frame: &[u8]) -> Option<(u8, Ticket, &[u8])> {
    let kind = frame.try_get_u8().ok()?;
    let ticket = frame.try_get_u64().ok()?;
    Some((kind, Ticket(ticket), frame))
}

/// Appends a report that is a line for the log.
pub(crate) fn put_log(out: &mut BytesMut, level: Level, line: &str) {
    put_frame(out, LOG, Ticket(level as u64), |out| {
        out.put_slice(line.as_bytes());
    });
}

/// Reads the rest of a report that [`put_log`] wrote.
pub(crate) fn log_line(level: Ticket, line: &[u8]) -> Option<(Level, String)> {
    let level = Level::iter().find(|known| *known as u64 == level.0)?;
    Some((level, String::from_utf8_lossy(line).into_owned()))
}

/// Appends an error. Its kind is that of the number of the system that comes with it.
pub(crate) fn put_error(out: &mut BytesMut, error: &io::Error) {
    let errno = errno(error).or_else(|| match error.kind() {
        ErrorKind::WouldBlock => Some(Errno::AGAIN),
        ErrorKind::Unsupported => Some(Errno::OPNOTSUPP),
        _ => None,
    });
    out.put_i32(errno.map_or(0, Errno::raw_os_error));
    out.put_slice(error.to_string().as_bytes());
}

/// Reads what [`put_error`] wrote, which is the rest of a frame.
pub(crate) fn error(mut rest: &[u8]) -> Option<io::Error> {
    let errno = rest.try_get_i32().ok()?;
    let kind = io::Error::from_raw_os_error(errno).kind();
    Some(io::Error::new(kind, String::from_utf8_lossy(rest)))
}

/// Appends a result, of one recipient or of all.
pub(crate) fn put_result(out: &mut BytesMut, failure: Option<&Failure>) {
    match failure {
        None => out.put_u8(b'.'),
        Some(Failure::Full(text)) => put_text(out, b'F', text),
        Some(Failure::LittleLeft(bytes)) => {
            out.put_u8(b'L');
            out.put_u64(*bytes);
        }
        Some(Failure::QueueFull) => out.put_u8(b'Q'),
        Some(Failure::TooManyMailboxes) => out.put_u8(b'M'),
        Some(Failure::BadName) => out.put_u8(b'N'),
        Some(Failure::Io(text)) => put_text(out, b'E', text),
    }
}

fn put_text(out: &mut BytesMut, kind: u8, text: &str) {
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    out.put_u8(kind);
    out.put_u16(length);
    out.put_slice(&text.as_bytes()[..usize::from(length)]);
}

/// Takes a result off the front of `bytes`, as [`put_result`] wrote it.
pub(crate) fn result(bytes: &mut &[u8]) -> Option<Result<(), Failure>> {
    Some(Err(match bytes.try_get_u8().ok()? {
        b'.' => return Some(Ok(())),
        b'F' => Failure::Full(text(bytes)?),
        b'L' => Failure::LittleLeft(bytes.try_get_u64().ok()?),
        b'Q' => Failure::QueueFull,
        b'M' => Failure::TooManyMailboxes,
        b'N' => Failure::BadName,
        b'E' => Failure::Io(text(bytes)?),
        _ => return None,
    }))
}

fn text(bytes: &mut &[u8]) -> Option<Box<str>> {
    let length = bytes.try_get_u16().ok()?;
    let (text, rest) = bytes.split_at_checked(length.into())?;
    *bytes = rest;
    Some(String::from_utf8_lossy(text).into())
}
