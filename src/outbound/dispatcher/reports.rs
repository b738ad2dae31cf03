//! Mail that waits for too long: its sender hears of the delay, and in the end that it is given up.

use super::mail_event::{KnownTry, MailEvent, OVERDUE};
use super::{DispatchTurn, Dispatcher};
use crate::net::transport::Transport;
use crate::outbound::delivery::{RecipientResult, ResultClass};
use crate::outbound::delivery_log::{DeliveryLine, HopPlace};
use crate::outbound::outgoing::IndexedResult;
use crate::outbound::report::ReportAction;
use crate::smtp::status::EnhancedStatus;
use crate::store::spool::{Change, ChangeKind, MailId, SpoolMail, SpoolPlace};

/// Octets of the code of a reply.
const CODE_BYTES: usize = 3;

impl<T: Transport> Dispatcher<T> {
    /// Tells a sender that some recipients have not got a mail yet.
    pub(super) fn tell_of_delay(
        &mut self,
        mail: MailId,
        recipients: &[u16],
        read: &SpoolMail,
        place: SpoolPlace,
        turn: &mut DispatchTurn<'_, T>,
    ) {
        self.unread.succeeds(mail);
        let now_ms = turn.clock.ms;
        let (mut results, tries) = self.last_results(mail, recipients, now_ms);
        for (index, result) in &mut results {
            let known = self.last_tries.get(mail, *index);
            result.status = known.map_or_else(|| status_of(&result.reply), |tried| tried.status);
        }
        let results = (results, tries);
        let action = ReportAction::Delayed;
        let event = MailEvent::of_age(mail, read, place, results, action, now_ms);
        self.tell(event, turn);
    }

    /// Gives recipients up whose time is over.
    pub(super) fn expire(
        &mut self,
        mail: MailId,
        recipients: &[u16],
        read: &SpoolMail,
        place: SpoolPlace,
        turn: &mut DispatchTurn<'_, T>,
    ) {
        self.unread.succeeds(mail);
        let now_ms = turn.clock.ms;
        let results = self.last_results(mail, recipients, now_ms);
        for (index, result) in &results.0 {
            let recipient = read.envelope.recipients.get(usize::from(*index));
            let line = DeliveryLine {
                mail,
                to: recipient.map_or("", |recipient| recipient.address.as_str()),
                hop: HopPlace::None,
                result,
                delay_ms: turn.clock.ms.saturating_sub(read.envelope.arrived_ms),
                tries: self.tries(mail, *index, turn.clock.ms),
                is_expired: true,
            };
            log::info!("{line}");
        }
        let action = ReportAction::Failed;
        let event = MailEvent::of_age(mail, read, place, results, action, now_ms);
        self.tell(event, turn);
    }

    /// The sender of a mail cannot be told, since the mail cannot be read now: that is tried again in a while, many times. Then those
    /// of its recipients that have expired are given up, and the postmaster hears of it.
    pub(super) fn put_off_unread(
        &mut self,
        mail: MailId,
        expired: &[u16],
        turn: &mut DispatchTurn<'_, T>,
    ) {
        let queue = &self.queue;
        if queue.place(mail).is_none() {
            return;
        }
        let is_queued = |mail| queue.place(mail).is_some();
        if self.unread.fails(mail, is_queued) {
            return self.queue.put_off(mail, turn.clock.ms);
        }
        if expired.is_empty() {
            return;
        }
        log::error!(
            "id={mail} status=expired recipients={} error=\"it is given up unread, and its sender is not told\"",
            expired.len()
        );
        let notice = self.unread_notice(mail, expired.len(), turn);
        let kind = ChangeKind::Failed(expired.to_vec(), notice);
        turn.spool.change(Change { mail, kind });
        self.queue.over(mail, expired);
    }

    /// The last word on each of these recipients, who have waited for long, with what is known of their last try.
    fn last_results(
        &self,
        mail: MailId,
        recipients: &[u16],
        now_ms: u64,
    ) -> (Vec<IndexedResult>, Vec<KnownTry>) {
        let views = self.queue.recipients(mail, now_ms);
        let views = views.filter(|view| recipients.contains(&view.index));
        let results = views.map(|view| {
            let result = RecipientResult {
                class: ResultClass::Deferred,
                status: OVERDUE,
                is_remote: is_reply(view.reply),
                reply: view.reply.into(),
            };
            let tried = self.last_tries.get(mail, view.index);
            let tried = tried.map(|tried| KnownTry {
                host: tried.host.clone(),
                at_ms: Some(tried.at_ms),
            });
            ((view.index, result), tried.unwrap_or_default())
        });
        results.unzip()
    }

    fn tries(&self, mail: MailId, index: u16, now_ms: u64) -> u16 {
        let mut views = self.queue.recipients(mail, now_ms);
        let view = views.find(|view| view.index == index);
        view.map_or(0, |view| view.tries)
    }
}

/// Whether the last word on a recipient is what a server said, and not what we say of it.
fn is_reply(word: &str) -> bool {
    let (code, rest) = word.split_at_checked(CODE_BYTES).unwrap_or((word, ""));
    let is_code = code.len() == CODE_BYTES && code.bytes().all(|byte| byte.is_ascii_digit());
    is_code && (rest.is_empty() || rest.starts_with(' '))
}

/// The status of the last word on a recipient that waits, where that is all that is known.
fn status_of(word: &str) -> EnhancedStatus {
    let text = word.get(CODE_BYTES + 1..).filter(|_| is_reply(word));
    let told = text.and_then(|text| EnhancedStatus::at_start_of(text.as_bytes()));
    told.filter(|status| status.class() == 4)
        .unwrap_or(EnhancedStatus::new(4, 0, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_has_its_status_or_that_of_its_class() {
        for (word, status) in [
            ("451 4.7.1 Greylisted", "4.7.1"),
            ("450 Later", "4.0.0"),
            ("450", "4.0.0"),
            ("550 5.1.1 Nobody", "4.0.0"),
            ("cannot connect to 192.0.2.1:25: 4.7.1", "4.0.0"),
            ("", "4.0.0"),
        ] {
            assert_eq!(status_of(word).to_string(), status, "{word}");
        }
    }
}
