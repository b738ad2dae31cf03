//! A report is made in three steps: whether anybody is told, where that one is, and the text. For the last the start of the message
//! may have to be read first, and the change that it comes with waits for that.

use std::rc::Rc;
use std::time::Instant;

use super::awaited::AwaitedRead;
use super::mail_event::{AddressedReport, MailEvent};
use super::reading::MOVED_TIMEOUT;
use super::{DispatchTurn, Dispatcher};
use crate::net::transport::Transport;
use crate::outbound::report::{
    OriginalText, ReportAction, ReportAddressee, StatusNotification, UnreadNotice,
};
use crate::smtp::path::{Mailbox, ReversePath};
use crate::store::spool::{
    MailId, ReadResult, SpoolEnvelope, SpoolPlace, SpoolRecipient, SpooledReport,
};

/// The most octets of a message that a report needs.
const ORIGINAL_BYTES_MAX: usize = 64 * 1024;

impl<T: Transport> Dispatcher<T> {
    /// Tells the spool what became of recipients of a mail, and the sender as well if it is to hear of that.
    pub(super) fn tell(&mut self, event: MailEvent, turn: &mut DispatchTurn<'_, T>) {
        let now_ms = turn.clock.ms;
        let decided = self.decide(&event, now_ms);
        let addressed = decided.and_then(|(told, addressee)| {
            let (addressee, to) = self.address(&event, addressee, now_ms)?;
            Some((told, addressee, to))
        });
        let Some((told, addressee, to)) = addressed else {
            return self.note(event, None, turn);
        };
        let report = AddressedReport {
            event,
            told,
            addressee,
            to,
        };
        self.write_report(report, turn.clock.now + MOVED_TIMEOUT, turn);
    }

    /// Decides who is told, and of which recipients.
    fn decide(&mut self, event: &MailEvent, now_ms: u64) -> Option<(Vec<u16>, ReportAddressee)> {
        let mut recipients = event.recipients(self.lifetime_ms);
        let decided = self
            .report_policy
            .decide(&event.envelope, &mut recipients, now_ms);
        match decided {
            Ok(addressee) => {
                let told = recipients.iter().map(|recipient| recipient.index);
                Some((told.collect(), addressee))
            }
            Err(why) => {
                if event.action == ReportAction::Failed {
                    log::info!("id={} report=none why=\"{why}\"", event.mail);
                }
                None
            }
        }
    }

    /// Finds where the one who is told has its mail. The postmaster takes the place of a sender of ours who is there no more.
    fn address(
        &mut self,
        event: &MailEvent,
        addressee: ReportAddressee,
        now_ms: u64,
    ) -> Option<(ReportAddressee, Vec<SpoolRecipient>)> {
        let mut addressed = (addressee, self.mailboxes_of(addressee, &event.envelope));
        let is_failure = event.action == ReportAction::Failed;
        if addressed.1.is_empty() && addressee == ReportAddressee::Sender && is_failure {
            match self.report_policy.postmaster(now_ms) {
                Ok(postmaster) => {
                    let to = self.mailboxes_of(postmaster, &event.envelope);
                    addressed = (postmaster, to);
                }
                Err(why) => log::info!("id={} report=none why=\"{why}\"", event.mail),
            }
        }
        if addressed.1.is_empty() {
            log::warn!(
                "id={} report=none why=\"nobody has the address that is to be told\"",
                event.mail
            );
            return None;
        }
        self.report_policy.note_made(addressed.0, now_ms);
        Some(addressed)
    }

    /// The mailboxes, or addresses elsewhere, of the one who is told.
    fn mailboxes_of(
        &self,
        addressee: ReportAddressee,
        envelope: &SpoolEnvelope,
    ) -> Vec<SpoolRecipient> {
        let address: Option<Mailbox> = match (addressee, &envelope.sender) {
            (ReportAddressee::Sender, ReversePath::Mailbox(sender)) => Some(sender.clone()),
            _ => format!("postmaster@{}", self.policy.hostname).parse().ok(),
        };
        address.map_or(Vec::new(), |address| self.mailboxes_at(&address))
    }

    fn mailboxes_at(&self, address: &Mailbox) -> Vec<SpoolRecipient> {
        let Ok(recipient) = self.policy.resolve(address.clone()) else {
            return Vec::new();
        };
        let here = recipient
            .mailboxes
            .into_iter()
            .map(|mailbox| (mailbox, true));
        let elsewhere = recipient.remote.into_iter().map(|mailbox| (mailbox, false));
        let all = here
            .chain(elsewhere)
            .map(|(mailbox, is_local)| SpoolRecipient {
                named: (mailbox != *address).then(|| address.clone()),
                address: mailbox,
                is_local,
                dsn: None,
            });
        all.collect()
    }

