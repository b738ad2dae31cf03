//! Answers about the queue as a person, or a program, reads them. Whatever others wrote is made printable.

use std::io::{self, BufWriter, Stdout, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use super::words::{bracketed, counted, date, shown, span};
use crate::control::queue::QueueAction;
use crate::control::queue_report::{
    ChangedReport, HeaderReport, MailReport, RecipientReport, SCANNING_LINE, SiteReport,
};
use crate::json::Members;

/// The states of recipients. That of a mail is the first of them that one of its recipients is in.
const STATES: [&str; 5] = ["active", "ready", "uncertain", "waiting", HELD];
const HELD: &str = "held";

/// The form in which an answer is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum QueuePicture {
    /// A line a mail, and one a recipient.
    List,
    /// A line of JSON a mail.
    Json,
    /// All about one mail.
    Whole,
    /// A line a site.
    Sites,
    /// What was changed.
    Changed(QueueAction),
}

/// Shows lines of answers.
pub(super) struct QueuePrinter<W: Write = BufWriter<Stdout>> {
    out: W,
    picture: QueuePicture,
    /// The present time in seconds of the epoch.
    now: u64,
    /// The mail whose recipients are being told.
    mail: Option<MailReport>,
    recipients: Vec<RecipientReport>,
    has_header: bool,
    has_sites: bool,
    changed: ChangedReport,
    is_scanning: bool,
}

impl QueuePrinter {
    pub(super) fn new(picture: QueuePicture) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |since| since.as_secs());
        Self::with(BufWriter::new(io::stdout()), picture, now)
    }
}

impl<W: Write> QueuePrinter<W> {
    fn with(out: W, picture: QueuePicture, now: u64) -> Self {
        Self {
            out,
            picture,
            now,
            mail: None,
            recipients: Vec::new(),
            has_header: false,
            has_sites: false,
            changed: ChangedReport::default(),
            is_scanning: false,
        }
    }

    /// Takes a line of an answer. One of a kind that is not known is skipped: a newer server says more.
    pub(super) fn take_line(&mut self, line: &str) -> io::Result<()> {
        if let Some(recipient) = RecipientReport::read(line) {
            self.recipient(recipient);
        } else if let Some(mail) = MailReport::read(line) {
            self.mail(mail)?;
        } else if let Some(HeaderReport(line)) = HeaderReport::read(line) {
            self.header(&line)?;
        } else if let Some(site) = SiteReport::read(line) {
            self.site(&site)?;
        } else if let Some(changed) = ChangedReport::read(line) {
            self.changed.messages += changed.messages;
            self.changed.recipients += changed.recipients;
            self.changed.active += changed.active;
        } else if line == SCANNING_LINE {
            self.is_scanning = true;
        }
        Ok(())
    }

    /// Begins a mail.
    pub(super) fn mail(&mut self, mail: MailReport) -> io::Result<()> {
        self.end_mail()?;
        self.mail = Some(mail);
        Ok(())
    }

    /// Adds a recipient of the mail.
    pub(super) fn recipient(&mut self, recipient: RecipientReport) {
        self.recipients.push(recipient);
    }

    /// Shows a line of the header of the mail.
    pub(super) fn header(&mut self, line: &str) -> io::Result<()> {
        self.end_mail()?;
        if !std::mem::replace(&mut self.has_header, true) {
            writeln!(self.out)?;
        }
        writeln!(self.out, "{}", shown(line))
    }

