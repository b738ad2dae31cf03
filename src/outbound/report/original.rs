//! The third part of a report: the header, or the whole, of the message that it is about.

use super::ReportPart;
use super::encode::{is_seven_bit, printable, put_quoted_printable};
use crate::smtp::dsn::ReturnContent;
use crate::smtp::fields::HeaderLine;
use crate::store::spool::SpoolEnvelope;

/// The most octets of a message that comes back whole.
const WHOLE_BYTES_MAX: u64 = 50 * 1024;
/// The most octets of a header that comes back; of a longer one its first fields do.
const HEADER_BYTES_MAX: usize = 32 * 1024;
/// The most octets of a `Message-ID` that is referred to.
const MESSAGE_ID_BYTES_MAX: usize = 250;
/// The most octets of a subject that is told.
const SUBJECT_BYTES_MAX: usize = 200;

/// The text of the message that a report is about.
#[derive(Clone, Copy, Debug)]
pub struct OriginalText<'a> {
    /// Its start: the first 64 KiB, or all. Lines end in CRLF.
    pub start: &'a [u8],
    /// The octets of all of it.
    pub bytes: u64,
}

impl<'a> OriginalText<'a> {
    /// Whether all of it comes back: where its sender asked for that, it failed, it is not large, and can be in a report as it
    /// lies.
    pub(super) fn is_returned_whole(&self, has_failed: bool, envelope: &SpoolEnvelope) -> bool {
        let dsn = envelope.dsn.as_ref();
        let is_asked_for = dsn.is_some_and(|dsn| dsn.ret == Some(ReturnContent::Full));
        let is_here = u64::try_from(self.start.len()).is_ok_and(|here| here == self.bytes);
        is_asked_for
            && has_failed
            && is_here
            && self.bytes <= WHOLE_BYTES_MAX
            && is_seven_bit(self.start)
    }

    pub(super) fn part(&self, has_failed: bool, envelope: &SpoolEnvelope) -> ReportPart {
        if self.is_returned_whole(has_failed, envelope) {
            return ReportPart {
                header: "Content-Type: message/rfc822\r\nContent-Description: The message\r\n"
                    .to_owned(),
                text: self.start.to_vec(),
            };
        }
        let original = self.header();
        let is_plain = is_seven_bit(&original);
        let is_global =
            envelope.smtputf8 && !original.is_ascii() && str::from_utf8(&original).is_ok();
        let kind = if is_global {
            "message/global-headers"
        } else {
            "text/rfc822-headers"
        };
        let encoding = if is_plain {
            ""
        } else {
            "Content-Transfer-Encoding: quoted-printable\r\n"
        };
        let text = if is_plain {
            original
        } else {
            let mut quoted = Vec::with_capacity(2 * original.len());
            put_quoted_printable(&original, &mut quoted);
            quoted
        };
        ReportPart {
            header: format!(
                "Content-Type: {kind}\r\n{encoding}Content-Description: The header of the message\r\n"
            ),
            text,
        }
    }

    /// The lines of its header with their ends, each with whether a field begins there.
    fn header_lines(&self) -> impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)> {
        let lines = self.start.split_inclusive(|byte| *byte == b'\n');
        lines
            .map(|line| (line, HeaderLine::of(line)))
            .filter(|(_, kind)| *kind != HeaderLine::Mbox)
            .map_while(|(line, kind)| match kind {
                HeaderLine::Field(name) => Some((line, Some(name))),
                HeaderLine::Folded => Some((line, None)),
                _ => None,
            })
    }

    /// Its header as far as it comes back: whole fields.
    fn header(&self) -> Vec<u8> {
        let mut header = Vec::new();
        let mut field_start = 0;
        for (line, name) in self.header_lines() {
            if name.is_some() {
                field_start = header.len();
            }
            header.extend_from_slice(line);
            if header.len() > HEADER_BYTES_MAX {
                header.truncate(field_start);
                break;
            }
        }
        // Text in the spool has whole lines; a part of a report has to.
        if !header.is_empty() && !header.ends_with(b"\r\n") {
            header.extend_from_slice(b"\r\n");
        }
        header
    }

    /// The value of the first field of this name, unfolded.
    fn field(&self, wanted: &str) -> Option<Vec<u8>> {
        let mut lines = self.header_lines().skip_while(|(_, name)| {
            !name.is_some_and(|name| name.eq_ignore_ascii_case(wanted.as_bytes()))
        });
        let (first, _) = lines.next()?;
        let colon = memchr::memchr(b':', first)?;
        let mut value = first[colon + 1..].to_vec();
        for (line, name) in lines {
            if name.is_some() || value.len() > HEADER_BYTES_MAX {
                break;
            }
            value.extend_from_slice(line);
        }
        Some(value)
    }

    /// Its `Message-ID`, if that is one by the strict grammar of RFC 5322 §3.6.4, or nearly, and short.
    pub(super) fn message_id(&self) -> Option<String> {
        let value = self.field("Message-ID")?;
        let id = value.trim_ascii();
        let inner = id.strip_prefix(b"<")?.strip_suffix(b">")?;
        let is_plain = |byte: &u8| byte.is_ascii_graphic() && !b"<>(),;\\\"".contains(byte);
        let is_id =
            id.len() <= MESSAGE_ID_BYTES_MAX && inner.contains(&b'@') && inner.iter().all(is_plain);
        is_id.then(|| String::from_utf8_lossy(id).into_owned())
    }

    /// Its subject, if that is to be read without decoding.
    pub(super) fn subject(&self) -> Option<String> {
        let value = self.field("Subject")?;
        let subject = printable(str::from_utf8(&value).ok()?, SUBJECT_BYTES_MAX);
        (!subject.is_empty() && !subject.contains("=?")).then_some(subject)
    }
}
