//! Interprocess communication between the server and its store process: requests and reports, each as a frame in a pipe.
//!
//! A frame is its length, its kind, the ticket it concerns, and the rest. Both ends are the same program, so a frame that
//! cannot be read means as much as a broken pipe.

use std::io;

use bytes::{Buf, BufMut, BytesMut};
use log::Level;
use rustix::io::Errno;

use super::folders::MailboxPath;
use crate::store::disk_error::errno;
use crate::store::{Failure, Finished, Outcome, Ticket};

const LENGTH_BYTES: usize = 4;
/// Separators: one before each group of mailboxes, one between the mailboxes of a group. No file and no folder has either in
/// its name.
const BEFORE_GROUP: char = '\0';
const BETWEEN_MAILBOXES: char = ' ';

/// A request to the store process.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum StoreRequest<'a> {
    /// Open a message: how many mailboxes it may make, its file name, and the groups of mailboxes it is for.
    Open(Ticket, u32, &'a str, Vec<Vec<MailboxPath>>),
    /// Append to an open message.
    Text(Ticket, &'a [u8]),
    /// Drop an open message.
    Abort(Ticket),
    /// Close a complete message, and make it durable with the next group.
    Submit(Ticket),
    /// Tell how many bytes are free.
    Free(Ticket),
    /// Tell how many of these mailboxes are missing.
    Missing(Ticket, Vec<MailboxPath>),
}

/// A report of the store process.
#[derive(Debug)]
pub(super) enum StoreReport {
    /// The process is ready: the name of its instance, and how many more mailboxes it may make.
    Ready(String, usize),
    /// The process could not start.
    Unable(io::Error),
    /// A message is settled.
    Settled(Finished),
    /// So many mailboxes were made for a message that will be settled next.
    Made(Ticket, usize),
    /// The answer to a query.
    Answer(Ticket, u64),
    /// The number of free bytes.
    Free(u64),
    /// The number of mailboxes that the process may still make.
    MailboxRoom(usize),
    /// A line for the log.
    Log(Level, String),
}

impl StoreRequest<'_> {
    pub(super) fn write(&self, out: &mut BytesMut) {
        match self {
            Self::Open(ticket, to_make, file_name, groups) => frame(out, b'O', *ticket, |out| {
                out.put_u32(*to_make);
                out.put_slice(file_name.as_bytes());
                groups.iter().for_each(|group| put_group(out, group));
            }),
            Self::Text(ticket, text) => frame(out, b'T', *ticket, |out| out.put_slice(text)),
            Self::Abort(ticket) => frame(out, b'A', *ticket, |_| ()),
            Self::Submit(ticket) => frame(out, b'S', *ticket, |_| ()),
            Self::Free(ticket) => frame(out, b'F', *ticket, |_| ()),
            Self::Missing(ticket, mailboxes) => {
                frame(out, b'M', *ticket, |out| put_group(out, mailboxes));
            }
        }
    }
}

impl<'a> StoreRequest<'a> {
    pub(super) fn read(frame: &'a [u8]) -> Option<Self> {
        let (kind, ticket, mut rest) = head(frame)?;
        match kind {
            b'O' => {
                let to_make = rest.try_get_u32().ok()?;
                let mut names = str::from_utf8(rest).ok()?.split(BEFORE_GROUP);
                let file_name = names.next()?;
                let groups: Vec<_> = names.map(group).collect();
                (!groups.is_empty()).then_some(Self::Open(ticket, to_make, file_name, groups))
            }
            b'F' => Some(Self::Free(ticket)),
            b'M' => {
                let names = str::from_utf8(rest).ok()?.strip_prefix(BEFORE_GROUP)?;
                Some(Self::Missing(ticket, group(names)))
            }
            b'T' => Some(Self::Text(ticket, rest)),
            b'A' => Some(Self::Abort(ticket)),
            b'S' => Some(Self::Submit(ticket)),
            _ => None,
        }
    }
}

