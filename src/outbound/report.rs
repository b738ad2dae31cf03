//! Reports, or bounces: delivery status notifications (RFC 3461, RFC 3464), which tell a sender of failures, delays and
//! deliveries of a message. They are sans-IO: time comes in as an argument, a message comes out.
//!
//! [`ReportPolicy`] says who is told, [`StatusNotification`] writes the message: a multipart/report (RFC 6522) of a text for a
//! person, the fields of message/delivery-status for a program, and the header or the whole of the original.
//!
//! Invariants: a report is ASCII throughout, in lines of at most 998 octets. Text of other servers never gets into its header,
//! and gets into its body only printable and bounded. Its sender is `<>`, so that no report is ever made about it.
//!
//! A message that is not ASCII comes back as its header only, quoted-printable where that is not ASCII either: text/rfc822-headers
//! may be encoded (RFC 6522 §4), and so may message/global-headers, which it is for a message under SMTPUTF8 (RFC 6533 §6).
//! message/rfc822 may not (RFC 2046 §5.2.1).

mod advice;
mod date;
mod encode;
mod human;
mod original;
mod policy;
mod status;
mod unread;

use memchr::memmem;

use crate::smtp::envelope::Body;
use crate::smtp::path::ReversePath;
use crate::smtp::status::EnhancedStatus;
use crate::store::spool::{MailId, SpoolEnvelope, SpoolRecipient, SpooledReport};
pub(super) use date::in_words;
use date::rfc5322_date;
use encode::{is_plain_word, phrase};
pub use original::OriginalText;
pub(super) use policy::is_asked_for;
pub use policy::{NoReport, ReportAddressee, ReportPolicy};
pub use unread::UnreadNotice;

/// The end of a line of a message.
const CRLF: &str = "\r\n";

/// An event of a recipient that is reported (RFC 3464 §2.3.3), the gravest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReportAction {
    /// The recipient will never have it.
    Failed,
    /// It was tried, and will be tried again.
    Delayed,
    /// The message is in the mailbox.
    Delivered,
    /// Another server has it, which makes no reports on deliveries.
    Relayed,
}

impl ReportAction {
    /// The word of the field `Action`.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Delayed => "delayed",
            Self::Delivered => "delivered",
            Self::Relayed => "relayed",
        }
    }
}

/// The outcome for one recipient that its sender is told of.
#[derive(Clone, Copy, Debug)]
pub struct ReportedRecipient<'a> {
    /// The index of the recipient in the envelope.
    pub index: u16,
    /// The event.
    pub action: ReportAction,
    /// The status code. One that contradicts the action is replaced by the general code of the action.
    pub status: EnhancedStatus,
    /// The name of the server that was asked last, or its address in brackets.
    pub remote_host: Option<&'a str>,
    /// The reply of that server, its lines joined by blanks.
    pub reply: Option<&'a str>,
    /// A reason that this server found by itself, as one of its log lines would say it.
    pub reason: Option<&'a str>,
    /// The time of the last attempt, in milliseconds of the epoch.
    pub last_attempt_ms: Option<u64>,
    /// The time at which a delayed message is given up, in milliseconds of the epoch.
    pub retried_until_ms: Option<u64>,
}

/// A report that is to be written.
#[derive(Clone, Debug)]
pub struct StatusNotification<'a> {
    /// The message that it is about.
    pub mail: MailId,
    /// The envelope of that message.
    pub envelope: &'a SpoolEnvelope,
    /// The recipients it tells of, as [`ReportPolicy::decide`] has left them.
    pub recipients: &'a [ReportedRecipient<'a>],
    /// The text of the message.
    pub original: OriginalText<'a>,
    /// The one who is told.
    pub addressee: ReportAddressee,
    /// The name of this server.
    pub hostname: &'a str,
    /// The present time, in milliseconds of the epoch.
    pub now_ms: u64,
}

/// One part of the multipart/report.
struct ReportPart {
    /// `Content-Type`, `Content-Description` and the like, each line with its end.
    header: String,
    /// The text, in lines.
    text: Vec<u8>,
}

