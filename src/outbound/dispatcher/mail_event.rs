//! Events of a mail: some of its recipients have it, failed or wait for long. The spool notes that, and the sender may be told.

use std::rc::Rc;

use crate::outbound::delivery::RecipientResult;
use crate::outbound::delivery_log::HopPlace;
use crate::outbound::outgoing::{ActiveJob, IndexedResult};
use crate::outbound::report::{ReportAction, ReportAddressee, ReportedRecipient, in_words};
use crate::smtp::status::EnhancedStatus;
use crate::store::spool::{
    Change, ChangeKind, MailId, SpoolEnvelope, SpoolMail, SpoolPlace, SpoolRecipient, SpooledReport,
};

/// The status of a recipient whose mail has waited for too long (RFC 3463 §3.5).
pub(super) const OVERDUE: EnhancedStatus = EnhancedStatus::new(4, 4, 7);

/// What became of some recipients of a mail, the same of each.
#[derive(Debug)]
pub(super) struct MailEvent {
    pub(super) mail: MailId,
    pub(super) envelope: Rc<SpoolEnvelope>,
    /// Its text, if that is at hand.
    pub(super) text: Option<Rc<[u8]>>,
    pub(super) place: SpoolPlace,
    pub(super) action: ReportAction,
    pub(super) results: Vec<IndexedResult>,
    /// Our reasons for those of the results that are of age.
    overdue: Vec<Option<String>>,
    /// The last try of each of the results.
    tries: Vec<KnownTry>,
}

/// What is known of the last try of a recipient.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct KnownTry {
    /// The name of the host that was reached.
    pub(super) host: Option<Rc<str>>,
    /// When it was, in milliseconds of the epoch.
    pub(super) at_ms: Option<u64>,
}

/// A report that lacks nothing but the start of the message it is about.
#[derive(Debug)]
pub(super) struct AddressedReport {
    pub(super) event: MailEvent,
    /// The recipients that it tells of, by their index.
    pub(super) told: Vec<u16>,
    pub(super) addressee: ReportAddressee,
    /// The recipients of the report: the destinations of the addressee.
    pub(super) to: Vec<SpoolRecipient>,
}

impl MailEvent {
    /// An event of recipients whose mail has waited for long.
    pub(super) fn of_age(
        mail: MailId,
        read: &SpoolMail,
        place: SpoolPlace,
        (results, tries): (Vec<IndexedResult>, Vec<KnownTry>),
        action: ReportAction,
        at_ms: u64,
    ) -> Self {
        let age_ms = at_ms.saturating_sub(read.envelope.arrived_ms);
        let overdue = results
            .iter()
            .map(|(_, result)| Some(overdue(result, age_ms)));
        Self {
            mail,
            envelope: Rc::clone(&read.envelope),
            text: read.text.clone(),
            place,
            action,
            overdue: overdue.collect(),
            results,
            tries,
        }
    }

    /// An event of a try at this place.
    pub(super) fn of_try(
        active: &ActiveJob,
        results: Vec<IndexedResult>,
        action: ReportAction,
        place: HopPlace<'_>,
        at_ms: u64,
    ) -> Self {
        let tried = KnownTry {
            host: place.name().map(Into::into),
            at_ms: Some(at_ms),
        };
        Self {
            mail: active.mail,
            envelope: Rc::clone(&active.envelope),
            text: active.text.clone(),
            place: active.place,
            action,
            overdue: vec![None; results.len()],
            tries: vec![tried; results.len()],
            results,
        }
    }

    /// The recipients as a report tells of them. Mail that is delayed is given up after `lifetime_ms`.
    pub(super) fn recipients(&self, lifetime_ms: u64) -> Vec<ReportedRecipient<'_>> {
        let told = self.results.iter().zip(&self.overdue).zip(&self.tries);
        let recipients = told.map(|(((index, result), overdue), tried)| ReportedRecipient {
            index: *index,
            action: self.action,
            status: result.status,
            remote_host: tried.host.as_deref(),
            reply: result.is_remote.then_some(&*result.reply),
            reason: match overdue {
                Some(overdue) => Some(overdue),
                None => (!result.is_remote).then_some(&*result.reply),
            },
            last_attempt_ms: tried.at_ms,
            retried_until_ms: (self.action == ReportAction::Delayed)
                .then(|| self.envelope.arrived_ms + lifetime_ms),
        });
        recipients.collect()
    }

    /// The recipients, by their index.
    pub(super) fn indices(&self) -> Vec<u16> {
        self.results.iter().map(|(index, _)| *index).collect()
    }

    /// The change that notes it in the spool.
    pub(super) fn into_change(self, report: Option<Box<SpooledReport>>) -> Change {
        let kind = match self.action {
            ReportAction::Failed => ChangeKind::Failed(self.indices(), report),
            ReportAction::Delayed => ChangeKind::Noticed(report),
            ReportAction::Delivered | ReportAction::Relayed => {
                ChangeKind::Done(self.indices(), report)
            }
        };
        let mail = self.mail;
        Change { mail, kind }
    }
}

/// Our reason where a mail of this age was not delivered, which is its age and not what came of its last try.
fn overdue(last: &RecipientResult, age_ms: u64) -> String {
    let age = in_words(age_ms);
    match &*last.reply {
        reply if last.is_remote || reply.is_empty() => format!("not delivered in {age}"),
        reply => format!("not delivered in {age}; the last try ended so: {reply}"),
    }
}