impl StoreReport {
    pub(super) fn write(&self, out: &mut BytesMut) {
        let none = Ticket(0);
        match self {
            Self::Ready(instance, room) => frame(out, b'R', Ticket(*room as u64), |out| {
                out.put_slice(instance.as_bytes());
            }),
            Self::Unable(error) => frame(out, b'U', none, |out| {
                out.put_i32(errno(error).map_or(0, Errno::raw_os_error));
                out.put_slice(error.to_string().as_bytes());
            }),
            Self::Settled(finished) => frame(out, b'F', finished.ticket, |out| {
                put_outcome(out, &finished.outcome);
            }),
            Self::Made(ticket, made) => frame(out, b'N', *ticket, |out| out.put_u64(*made as u64)),
            Self::Answer(ticket, number) => frame(out, b'A', *ticket, |out| out.put_u64(*number)),
            Self::Free(bytes) => frame(out, b'B', Ticket(*bytes), |_| ()),
            Self::MailboxRoom(room) => frame(out, b'M', Ticket(*room as u64), |_| ()),
            Self::Log(level, text) => frame(out, b'L', Ticket(*level as u64), |out| {
                out.put_slice(text.as_bytes());
            }),
        }
    }

    pub(super) fn read(frame: &[u8]) -> Option<Self> {
        let (kind, ticket, mut rest) = head(frame)?;
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        Some(match kind {
            b'R' => Self::Ready(text(rest), usize::try_from(ticket.0).ok()?),
            b'U' => {
                let errno = rest.try_get_i32().ok()?;
                let kind = io::Error::from_raw_os_error(errno).kind();
                Self::Unable(io::Error::new(kind, text(rest)))
            }
            b'F' => Self::Settled(Finished {
                ticket,
                outcome: outcome(rest)?,
            }),
            b'N' => Self::Made(ticket, usize::try_from(rest.try_get_u64().ok()?).ok()?),
            b'A' => Self::Answer(ticket, rest.try_get_u64().ok()?),
            b'B' => Self::Free(ticket.0),
            b'M' => Self::MailboxRoom(usize::try_from(ticket.0).ok()?),
            b'L' => {
                let level = Level::iter().find(|level| *level as u64 == ticket.0)?;
                Self::Log(level, text(rest))
            }
            _ => return None,
        })
    }
}

fn put_group(out: &mut BytesMut, group: &[MailboxPath]) {
    let mut before = BEFORE_GROUP;
    for mailbox in group {
        out.put_slice(format!("{before}{mailbox}").as_bytes());
        before = BETWEEN_MAILBOXES;
    }
}

/// Reads the mailboxes of a group, as [`put_group`] wrote them.
fn group(names: &str) -> Vec<MailboxPath> {
    let names = names.split(BETWEEN_MAILBOXES);
    names.map(MailboxPath::from_wire).collect()
}

/// Takes the first whole frame off `input`.
pub(super) fn next_frame(input: &mut BytesMut) -> Option<BytesMut> {
    let length = input.first_chunk::<LENGTH_BYTES>()?;
    let length = u32::from_be_bytes(*length) as usize;
    if input.len() - LENGTH_BYTES < length {
        return None;
    }
    input.advance(LENGTH_BYTES);
    Some(input.split_to(length))
}

fn frame(out: &mut BytesMut, kind: u8, ticket: Ticket, rest: impl FnOnce(&mut BytesMut)) {
    let start = out.len();
    out.put_u32(0);
    out.put_u8(kind);
    out.put_u64(ticket.0);
    rest(out);
    let length = u32::try_from(out.len() - start - LENGTH_BYTES).unwrap_or(u32::MAX);
    out[start..start + LENGTH_BYTES].copy_from_slice(&length.to_be_bytes());
}

fn head(mut frame: &[u8]) -> Option<(u8, Ticket, &[u8])> {
    let kind = frame.try_get_u8().ok()?;
    let ticket = frame.try_get_u64().ok()?;
    Some((kind, Ticket(ticket), frame))
}

fn put_outcome(out: &mut BytesMut, outcome: &Outcome) {
    match outcome {
        Outcome::Stored => put_result(out, None),
        Outcome::Failed(failure) => put_result(out, Some(failure)),
        Outcome::PerRecipient(results) => {
            out.put_u8(b'*');
            for result in results {
                put_result(out, result.as_ref().err());
            }
        }
    }
}