impl StatusNotification<'_> {
    /// Writes the report as a message called `mail` that goes to `recipients`: the mailboxes, or addresses elsewhere, to which
    /// the address of the one who is told leads.
    #[must_use]
    pub fn compose(&self, mail: MailId, recipients: Vec<SpoolRecipient>) -> SpooledReport {
        let parts = [
            self.human_part(),
            self.status_part(),
            self.original.part(self.returns_all(), self.envelope),
        ];
        let boundary = boundary(mail, &parts);
        let mut text = self.header(mail, &boundary).into_bytes();
        for part in parts {
            text.extend_from_slice(format!("--{boundary}\r\n{}\r\n", part.header).as_bytes());
            text.extend_from_slice(&part.text);
            text.extend_from_slice(CRLF.as_bytes());
        }
        text.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
        debug_assert!(text.is_ascii(), "a report is 7-bit");
        SpooledReport {
            mail,
            envelope: report_envelope(self.now_ms, recipients),
            text: text.into_boxed_slice(),
        }
    }

    /// The event of the recipient that matters most: it gives the report its subject.
    fn gravest(&self) -> ReportAction {
        let actions = self.recipients.iter().map(|recipient| recipient.action);
        actions.min().unwrap_or(ReportAction::Failed)
    }

    /// Whether the message was to come back whole: only with a failure (RFC 3461 §4.3).
    fn returns_all(&self) -> bool {
        self.gravest() == ReportAction::Failed
    }

    /// The header of the report, up to the empty line and with it. Nothing in it is of another server.
    fn header(&self, mail: MailId, boundary: &str) -> String {
        let Self { hostname, .. } = self;
        let date = rfc5322_date(self.now_ms);
        let subject = match (self.gravest(), &self.addressee) {
            (ReportAction::Failed, ReportAddressee::Postmaster { .. }) => {
                "A message was not delivered"
            }
            (ReportAction::Failed, _) => "Your message was not delivered",
            (ReportAction::Delayed, _) => "Your message is delayed",
            (ReportAction::Delivered, _) => "Your message was delivered",
            (ReportAction::Relayed, _) => "Your message was handed on",
        };
        let mut header = format!(
            "Received: by {hostname} id {mail};\r\n\t{date}\r\n\
             Date: {date}\r\n\
             From: Mail Delivery System <postmaster@{hostname}>\r\n\
             To: {to}\r\n\
             Subject: {subject}\r\n\
             Message-ID: <{mail}@{hostname}>\r\n",
            to = self.to(),
        );
        if let Some(id) = self.original.message_id() {
            header.push_str(&format!("In-Reply-To: {id}\r\nReferences: {id}\r\n"));
        }
        header.push_str(&format!(
            "Auto-Submitted: auto-replied\r\n\
             MIME-Version: 1.0\r\n\
             Content-Type: multipart/report; report-type=delivery-status;\r\n\
             \tboundary=\"{boundary}\"\r\n\
             \r\n\
             This is a report in MIME format.\r\n\
             \r\n"
        ));
        header
    }

    /// The value of `To`. A local-part beyond ASCII, which no header in ASCII can hold as an address, is the name of an empty
    /// group (RFC 6857 §3.1.8).
    fn to(&self) -> String {
        match (&self.addressee, &self.envelope.sender) {
            (ReportAddressee::Sender, ReversePath::Mailbox(sender)) => {
                let local_part = sender.local_part();
                if is_plain_word(local_part) {
                    format!("{local_part}@{}", sender.ascii_domain())
                } else {
                    format!("{} :;", phrase(sender.as_str()))
                }
            }
            _ => format!("postmaster@{}", self.hostname),
        }
    }
}

/// The envelope of a report.
fn report_envelope(now_ms: u64, recipients: Vec<SpoolRecipient>) -> SpoolEnvelope {
    SpoolEnvelope {
        arrived_ms: now_ms,
        sender: ReversePath::Null,
        sender_is_ours: false,
        quarantine: None,
        user: None,
        body: Body::SevenBit,
        smtputf8: false,
        dsn: None,
        recipients,
    }
}

/// A boundary that occurs in none of the parts: the name of the message is new, but whoever guesses it shall not cut a report.
fn boundary(mail: MailId, parts: &[ReportPart]) -> String {
    let mut count = 0_u64;
    loop {
        // No line of quoted-printable text holds the first two characters.
        let boundary = format!("=_{mail}_{count}");
        let occurs = |part: &ReportPart| memmem::find(&part.text, boundary.as_bytes()).is_some();
        if !parts.iter().any(occurs) {
            return boundary;
        }
        count += 1;
    }
}
