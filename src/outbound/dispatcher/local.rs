//! Mailboxes here get their mail from the spool, each once: the store sees to that.

use super::{DispatchTurn, Dispatcher};
use crate::net::transport::Transport;
use crate::outbound::delivery::{RecipientResult, ResultClass};
use crate::outbound::delivery_log::HopPlace;
use crate::outbound::outgoing::ActiveJob;
use crate::outbound::queue::OutgoingId;
use crate::smtp::status::EnhancedStatus;
use crate::store::{Failure, Ticket};

impl<T: Transport> Dispatcher<T> {
    /// Has the store deliver a mail to mailboxes here.
    pub(super) fn deliver(
        &mut self,
        id: OutgoingId,
        active: ActiveJob,
        turn: &mut DispatchTurn<'_, T>,
    ) {
        let recipients = active.recipients.iter();
        let tickets = recipients.map(|recipient| {
            let (mail, place) = (active.mail, active.place);
            (
                turn.spool.deliver(mail, place, recipient.index),
                recipient.index,
            )
        });
        let tickets: Vec<(Ticket, u16)> = tickets.collect();
        self.local.give(id, active, &tickets);
    }

    /// Settles jobs whose mail is in its mailboxes, or could not be put there.
    pub(super) fn take_delivered(&mut self, turn: &mut DispatchTurn<'_, T>) {
        for (ticket, result) in turn.spool.take_delivered() {
            if let Some((id, job)) = self.local.note(ticket, result_of(&result)) {
                self.settle_job(&job.active, &job.results, HopPlace::Local, turn);
                self.asking.push_back(id);
            }
        }
    }
}

/// The result of a recipient whose mailbox is here.
fn result_of(result: &Result<(), Failure>) -> RecipientResult {
    let (class, status, reply) = match result {
        Ok(()) => (
            ResultClass::Sent,
            (2, 0, 0),
            "delivered to the mailbox".to_owned(),
        ),
        Err(failure @ Failure::BadName) => (ResultClass::Failed, (5, 1, 3), failure.to_string()),
        Err(failure @ Failure::TooManyMailboxes) => {
            (ResultClass::Deferred, (4, 2, 2), failure.to_string())
        }
        Err(failure @ (Failure::Full(_) | Failure::LittleLeft(_) | Failure::QueueFull)) => {
            (ResultClass::Deferred, (4, 3, 1), failure.to_string())
        }
        Err(failure @ Failure::Io(_)) => (ResultClass::Deferred, (4, 3, 0), failure.to_string()),
    };
    let (class_digit, subject, detail) = status;
    RecipientResult {
        class,
        status: EnhancedStatus::new(class_digit, subject, detail),
        reply: reply.into(),
        is_remote: false,
    }
}
