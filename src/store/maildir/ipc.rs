//! Interprocess communication between the server and its store process: requests and reports, each as a frame in a pipe.

use std::io;

use bytes::{Buf, BufMut, BytesMut};
use log::Level;

use super::folders::MailboxPath;
use super::names::FileNames;
use crate::store::process::frame::{
    LOG, error, head, log_line, put_error, put_frame, put_log, put_result, result,
};
use crate::store::{Finished, Outcome, Ticket};

/// Separators: one before each group of mailboxes, one between the mailboxes of a group. No file and no folder has either in
/// its name.
const BEFORE_GROUP: char = '\0';
const BETWEEN_MAILBOXES: char = ' ';

/// A request to the store process.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum StoreRequest<'a> {
    /// Open a message: how many mailboxes it may make, the names of its file, and the groups of mailboxes it is for.
    Open(Ticket, u32, FileNames, Vec<Vec<MailboxPath>>),
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
    /// A line for the log, as each process of a store reports it.
    Log(Level, String),
}

impl StoreRequest<'_> {
    pub(super) fn write(&self, out: &mut BytesMut) {
        match self {
            Self::Open(ticket, to_make, names, groups) => {
                put_frame(out, b'O', *ticket, |out| {
                    out.put_u32(*to_make);
                    out.put_slice(names.to_string().as_bytes());
                    groups.iter().for_each(|group| put_group(out, group));
                });
            }
            Self::Text(ticket, text) => put_frame(out, b'T', *ticket, |out| out.put_slice(text)),
            Self::Abort(ticket) => put_frame(out, b'A', *ticket, |_| ()),
            Self::Submit(ticket) => put_frame(out, b'S', *ticket, |_| ()),
            Self::Free(ticket) => put_frame(out, b'F', *ticket, |_| ()),
            Self::Missing(ticket, mailboxes) => {
                put_frame(out, b'M', *ticket, |out| put_group(out, mailboxes));
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
                let file_names = FileNames::from_wire(names.next()?);
                let groups: Vec<_> = names.map(group).collect();
                (!groups.is_empty()).then_some(Self::Open(ticket, to_make, file_names, groups))
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
            Self::Ready(instance, room) => put_frame(out, b'R', Ticket(*room as u64), |out| {
                out.put_slice(instance.as_bytes());
            }),
            Self::Unable(error) => put_frame(out, b'U', none, |out| {
                put_error(out, error);
            }),
            Self::Settled(finished) => put_frame(out, b'F', finished.ticket, |out| {
                put_outcome(out, &finished.outcome);
            }),
            Self::Made(ticket, made) => {
                put_frame(out, b'N', *ticket, |out| {
                    out.put_u64(*made as u64);
                });
            }
            Self::Answer(ticket, number) => {
                put_frame(out, b'A', *ticket, |out| {
                    out.put_u64(*number);
                });
            }
            Self::Free(bytes) => put_frame(out, b'B', Ticket(*bytes), |_| ()),
            Self::MailboxRoom(room) => put_frame(out, b'M', Ticket(*room as u64), |_| ()),
            Self::Log(level, line) => put_log(out, *level, line),
        }
    }

    pub(super) fn read(frame: &[u8]) -> Option<Self> {
        let (kind, ticket, mut rest) = head(frame)?;
        Some(match kind {
            b'R' => {
                let instance = String::from_utf8_lossy(rest).into_owned();
                Self::Ready(instance, usize::try_from(ticket.0).ok()?)
            }
            b'U' => Self::Unable(error(rest)?),
            b'F' => Self::Settled(Finished {
                ticket,
                outcome: outcome(rest)?,
            }),
            b'N' => Self::Made(ticket, usize::try_from(rest.try_get_u64().ok()?).ok()?),
            b'A' => Self::Answer(ticket, rest.try_get_u64().ok()?),
            b'B' => Self::Free(ticket.0),
            b'M' => Self::MailboxRoom(usize::try_from(ticket.0).ok()?),
            LOG => {
                let (level, line) = log_line(ticket, rest)?;
                Self::Log(level, line)
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

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;
    use crate::store::Failure;
    use crate::store::process::frame::next_frame;

    #[test]
    fn requests_are_read_as_they_were_written() {
        let [a, b] = ["d/a", "e/%2Eb"].map(MailboxPath::from_wire);
        let names = FileNames::from_wire;
        let requests = [
            StoreRequest::Open(
                Ticket(1),
                0,
                names("7.ID.mx/?6.QR0.mx"),
                vec![vec![a.clone()]],
            ),
            StoreRequest::Open(
                Ticket(1),
                u32::MAX,
                names("7.ID.mx"),
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
