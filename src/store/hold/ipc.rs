//! Interprocess communication between the server and its hold process: requests and reports, each as a frame in a pipe.

use std::io;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use log::Level;

use super::HoldTicket;
use crate::store::process::frame::{
    LOG, error, head, log_line, put_error, put_frame, put_log, put_result, result,
};
use crate::store::{Failure, Ticket};

const NO_TICKET: Ticket = Ticket(0);
/// The number of bits for the key of a text.
const KEY_BITS: u32 = 32;

/// The name of a text in the process: the key that its hold has for it, and a count that tells it from others with that key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct TextName(u64);

impl TextName {
    pub(super) fn new(count: u32, key: usize) -> Self {
        let key = u32::try_from(key).unwrap_or(u32::MAX);
        Self(u64::from(count) << KEY_BITS | u64::from(key))
    }

    /// The key of its hold for it.
    pub(super) fn key(self) -> usize {
        usize::try_from(self.0 & u64::from(u32::MAX)).unwrap_or(usize::MAX)
    }
}

/// A request to the hold process.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum HoldRequest<'a> {
    /// Append to a text, which begins with the first of these.
    Text(TextName, &'a [u8]),
    /// Read so many octets of a text, which has them.
    Read {
        text: TextName,
        ticket: HoldTicket,
        offset: u64,
        octets: usize,
    },
    /// Drop a text.
    Drop(TextName),
}

/// A report of the hold process.
#[derive(Debug)]
pub(super) enum HoldReport {
    /// The process is ready.
    Ready,
    /// The process could not start.
    Unable(io::Error),
    /// A text could not be written.
    Failed(TextName, Failure),
    /// Octets that were asked for.
    Octets(HoldTicket, Bytes),
    /// Octets that were asked for could not be read.
    Unread(HoldTicket, Failure),
    /// A line for the log.
    Log(Level, String),
}

impl<'a> HoldRequest<'a> {
    pub(super) fn write(&self, out: &mut BytesMut) {
        match self {
            Self::Text(text, octets) => {
                put_frame(out, b'T', Ticket(text.0), |out| out.put_slice(octets));
            }
            Self::Read {
                text,
                ticket,
                offset,
                octets,
            } => put_frame(out, b'R', Ticket(text.0), |out| {
                out.put_u64(ticket.0);
                out.put_u64(*offset);
                out.put_u64(*octets as u64);
            }),
            Self::Drop(text) => put_frame(out, b'D', Ticket(text.0), |_| ()),
        }
    }

    pub(super) fn read(frame: &'a [u8]) -> Option<Self> {
        let (kind, Ticket(name), mut rest) = head(frame)?;
        let text = TextName(name);
        Some(match kind {
            b'T' => Self::Text(text, rest),
            b'R' => Self::Read {
                text,
                ticket: HoldTicket(rest.try_get_u64().ok()?),
                offset: rest.try_get_u64().ok()?,
                octets: usize::try_from(rest.try_get_u64().ok()?).ok()?,
            },
            b'D' => Self::Drop(text),
            _ => return None,
        })
    }
}

impl HoldReport {
    pub(super) fn write(&self, out: &mut BytesMut) {
        match self {
            Self::Ready => put_frame(out, b'R', NO_TICKET, |_| ()),
            Self::Unable(error) => put_frame(out, b'U', NO_TICKET, |out| put_error(out, error)),
            Self::Failed(text, failure) => put_frame(out, b'F', Ticket(text.0), |out| {
                put_result(out, Some(failure));
            }),
            Self::Octets(ticket, octets) => {
                put_frame(out, b'O', Ticket(ticket.0), |out| out.put_slice(octets));
            }
            Self::Unread(ticket, failure) => put_frame(out, b'N', Ticket(ticket.0), |out| {
                put_result(out, Some(failure));
            }),
            Self::Log(level, line) => put_log(out, *level, line),
        }
    }

    pub(super) fn read(frame: BytesMut) -> Option<Self> {
        let (kind, ticket, mut rest) = head(&frame)?;
        Some(match kind {
            b'R' => Self::Ready,
            b'U' => Self::Unable(error(rest)?),
            b'F' => Self::Failed(TextName(ticket.0), result(&mut rest)?.err()?),
            b'O' => {
                let start = frame.len() - rest.len();
                Self::Octets(HoldTicket(ticket.0), frame.freeze().slice(start..))
            }
            b'N' => Self::Unread(HoldTicket(ticket.0), result(&mut rest)?.err()?),
            LOG => {
                let (level, line) = log_line(ticket, rest)?;
                Self::Log(level, line)
            }
            _ => return None,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::store::process::frame::next_frame;

    #[test]
    fn requests_and_reports_are_read_as_they_were_written() {
        let text = TextName::new(7, 3);
        assert_eq!(text.key(), 3);
        let read = HoldRequest::Read {
            text,
            ticket: HoldTicket(u64::MAX),
            offset: 1 << 40,
            octets: 65_536,
        };
        for request in [
            HoldRequest::Text(text, b"a\r\n"),
            HoldRequest::Text(text, b""),
            read,
            HoldRequest::Drop(text),
        ] {
            let mut out = BytesMut::new();
            request.write(&mut out);
            let frame = next_frame(&mut out).unwrap();
            assert_eq!(HoldRequest::read(&frame), Some(request));
            assert!(out.is_empty());
            for end in 0..9 {
                assert_eq!(HoldRequest::read(&frame[..end]), None);
            }
        }
        let full = || Failure::Full("no room".into());
        for report in [
            HoldReport::Ready,
            HoldReport::Unable(io::ErrorKind::NotFound.into()),
            HoldReport::Failed(text, full()),
            HoldReport::Octets(HoldTicket(5), Bytes::from_static(b"octets")),
            HoldReport::Unread(HoldTicket(5), full()),
            HoldReport::Log(Level::Warn, "line".to_owned()),
        ] {
            let mut out = BytesMut::new();
            report.write(&mut out);
            let frame = next_frame(&mut out).unwrap();
            let again = HoldReport::read(frame).unwrap();
            match report {
                HoldReport::Unable(_) => assert!(matches!(again, HoldReport::Unable(_))),
                report => assert_eq!(format!("{again:?}"), format!("{report:?}")),
            }
        }
        assert!(HoldReport::read(BytesMut::from(&b"?12345678"[..])).is_none());
    }
}
