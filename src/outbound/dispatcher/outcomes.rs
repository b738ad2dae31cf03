//! Outcomes of tries are told to all who have to know: the log, the queue, the spool, and the sender by a report.

use std::rc::Rc;

use smallvec::SmallVec;

use super::last_tries::LastTry;
use super::mail_event::MailEvent;
use super::{DispatchTurn, Dispatcher};
use crate::net::transport::Transport;
use crate::outbound::delivery::{DeliveryOutcome, RecipientResult, ResultClass};
use crate::outbound::delivery_log::{DeliveryLine, HopPlace};
use crate::outbound::opening::HostFailure;
use crate::outbound::outgoing::{ActiveJob, IndexedResult};
use crate::outbound::queue::{OutgoingId, RecipientOutcome, StartedJob};
use crate::outbound::report::{ReportAction, is_asked_for};
use crate::store::spool::{Change, ChangeKind, SpoolMail};

impl<T: Transport> Dispatcher<T> {
    /// Settles a delivery that a connection has decided.
    pub(super) fn settle(
        &mut self,
        id: OutgoingId,
        outcome: &DeliveryOutcome,
        turn: &mut DispatchTurn<'_, T>,
    ) {
        let Some(outgoing) = self.outgoings.get_mut(id) else {
            return;
        };
        let Some(at) = outgoing
            .jobs
            .iter()
            .position(|active| active.is_decided_by(outcome))
        else {
            debug_assert!(false, "a connection decides what it was handed");
            return;
        };
        let mut active = outgoing.jobs.remove(at);
        // The host has hung up, fallen silent or broken the protocol.
        outgoing.is_broken |= outcome.results.iter().any(|(_, result)| {
            matches!(result.class, ResultClass::NextHost | ResultClass::Uncertain)
        });
        let hop = outgoing.hop.clone();
        let place = HopPlace::Host {
            name: &hop.name,
            text: &hop.text,
            facts: outcome.facts,
        };
        let failure = outcome.results.iter().find(is_host_fault);
        let Some((_, failure)) =
            failure.filter(|_| !self.is_draining && outgoing.opening.has_another())
        else {
            return self.settle_job(&active, &outcome.results, place, turn);
        };
        // The next host gets whoever is left, once this connection is closed.
        outgoing.opening.failed(HostFailure {
            result: failure.clone(),
            host: Some((hop.clone(), outcome.facts)),
        });
        let (left, decided): (Vec<IndexedResult>, Vec<IndexedResult>) = outcome
            .results
            .iter()
            .cloned()
            .partition(|it| is_host_fault(&it));
        if !decided.is_empty() {
            let outcomes = outcomes(&decided);
            let now_ms = turn.clock.ms;
            self.queue.settle_part(active.job, &outcomes, now_ms);
            self.follow_route(&active, now_ms);
            self.record(&active, &decided, place, turn);
        }
        active
            .recipients
            .retain(|recipient| left.iter().any(|(index, _)| *index == recipient.index));
        if let Some(outgoing) = self.outgoings.get_mut(id) {
            outgoing.carried.push_back(active);
        }
    }

    /// Settles a job of which all recipients failed like this.
    pub(super) fn settle_all(
        &mut self,
        active: &ActiveJob,
        failure: &HostFailure,
        turn: &mut DispatchTurn<'_, T>,
    ) {
        let recipients = active.recipients.iter();
        let results: Vec<IndexedResult> = recipients
            .map(|recipient| (recipient.index, failure.result.clone()))
            .collect();
        self.settle_job(active, &results, failure.place(), turn);
    }

    /// Settles a job whose recipients have these results.
    pub(super) fn settle_job(
        &mut self,
        active: &ActiveJob,
        results: &[IndexedResult],
        place: HopPlace<'_>,
        turn: &mut DispatchTurn<'_, T>,
    ) {
        self.settle_in_queue(active, results, turn.clock.ms);
        self.record(active, results, place, turn);
    }

    /// Settles a job in the queue. What is left of it goes by the route that it has by now.
    pub(super) fn settle_in_queue(
        &mut self,
        active: &ActiveJob,
        results: &[IndexedResult],
        now_ms: u64,
    ) {
        self.queue.settle(active.job, &outcomes(results), now_ms);
        self.follow_route(active, now_ms);
    }

    /// Sends what is left of a mail to where it waits for its next try: by the route that there is by now, and by hosts that are looked up
    /// then.
    fn follow_route(&mut self, active: &ActiveJob, now_ms: u64) {
        let changes = self.has_reloaded || self.sites.has_mx();
        if changes && self.queue.place(active.mail).is_some() {
            self.route_anew(active.mail, &active.envelope, now_ms);
        }
    }

