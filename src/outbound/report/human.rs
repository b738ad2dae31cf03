//! The first part of a report: what happened, for a person who sent a message and knows nothing of mail servers.

use super::advice::advice;
use super::date::{in_words, rfc5322_date};
use super::encode::{COLUMNS, printable, put_quoted_printable};
use super::policy::POSTMASTER_REPORTS_MAX;
use super::{
    CRLF, ReportAction, ReportAddressee, ReportPart, ReportedRecipient, StatusNotification,
};
use crate::smtp::dsn::ReturnContent;

/// The most recipients of one kind that are listed; the second part of the report has them all.
const LISTED_MAX: usize = 50;
/// The most octets of the text of another server.
pub(super) const REPLY_BYTES_MAX: usize = 512;
/// The columns by which what belongs to a recipient is moved in.
const INDENT: &str = "    ";

/// A text that is broken into lines between its words.
#[derive(Default)]
struct WrappedText(String);

impl WrappedText {
    /// Appends a paragraph, and an empty line.
    fn paragraph(&mut self, text: &str) {
        self.wrap("", text);
        self.end();
    }

    fn wrap(&mut self, indent: &str, text: &str) {
        let mut column = 0;
        for word in text.split(' ') {
            let width = word.chars().count();
            if column == 0 {
                self.0.push_str(indent);
                column = indent.len();
            } else if column + 1 + width > COLUMNS {
                self.end();
                self.0.push_str(indent);
                column = indent.len();
            } else {
                self.0.push(' ');
                column += 1;
            }
            self.0.push_str(word);
            column += width;
        }
        self.end();
    }

    fn end(&mut self) {
        self.0.push_str(CRLF);
    }
}

