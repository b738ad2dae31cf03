//! The end of deliveries that the server did not decide: a connection that is lost, and an operator who takes recipients off.

use super::{Ledger, RecipientStanding, TransactionStage};
use crate::outbound::delivery::{RecipientResult, ResultClass};
use crate::smtp::status::EnhancedStatus;
use crate::store::spool::MailId;

impl Ledger {
    /// Decides everybody, since the connection is over for this `fault`. Behind the final dot the server may have the message,
    /// unless its fault `is_definite`, told in the reply to that. A connection that was kept may have been about to end: nothing
    /// was tried then by a transaction that had no reply.
    pub(in crate::outbound::connection) fn lose(
        &mut self,
        fault: &RecipientResult,
        is_definite: bool,
    ) {
        let mut is_front = true;
        while let Some((transaction, job)) = self.front() {
            let class = match transaction.stage {
                _ if !is_front => ResultClass::Again,
                TransactionStage::BehindDot if !is_definite => ResultClass::Uncertain,
                TransactionStage::Begun if !transaction.is_first => ResultClass::Again,
                _ => fault.class,
            };
            let result = fault.with_class(class);
            transaction.decide_rest(&result, job);
            if class == fault.class {
                job.decide_pending(&result);
            }
            self.transactions.pop_front();
            is_front = false;
        }
        self.give_back(fault);
    }

    /// Gives everybody back who waits for a transaction: nothing was tried.
    pub(in crate::outbound::connection) fn give_back(&mut self, fault: &RecipientResult) {
        let result = fault.with_class(ResultClass::Again);
        for job in &mut self.jobs {
            job.decide_pending(&result);
        }
    }

    /// Whether a delivery of this message is not decided.
    pub(in crate::outbound::connection) fn has(&self, mail: MailId) -> bool {
        self.jobs.iter().any(|job| job.delivery.mail == mail)
    }

    /// Takes these recipients off where the final dot was not sent. Whether that takes the end of the connection, as a transaction
    /// under way has any of them. One that was begun behind a dot waits until its own replies come.
    pub(in crate::outbound::connection) fn cancel(
        &mut self,
        mail: MailId,
        recipients: &[u16],
    ) -> bool {
        let status = EnhancedStatus::new(5, 0, 0);
        let account = "taken off by the operator";
        let result = RecipientResult::local(ResultClass::Cancelled, status, account);
        let jobs = self.jobs.iter_mut();
        for job in jobs.filter(|job| job.delivery.mail == mail) {
            let results = &mut job.results;
            job.pending.retain(|index| {
                let stays = !recipients.contains(index);
                if !stays {
                    results.push((*index, result.clone()));
                }
                stays
            });
        }
        let Some((transaction, job)) = self.front() else {
            return false;
        };
        if job.delivery.mail != mail || transaction.stage == TransactionStage::BehindDot {
            return false;
        }
        let mut is_hit = false;
        for (index, standing) in &mut transaction.recipients {
            if *standing != RecipientStanding::Over && recipients.contains(index) {
                *standing = RecipientStanding::Over;
                job.results.push((*index, result.clone()));
                is_hit = true;
            }
        }
        is_hit
    }
}