    /// Tells the log, the spool and the sender of results.
    fn record(
        &mut self,
        active: &ActiveJob,
        results: &[IndexedResult],
        place: HopPlace<'_>,
        turn: &mut DispatchTurn<'_, T>,
    ) {
        self.log_results(active, results, place, turn);
        self.note_tries(active, results, place, turn.clock.ms);
        let mail = active.mail;
        let of_class = |class| {
            let results = results.iter();
            results.filter(move |(_, result)| result.class == class)
        };
        let is_asked_for = |action: &ReportAction| {
            let mut sent = of_class(ResultClass::Sent);
            sent.any(|(index, _)| is_asked_for(&active.envelope, *index, *action))
        };
        let sent = indices(of_class(ResultClass::Sent));
        if !sent.is_empty() {
            let action = match place {
                // That one tells the sender.
                HopPlace::Host { facts, .. } if facts.offers_dsn => None,
                HopPlace::Local => Some(ReportAction::Delivered),
                HopPlace::Host { .. } | HopPlace::None => Some(ReportAction::Relayed),
            };
            match action.filter(is_asked_for) {
                Some(action) => {
                    let results = of_class(ResultClass::Sent).cloned().collect();
                    let event = MailEvent::of_try(active, results, action, place, turn.clock.ms);
                    self.tell(event, turn);
                }
                None => {
                    let kind = ChangeKind::Done(sent, None);
                    turn.spool.change(Change { mail, kind });
                }
            }
        }
        let failed: Vec<IndexedResult> = of_class(ResultClass::Failed).cloned().collect();
        if !failed.is_empty() {
            let action = ReportAction::Failed;
            let event = MailEvent::of_try(active, failed, action, place, turn.clock.ms);
            self.tell(event, turn);
        }
    }

    /// Keeps for later reports when recipients that wait now were tried.
    fn note_tries(
        &mut self,
        active: &ActiveJob,
        results: &[IndexedResult],
        place: HopPlace<'_>,
        at_ms: u64,
    ) {
        use ResultClass::{Deferred, NextHost, Uncertain};
        let mut host: Option<Rc<str>> = None;
        for (index, result) in results {
            if matches!(result.class, Deferred | NextHost | Uncertain) {
                host = host.or_else(|| place.name().map(Into::into));
                let tried = LastTry {
                    host: host.clone(),
                    status: result.status,
                    at_ms,
                };
                self.last_tries.note(active.mail, *index, tried);
            }
        }
    }

    fn log_results(
        &self,
        active: &ActiveJob,
        results: &[IndexedResult],
        place: HopPlace<'_>,
        turn: &DispatchTurn<'_, T>,
    ) {
        for (index, result) in results {
            if matches!(result.class, ResultClass::Again | ResultClass::Cancelled) {
                continue;
            }
            let recipient = active.envelope.recipients.get(usize::from(*index));
            let before = active
                .recipients
                .iter()
                .find(|recipient| recipient.index == *index);
            let line = DeliveryLine {
                mail: active.mail,
                to: recipient.map_or("", |recipient| recipient.address.as_str()),
                hop: place,
                result,
                delay_ms: turn.clock.ms.saturating_sub(active.envelope.arrived_ms),
                tries: before.map_or(1, |before| before.tries.saturating_add(1)),
                is_expired: false,
            };
            log::info!("{line}");
        }
    }

    /// Settles a job that no host of its site takes, and ends the opening that it stood for.
    pub(super) fn settle_unreached(
        &mut self,
        id: OutgoingId,
        started: StartedJob,
        failure: &HostFailure,
        mail: &SpoolMail,
        turn: &mut DispatchTurn<'_, T>,
    ) {
        let active = ActiveJob::new(started, mail);
        self.settle_all(&active, failure, turn);
        match failure.result.class {
            // The rest of its mail is refused as well.
            ResultClass::Failed => self.refusing.push_back(id),
            _ => self.end_opening(id, turn.clock.ms),
        }
    }

    /// Defers a job whose mail cannot be read now, which is no word of its site.
    pub(super) fn settle_unread(
        &mut self,
        started: &StartedJob,
        why: &str,
        turn: &DispatchTurn<'_, T>,
    ) {
        let recipients = started.recipients.iter();
        let outcomes: SmallVec<[(u16, RecipientOutcome<'_>); 2]> = recipients
            .map(|recipient| (recipient.index, RecipientOutcome::Unreached(why)))
            .collect();
        self.queue.settle(started.job, &outcomes, turn.clock.ms);
    }
}

fn indices<'a>(results: impl Iterator<Item = &'a IndexedResult>) -> Vec<u16> {
    results.map(|(index, _)| *index).collect()
}

/// Whether a result is the host's fault, so that the next one may do better.
fn is_host_fault((_, result): &&IndexedResult) -> bool {
    result.class == ResultClass::NextHost
}

/// What the queue makes of results.
fn outcomes(results: &[IndexedResult]) -> SmallVec<[(u16, RecipientOutcome<'_>); 2]> {
    let results = results.iter();
    results
        .map(|(index, result)| (*index, outcome_of(result)))
        .collect()
}

/// What the queue makes of a result.
fn outcome_of(result: &RecipientResult) -> RecipientOutcome<'_> {
    match result.class {
        ResultClass::Sent => RecipientOutcome::Sent,
        ResultClass::Failed => RecipientOutcome::Failed,
        ResultClass::Deferred => RecipientOutcome::Deferred(&result.reply),
        ResultClass::NextHost => RecipientOutcome::Unreached(&result.reply),
        ResultClass::Uncertain => RecipientOutcome::Uncertain(&result.reply),
        ResultClass::Again | ResultClass::Cancelled => RecipientOutcome::Again,
    }
}