impl StatusNotification<'_> {
    /// Writes the text for a person: quoted-printable where it is not ASCII.
    pub(super) fn human_part(&self) -> ReportPart {
        let text = self.human_text();
        let mut header = "Content-Type: text/plain; charset=".to_owned();
        let text = if text.is_ascii() {
            header.push_str("us-ascii\r\n");
            text.into_bytes()
        } else {
            header.push_str("utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n");
            let mut quoted = Vec::with_capacity(2 * text.len());
            put_quoted_printable(text.as_bytes(), &mut quoted);
            quoted
        };
        header.push_str("Content-Description: What happened\r\n");
        ReportPart { header, text }
    }

    fn human_text(&self) -> String {
        let mut lines = WrappedText::default();
        lines.paragraph(&format!("This is the mail server {}.", self.hostname));
        if let ReportAddressee::Postmaster { left_out } = self.addressee {
            self.tell_postmaster(left_out, &mut lines);
        }
        for action in [
            ReportAction::Failed,
            ReportAction::Delayed,
            ReportAction::Delivered,
            ReportAction::Relayed,
        ] {
            self.tell_of(action, &mut lines);
        }
        self.describe_message(&mut lines);
        lines.paragraph(self.what_is_attached());
        if self.tells_sender() {
            lines.paragraph(&format!(
                "For help please write to postmaster@{}, with this report.",
                self.hostname
            ));
        }
        // Before the next part stands an empty line anyway.
        lines.0.truncate(lines.0.trim_end().len() + CRLF.len());
        lines.0
    }

    fn tells_sender(&self) -> bool {
        self.addressee == ReportAddressee::Sender
    }

    /// Tells the postmaster why the report came here.
    fn tell_postmaster(&self, left_out: u64, lines: &mut WrappedText) {
        lines.paragraph(&format!(
            "Dear postmaster, the message below has a sender that is no address of this server: {}. Nobody knows whether it is \
             forged, so only you are told, and not the sender.",
            self.envelope.sender
        ));
        if left_out > 0 {
            let (reports, are) = if left_out == 1 {
                ("report", "is")
            } else {
                ("reports", "are")
            };
            lines.paragraph(&format!(
                "You get at most {POSTMASTER_REPORTS_MAX} such reports an hour. Since the last one {left_out} {reports} {are} left out: the log of the \
                 server has all failures."
            ));
        }
    }

    /// Lists the recipients of one kind, if there are any.
    fn tell_of(&self, action: ReportAction, lines: &mut WrappedText) {
        let mut recipients = self.recipients.iter().filter(|r| r.action == action);
        let listed: Vec<_> = recipients.by_ref().take(LISTED_MAX).collect();
        if listed.is_empty() {
            return;
        }
        lines.paragraph(match action {
            ReportAction::Failed if !self.tells_sender() => {
                "It could not be delivered to the following recipients. It will not be tried again."
            }
            ReportAction::Failed => {
                "Your message could not be delivered to the following recipients. It will not be tried again."
            }
            ReportAction::Delayed => {
                "Your message could not be delivered yet to the following recipients. It will be tried again: you need not do \
                 anything, and you should not send it again."
            }
            ReportAction::Delivered => {
                "Your message is in the mailboxes of the following recipients."
            }
            ReportAction::Relayed => {
                "Your message was handed on to the servers of the following recipients. These do not tell of deliveries, so you \
                 will not hear more, unless it fails."
            }
        });
        for recipient in listed {
            self.tell_of_recipient(recipient, lines);
        }
        let more = recipients.count();
        if more > 0 {
            lines.paragraph(&format!(
                "And {more} others, which are in the attached list."
            ));
        }
    }

    /// Tells of one recipient: its address, then what happened, then what can be done about it.
    fn tell_of_recipient(&self, told: &ReportedRecipient<'_>, lines: &mut WrappedText) {
        let recipient = self.envelope.recipients.get(usize::from(told.index));
        if let Some(recipient) = recipient {
            let address = &recipient.address;
            let named = recipient.named.as_ref().filter(|named| *named != address);
            match named {
                Some(named) => lines.wrap("", &format!("<{named}>, which leads to <{address}>")),
                None => lines.wrap("", &format!("<{address}>")),
            }
        }
        if let Some(reason) = told.reason {
            let reason = printable(reason, REPLY_BYTES_MAX);
            lines.wrap(INDENT, &format!("Reason: {reason}"));
        }
        if let Some(reply) = told.reply {
            let reply = printable(reply, REPLY_BYTES_MAX);
            let host = told
                .remote_host
                .map(|host| printable(host, REPLY_BYTES_MAX));
            let server = host.unwrap_or_else(|| "another server".to_owned());
            lines.wrap(INDENT, &format!("The answer of {server}: {reply}"));
        }
        match (told.action, told.retried_until_ms) {
            (ReportAction::Failed, _) if self.tells_sender() => {
                let status = told.checked_status().to_string();
                lines.wrap(INDENT, &format!("What to do: {}", advice(&status)));
            }
            (ReportAction::Delayed, Some(until)) => {
                let until = rfc5322_date(until);
                lines.wrap(INDENT, &format!("It is tried until {until}."));
            }
            _ => {}
        }
        lines.end();
    }

    /// Says which message it is about: what its sender may recognise, and what finds it in the log.
    fn describe_message(&self, lines: &mut WrappedText) {
        lines.wrap("", "The message:");
        let sent = self.envelope.arrived_ms;
        let age = in_words(self.now_ms.saturating_sub(sent));
        if let Some(subject) = self.original.subject() {
            lines.wrap(INDENT, &format!("Subject: {subject}"));
        }
        let sent = rfc5322_date(sent);
        lines.wrap(INDENT, &format!("Sent: {sent}, {age} ago"));
        lines.wrap(INDENT, &format!("Id on this server: {}", self.mail));
        lines.end();
    }

    /// Says what comes with the report.
    fn what_is_attached(&self) -> &'static str {
        let dsn = self.envelope.dsn.as_ref();
        let asked_for_all =
            dsn.is_some_and(|dsn| dsn.ret == Some(ReturnContent::Full)) && self.returns_all();
        let returns_all = self
            .original
            .is_returned_whole(self.returns_all(), self.envelope);
        match (returns_all, asked_for_all) {
            (true, _) => "Details and the message itself are attached.",
            (false, true) => {
                "Details and the header of the message are attached: it is too large, or of another kind than plain ASCII, to come \
                 back whole."
            }
            (false, false) => "Details and the header of the message are attached.",
        }
    }
}