    /// Writes a report, once the start of its message is read. Where that cannot be, and in a drain, which waits for no disk, it goes
    /// without: that is better than none.
    pub(super) fn write_report(
        &mut self,
        report: AddressedReport,
        until: Instant,
        turn: &mut DispatchTurn<'_, T>,
    ) {
        let event = &report.event;
        let mut read = Vec::new();
        if event.text.is_none() {
            let (mail, max) = (event.mail, ORIGINAL_BYTES_MAX);
            match turn.spool.read_piece(mail, event.place, 0, max, &mut read) {
                ReadResult::Now(_) => {}
                ReadResult::Later(ticket) if !self.is_draining => {
                    let report = AwaitedRead::Report(Box::new(report));
                    self.reading.insert(ticket, report);
                    return;
                }
                result if !self.is_draining && self.passes(&result, until, turn) => {
                    return self.park(AwaitedRead::Report(Box::new(report)), until, turn);
                }
                _ => read.clear(),
            }
        }
        let start = event.text.as_ref().map(Rc::clone);
        let composed = self.compose(&report, start.as_deref().unwrap_or(&read), turn);
        self.note(report.event, composed, turn);
    }

    fn compose(
        &self,
        report: &AddressedReport,
        start: &[u8],
        turn: &mut DispatchTurn<'_, T>,
    ) -> Option<Box<SpooledReport>> {
        let AddressedReport {
            event,
            told,
            addressee,
            to,
        } = report;
        let name = report_name(event.mail, turn)?;
        let mut recipients = event.recipients(self.lifetime_ms);
        recipients.retain(|recipient| told.contains(&recipient.index));
        let notification = StatusNotification {
            mail: event.mail,
            envelope: &event.envelope,
            recipients: &recipients,
            original: OriginalText {
                start,
                bytes: event.place.text_bytes,
            },
            addressee: *addressee,
            hostname: &self.policy.hostname,
            now_ms: turn.clock.ms,
        };
        let composed = notification.compose(name, to.clone());
        let action = event.action.word();
        log::info!("id={} report={name} action={action}", event.mail);
        Some(Box::new(composed))
    }

    /// Has the spool note an event, with its report if there is one.
    fn note(
        &mut self,
        event: MailEvent,
        report: Option<Box<SpooledReport>>,
        turn: &mut DispatchTurn<'_, T>,
    ) {
        if event.action == ReportAction::Failed {
            // Those that had expired were listed until now.
            self.queue.over(event.mail, &event.indices());
        }
        turn.spool.change(event.into_change(report));
    }

    /// A word to the postmaster on a mail that is given up unread.
    pub(super) fn unread_notice(
        &mut self,
        mail: MailId,
        recipients: usize,
        turn: &mut DispatchTurn<'_, T>,
    ) -> Option<Box<SpooledReport>> {
        let now_ms = turn.clock.ms;
        let hostname = &self.policy.hostname;
        let to = self.mailboxes_at(&format!("postmaster@{hostname}").parse().ok()?);
        let postmaster = self.report_policy.postmaster(now_ms).ok()?;
        if to.is_empty() {
            return None;
        }
        let name = report_name(mail, turn)?;
        self.report_policy.note_made(postmaster, now_ms);
        let notice = UnreadNotice {
            mail,
            recipients,
            hostname: &self.policy.hostname,
            now_ms,
        };
        Some(Box::new(notice.compose(name, to)))
    }

    /// Notes that a mail lies elsewhere, of which a report is to be made.
    pub(super) fn report_moved(&mut self, mail: MailId, place: SpoolPlace) {
        let parked = self.parked.iter_mut().map(|parked| &mut parked.read);
        for read in self.reading.values_mut().chain(parked) {
            if let AwaitedRead::Report(report) = read
                && report.event.mail == mail
            {
                report.event.place = place;
            }
        }
    }

    /// Writes what waits to be read as it is: the server is about to end.
    pub(super) fn write_awaited_reports(&mut self, turn: &mut DispatchTurn<'_, T>) {
        let is_report = |read: &AwaitedRead| matches!(read, AwaitedRead::Report(_));
        let awaited = self.reading.extract_if(|_, read| is_report(read));
        let mut reports: Vec<AwaitedRead> = awaited.map(|(_, read)| read).collect();
        let parked = self.parked.extract_if(.., |parked| is_report(&parked.read));
        reports.extend(parked.map(|parked| parked.read));
        for report in reports {
            if let AwaitedRead::Report(report) = report {
                self.write_report(*report, turn.clock.now, turn);
            }
        }
    }
}

/// A name for a report on a mail.
fn report_name<T: Transport>(mail: MailId, turn: &mut DispatchTurn<'_, T>) -> Option<MailId> {
    let name = turn.spool.new_mail_id();
    name.inspect_err(|failure| log::error!("id={mail} report=none error=\"{failure}\""))
        .ok()
}