fn put_result(out: &mut BytesMut, failure: Option<&Failure>) {
    match failure {
        None => out.put_u8(b'.'),
        Some(Failure::Full(text)) => put_text(out, b'F', text),
        Some(Failure::LittleLeft(bytes)) => {
            out.put_u8(b'L');
            out.put_u64(*bytes);
        }
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

fn outcome(mut bytes: &[u8]) -> Option<Outcome> {
    if let Some(mut results) = bytes.strip_prefix(b"*") {
        let mut per_recipient = Vec::new();
        while !results.is_empty() {
            per_recipient.push(result(&mut results)?);
        }
        return Some(Outcome::PerRecipient(per_recipient));
    }
    Some(match result(&mut bytes)? {
        Ok(()) => Outcome::Stored,
        Err(failure) => Outcome::Failed(failure),
    })
}

fn result(bytes: &mut &[u8]) -> Option<Result<(), Failure>> {
    Some(Err(match bytes.try_get_u8().ok()? {
        b'.' => return Some(Ok(())),
        b'F' => Failure::Full(get_text(bytes)?),
        b'L' => Failure::LittleLeft(bytes.try_get_u64().ok()?),
        b'M' => Failure::TooManyMailboxes,
        b'N' => Failure::BadName,
        b'E' => Failure::Io(get_text(bytes)?),
        _ => return None,
    }))
}

fn get_text(bytes: &mut &[u8]) -> Option<Box<str>> {
    let length = bytes.try_get_u16().ok()?.into();
    let (text, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(String::from_utf8_lossy(text).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_as_they_were_written() {
        let [a, b] = ["d/a", "e/%2Eb"].map(MailboxPath::from_wire);
        let requests = [
            StoreRequest::Open(Ticket(1), 0, "7.ID.mx", vec![vec![a.clone()]]),
            StoreRequest::Open(
                Ticket(1),
                u32::MAX,
                "7.ID.mx",
                vec![vec![a.clone(), b.clone()], vec![b]],
            ),
            StoreRequest::Text(Ticket(u64::MAX), b"a\n\0\xFF"),
            StoreRequest::Text(Ticket(2), b""),
            StoreRequest::Abort(Ticket(3)),
            StoreRequest::Submit(Ticket(4)),
        ];
        let mut bytes = BytesMut::new();
        for request in &requests {
            request.write(&mut bytes);
        }
        let mut input = BytesMut::new();
        let mut read = 0;
        for byte in bytes {
            input.put_u8(byte);
            while let Some(frame) = next_frame(&mut input) {
                assert_eq!(StoreRequest::read(&frame).as_ref(), Some(&requests[read]));
                read += 1;
            }
        }
        assert_eq!((read, input.len()), (requests.len(), 0));
    }

    #[test]
    fn outcomes_are_read_as_they_were_written() {
        let io = || Failure::from(io::Error::from(Errno::ROFS));
        let outcomes = [
            Outcome::Stored,
            Outcome::Failed(Failure::Full("no room".into())),
            Outcome::Failed(Failure::LittleLeft(7)),
            Outcome::Failed(io()),
            Outcome::PerRecipient(vec![Ok(()), Err(io()), Err(Failure::BadName)]),
            Outcome::PerRecipient(vec![Err(Failure::TooManyMailboxes)]),
        ];
        for outcome in outcomes {
            let expected = format!("{outcome:?}");
            let mut bytes = BytesMut::new();
            let ticket = Ticket(7);
            StoreReport::Settled(Finished { ticket, outcome }).write(&mut bytes);
            let frame = next_frame(&mut bytes).unwrap_or_default();
            let Some(StoreReport::Settled(finished)) = StoreReport::read(&frame) else {
                unreachable!("{expected}");
            };
            assert_eq!(format!("{:?}", finished.outcome), expected);
        }
    }

    #[test]
    fn octets_that_are_no_request_are_none() {
        for bytes in [&b""[..], b"S", b"S1234567", b"?12345678", b"O12345678name"] {
            assert_eq!(StoreRequest::read(bytes), None);
        }
    }
}