    /// Shows what is left at the end of all answers.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        self.end_mail()?;
        if let QueuePicture::Changed(action) = self.picture {
            self.told_change(action)?;
        }
        self.out.flush()
    }

    /// Whether there may be more mail than was told of.
    pub(super) fn is_partial(&self) -> bool {
        self.is_scanning
    }

    fn end_mail(&mut self) -> io::Result<()> {
        let Some(mail) = self.mail.take() else {
            return Ok(());
        };
        let recipients = std::mem::take(&mut self.recipients);
        match self.picture {
            QueuePicture::Json => self.mail_as_json(&mail, &recipients),
            QueuePicture::Whole => self.whole_mail(&mail, &recipients),
            _ => self.mail_in_list(&mail, &recipients),
        }
    }

    fn mail_in_list(
        &mut self,
        mail: &MailReport,
        recipients: &[RecipientReport],
    ) -> io::Result<()> {
        let MailReport { id, size, .. } = mail;
        let age = span(self.now.saturating_sub(mail.queued));
        let from = bracketed(mail.sender.as_deref());
        let state = state(recipients);
        writeln!(self.out, "{id} {size} {age} {from} {state}")?;
        for recipient in recipients {
            let what = self.attempts(recipient);
            let address = bracketed(recipient.address.as_deref());
            write!(self.out, "  {address} {what}")?;
            match &mail.quarantine {
                _ if !recipient.reply.is_empty() => {
                    write!(self.out, ": {}", shown(&recipient.reply))?;
                }
                Some(reason) if recipient.state == HELD => {
                    write!(self.out, ": quarantine: {}", shown(reason))?;
                }
                _ => {}
            }
            writeln!(self.out)?;
        }
        Ok(())
    }

    /// The state of a recipient, with what is known of its tries.
    fn attempts(&self, recipient: &RecipientReport) -> String {
        let mut what = shown(&recipient.state);
        if recipient.tries > 0 {
            what.push_str(&format!(", tries {}", recipient.tries));
        }
        if let Some(next) = recipient.next {
            match next.checked_sub(self.now) {
                Some(left @ 1..) => what.push_str(&format!(", next in {}", span(left))),
                _ => what.push_str(", next now"),
            }
        }
        what
    }

    fn mail_as_json(
        &mut self,
        mail: &MailReport,
        recipients: &[RecipientReport],
    ) -> io::Result<()> {
        let mut members = Members::default();
        members.text("id", &mail.id);
        members.text_or_null("from", mail.sender.as_deref());
        let to: Vec<_> = recipients.iter().map(recipient_as_json).collect();
        members.array("to", &to);
        members.number("size", mail.size);
        members.number("queued", mail.queued);
        if let Some(reason) = &mail.quarantine {
            members.text("quarantine", reason);
        }
        self.out.write_all(&members.into_object())?;
        self.out.write_all(b"\n")
    }

    fn whole_mail(&mut self, mail: &MailReport, recipients: &[RecipientReport]) -> io::Result<()> {
        let age = span(self.now.saturating_sub(mail.queued));
        writeln!(self.out, "{}: {}", mail.id, state(recipients))?;
        writeln!(self.out, "  from: {}", bracketed(mail.sender.as_deref()))?;
        writeln!(self.out, "  queued: {}, {age} ago", date(mail.queued))?;
        writeln!(self.out, "  size: {}", mail.size)?;
        if let Some(reason) = &mail.quarantine {
            writeln!(self.out, "  quarantine: {}", shown(reason))?;
        }
        self.facts("  ", &mail.facts)?;
        for recipient in recipients {
            let address = bracketed(recipient.address.as_deref());
            writeln!(self.out, "{address}: {}", self.attempts(recipient))?;
            self.facts("  ", &recipient.facts)?;
            if !recipient.reply.is_empty() {
                writeln!(self.out, "  reply: {}", shown(&recipient.reply))?;
            }
        }
        Ok(())
    }

    fn facts(&mut self, indent: &str, facts: &[(String, String)]) -> io::Result<()> {
        for (name, value) in facts {
            writeln!(self.out, "{indent}{}: {}", shown(name), shown(value))?;
        }
        Ok(())
    }

    fn site(&mut self, site: &SiteReport) -> io::Result<()> {
        if !std::mem::replace(&mut self.has_sites, true) {
            writeln!(
                self.out,
                "STATE      WAITING READY ACTIVE HELD CONNECTIONS OLDEST TLS     SITE"
            )?;
        }
        let mut state = shown(&site.state);
        if let Some(left) = site.until.and_then(|until| until.checked_sub(self.now)) {
            state.push_str(&format!(" {}", span(left)));
        }
        let oldest = site.oldest.map_or("-".to_owned(), |oldest| {
            span(self.now.saturating_sub(oldest))
        });
        let connections = format!("{}/{}", site.connections, site.window);
        let policy = match site.policy.as_str() {
            "" => "-".to_owned(),
            policy => shown(policy),
        };
        writeln!(
            self.out,
            "{state:<10} {:>7} {:>5} {:>6} {:>4} {connections:>11} {oldest:>6} {policy:<7} {}",
            site.waiting,
            site.ready,
            site.active,
            site.held,
            shown(&site.name)
        )?;
        match site.error.as_str() {
            "" => Ok(()),
            error => writeln!(self.out, "           {}", shown(error)),
        }
    }

    fn told_change(&mut self, action: QueueAction) -> io::Result<()> {
        let ChangedReport {
            messages,
            recipients,
            active,
        } = self.changed;
        let (done, is_late) = match action {
            QueueAction::Hold => ("held", true),
            QueueAction::Release => ("released", false),
            QueueAction::Retry => ("tried at once", false),
            QueueAction::Delete => ("deleted", true),
        };
        let messages = counted(messages, "message");
        let recipients = counted(recipients, "recipient");
        writeln!(self.out, "{done}: {messages}, {recipients}")?;
        if is_late && active > 0 {
            let are = if active == 1 { "is" } else { "are" };
            writeln!(
                self.out,
                "{active} of these {are} being sent: what the other server has already stays sent"
            )?;
        }
        Ok(())
    }
}

fn recipient_as_json(recipient: &RecipientReport) -> Box<[u8]> {
    let mut members = Members::default();
    members.text_or_null("address", recipient.address.as_deref());
    members.text("state", &recipient.state);
    members.number("tries", recipient.tries.into());
    match recipient.next {
        Some(next) => members.number("next", next),
        None => members.text_or_null("next", None),
    }
    members.text("reply", &recipient.reply);
    members.into_object()
}

/// The state of a mail.
fn state(recipients: &[RecipientReport]) -> &'static str {
    let is_in = |state: &&&str| recipients.iter().any(|one| one.state == **state);
    STATES.iter().find(is_in).unwrap_or(&STATES[0])
}

#[cfg(test)]
mod tests;
