//! Interprocess communication between the server and its spool process: requests and reports, each as a frame in a pipe.

use std::borrow::Cow;
use std::io;

use bytes::{Buf, BufMut, BytesMut};
use log::Level;

use super::handover::{ChangeCode, EncodedChange, EncodedReport, FoundMail, SettledMail};
use super::id::{MailId, SpoolPlace};
use super::text::TextFlags;
use crate::store::Ticket;
use crate::store::process::frame::{
    LOG, error, head, log_line, put_error, put_frame, put_log, put_result, result,
};

/// The codes of changes, by which they are sent.
const CHANGES: [ChangeCode; 6] = [
    ChangeCode::Done,
    ChangeCode::Failed,
    ChangeCode::Deleted,
    ChangeCode::Noticed,
    ChangeCode::Held,
    ChangeCode::Released,
];
const NO_TICKET: Ticket = Ticket(0);

/// A request to the spool process.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SpoolRequest<'a> {
    /// Open a message of this name, for so many recipients, with this envelope.
    Open(Ticket, MailId, u16, &'a [u8]),
    /// Append to an open message.
    Text(Ticket, &'a [u8]),
    /// Have an open message held from the moment on at which it is durable.
    Hold(Ticket),
    /// Drop an open message.
    Abort(Ticket),
    /// Close a complete message, and make it durable with the next group.
    Submit(Ticket),
    /// Make a change durable with the next group.
    Change(Cow<'a, EncodedChange>),
    /// Read so many octets of a file, from an offset on, so that they lie in the page cache.
    ReadAhead(Ticket, ReadSource, u64, u64),
    /// Report the number of free octets.
    Free,
}

/// A file of the spool that the loop reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReadSource {
    /// The segment of this number.
    Segment(u32),
    /// The text of a big message.
    Big(MailId),
}

/// A report of the spool process.
#[derive(Debug)]
pub(super) enum SpoolReport {
    /// The process is ready: its instance.
    Ready(u32),
    /// The process could not start.
    Unable(io::Error),
    /// A message is settled.
    Settled(SettledMail),
    /// So many changes are durable, counted from the start of the process.
    ChangesDurable(u64),
    /// A report is durable, with the change it came with.
    Reported(MailId, SpoolPlace),
    /// A message lies elsewhere now.
    Moved(MailId, SpoolPlace),
    /// A message was found that an earlier process took in.
    Found(FoundMail),
    /// All such messages were found.
    ScanEnded,
    /// Octets were read ahead.
    ReadAhead(Ticket),
    /// The number of free octets.
    Free(u64),
    /// A line for the log, as each process of a store reports it.
    Log(Level, String),
}

impl<'a> SpoolRequest<'a> {
    pub(super) fn write(&self, out: &mut BytesMut) {
        match self {
            Self::Open(ticket, mail, recipients, envelope) => {
                put_frame(out, b'O', *ticket, |out| {
                    put_mail(out, *mail);
                    out.put_u16(*recipients);
                    out.put_slice(envelope);
                });
            }
            Self::Text(ticket, text) => put_frame(out, b'T', *ticket, |out| out.put_slice(text)),
            Self::Hold(ticket) => put_frame(out, b'H', *ticket, |_| ()),
            Self::Abort(ticket) => put_frame(out, b'A', *ticket, |_| ()),
            Self::Submit(ticket) => put_frame(out, b'S', *ticket, |_| ()),
            Self::Change(change) => put_frame(out, b'C', NO_TICKET, |out| put_change(out, change)),
            Self::ReadAhead(ticket, file, at, octets) => put_frame(out, b'R', *ticket, |out| {
                match file {
                    ReadSource::Segment(number) => {
                        out.put_u8(b'S');
                        out.put_u32(*number);
                    }
                    ReadSource::Big(mail) => {
                        out.put_u8(b'B');
                        put_mail(out, *mail);
                    }
                }
                out.put_u64(*at);
                out.put_u64(*octets);
            }),
            Self::Free => put_frame(out, b'B', NO_TICKET, |_| ()),
        }
    }

    pub(super) fn read(frame: &'a [u8]) -> Option<Self> {
        let (kind, ticket, mut rest) = head(frame)?;
        Some(match kind {
            b'O' => {
                let mail = mail(&mut rest)?;
                let recipients = rest.try_get_u16().ok()?;
                Self::Open(ticket, mail, recipients, rest)
            }
            b'T' => Self::Text(ticket, rest),
            b'H' => Self::Hold(ticket),
            b'A' => Self::Abort(ticket),
            b'S' => Self::Submit(ticket),
            b'C' => Self::Change(Cow::Owned(change(rest)?)),
            b'R' => {
                let file = match rest.try_get_u8().ok()? {
                    b'S' => ReadSource::Segment(rest.try_get_u32().ok()?),
                    b'B' => ReadSource::Big(mail(&mut rest)?),
                    _ => return None,
                };
                let at = rest.try_get_u64().ok()?;
                Self::ReadAhead(ticket, file, at, rest.try_get_u64().ok()?)
            }
            b'B' => Self::Free,
            _ => return None,
        })
    }
}

impl SpoolReport {
    pub(super) fn write(&self, out: &mut BytesMut) {
        match self {
            Self::Ready(instance) => put_frame(out, b'R', Ticket(u64::from(*instance)), |_| ()),
            Self::Unable(error) => put_frame(out, b'U', NO_TICKET, |out| put_error(out, error)),
            Self::Settled(SettledMail { ticket, result }) => put_frame(out, b'S', *ticket, |out| {
                put_result(out, result.as_ref().err());
                if let Ok(place) = result {
                    put_place(out, *place);
                }
            }),
            Self::ChangesDurable(count) => put_frame(out, b'C', Ticket(*count), |_| ()),
            Self::Reported(mail, place) => put_frame(out, b'P', NO_TICKET, |out| {
                put_mail(out, *mail);
                put_place(out, *place);
            }),
            Self::Moved(mail, place) => put_frame(out, b'M', NO_TICKET, |out| {
                put_mail(out, *mail);
                put_place(out, *place);
            }),
            Self::Found(found) => put_frame(out, b'F', NO_TICKET, |out| put_found(out, found)),
            Self::ScanEnded => put_frame(out, b'E', NO_TICKET, |_| ()),
            Self::ReadAhead(ticket) => put_frame(out, b'A', *ticket, |_| ()),
            Self::Free(bytes) => put_frame(out, b'B', Ticket(*bytes), |_| ()),
            Self::Log(level, line) => put_log(out, *level, line),
        }
    }

    pub(super) fn read(frame: &[u8]) -> Option<Self> {
        let (kind, ticket, mut rest) = head(frame)?;
        Some(match kind {
            b'R' => Self::Ready(u32::try_from(ticket.0).ok()?),
            b'U' => Self::Unable(error(rest)?),
            b'S' => {
                let result = match result(&mut rest)? {
                    Ok(()) => Ok(place(&mut rest)?),
                    Err(failure) => Err(failure),
                };
                Self::Settled(SettledMail { ticket, result })
            }
            b'C' => Self::ChangesDurable(ticket.0),
            b'P' => Self::Reported(mail(&mut rest)?, place(&mut rest)?),
            b'M' => Self::Moved(mail(&mut rest)?, place(&mut rest)?),
            b'F' => Self::Found(found(rest)?),
            b'E' => Self::ScanEnded,
            b'A' => Self::ReadAhead(ticket),
            b'B' => Self::Free(ticket.0),
            LOG => {
                let (level, line) = log_line(ticket, rest)?;
                Self::Log(level, line)
            }
            _ => return None,
        })
    }
}

fn put_mail(out: &mut BytesMut, mail: MailId) {
    out.put_u32(mail.instance);
    out.put_u32(mail.count);
}

fn mail(bytes: &mut &[u8]) -> Option<MailId> {
    Some(MailId {
        instance: bytes.try_get_u32().ok()?,
        count: bytes.try_get_u32().ok()?,
    })
}

fn put_place(out: &mut BytesMut, place: SpoolPlace) {
    out.put_u32(place.segment);
    out.put_u32(place.offset);
    out.put_u32(place.envelope_bytes);
    out.put_u64(place.text_bytes);
    out.put_u8(place.text_flags.bits());
}

fn place(bytes: &mut &[u8]) -> Option<SpoolPlace> {
    Some(SpoolPlace {
        segment: bytes.try_get_u32().ok()?,
        offset: bytes.try_get_u32().ok()?,
        envelope_bytes: bytes.try_get_u32().ok()?,
        text_bytes: bytes.try_get_u64().ok()?,
        text_flags: TextFlags::from_bits(bytes.try_get_u8().ok()?),
    })
}

/// Appends indices of recipients, with their number before them.
fn put_recipients(out: &mut BytesMut, recipients: &[u16]) {
    out.put_u32(u32::try_from(recipients.len()).unwrap_or(u32::MAX));
    recipients.iter().for_each(|index| out.put_u16(*index));
}

fn recipients(bytes: &mut &[u8]) -> Option<Vec<u16>> {
    let count = usize::try_from(bytes.try_get_u32().ok()?).ok()?;
    let (indices, rest) = bytes.split_at_checked(count.checked_mul(2)?)?;
    *bytes = rest;
    let indices = indices.chunks_exact(2);
    Some(
        indices
            .map(|index| u16::from_be_bytes([index[0], index[1]]))
            .collect(),
    )
}

/// Appends octets, with their number before them.
fn put_octets(out: &mut BytesMut, octets: &[u8]) {
    out.put_u32(u32::try_from(octets.len()).unwrap_or(u32::MAX));
    out.put_slice(octets);
}

fn octets(bytes: &mut &[u8]) -> Option<Vec<u8>> {
    let length = usize::try_from(bytes.try_get_u32().ok()?).ok()?;
    let (octets, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(octets.to_vec())
}

fn put_change(out: &mut BytesMut, change: &EncodedChange) {
    let code = CHANGES.iter().position(|code| *code == change.code);
    put_mail(out, change.mail);
    out.put_u8(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(0));
    put_recipients(out, &change.recipients);
    if let Some(report) = &change.report {
        put_mail(out, report.mail);
        out.put_u16(report.recipients);
        put_octets(out, &report.envelope);
        out.put_slice(&report.text);
    }
}

fn change(mut rest: &[u8]) -> Option<EncodedChange> {
    Some(EncodedChange {
        mail: mail(&mut rest)?,
        code: *CHANGES.get(usize::from(rest.try_get_u8().ok()?))?,
        recipients: recipients(&mut rest)?,
        report: if rest.is_empty() {
            None
        } else {
            Some(EncodedReport {
                mail: mail(&mut rest)?,
                recipients: rest.try_get_u16().ok()?,
                envelope: octets(&mut rest)?,
                text: rest.to_vec(),
            })
        },
    })
}

fn put_found(out: &mut BytesMut, found: &FoundMail) {
    put_mail(out, found.mail);
    put_place(out, found.place);
    out.put_u16(found.recipients);
    out.put_u8(u8::from(found.is_held) | u8::from(found.is_noticed) << 1);
    put_recipients(out, &found.over);
    put_recipients(out, &found.held);
    out.put_slice(&found.envelope);
}

fn found(mut rest: &[u8]) -> Option<FoundMail> {
    let mail = mail(&mut rest)?;
    let place = place(&mut rest)?;
    let recipients_count = rest.try_get_u16().ok()?;
    let flags = rest.try_get_u8().ok()?;
    Some(FoundMail {
        mail,
        place,
        recipients: recipients_count,
        over: recipients(&mut rest)?,
        held: recipients(&mut rest)?,
        is_held: flags & 1 != 0,
        is_noticed: flags & 2 != 0,
        envelope: rest.to_vec(),
    })
}

#[cfg(test)]
mod tests;
