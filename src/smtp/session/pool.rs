//! The memory of transactions that are over, for those that begin.

use std::cell::RefCell;

use crate::smtp::transaction::Transaction;

/// The most transactions that are kept: as many as one tick of a busy server may end.
const KEPT_MAX: usize = 64;
/// One with room for more recipients is not kept, so that what all of them hold stays small.
const RECIPIENTS_MAX: usize = 8;

/// Transactions that are over; all sessions of a server share them. A transaction begins without any memory being
/// allocated as long as others end.
#[derive(Debug, Default)]
#[expect(clippy::vec_box, reason = "the boxes are what is used again")]
pub struct TransactionPool(RefCell<Vec<Box<Transaction>>>);

impl TransactionPool {
    /// Puts `transaction` where it is to be, without recipients; it takes over the memory for these.
    pub(super) fn place(&self, mut transaction: Transaction) -> Box<Transaction> {
        let Some(mut pool) = self.0.borrow_mut().pop() else {
            return Box::new(transaction);
        };
        std::mem::swap(
            &mut transaction.envelope.recipients,
            &mut pool.envelope.recipients,
        );
        *pool = transaction;
        pool
    }

    /// Keeps a transaction that is over.
    pub(super) fn keep(&self, mut transaction: Box<Transaction>) {
        let recipients = &mut transaction.envelope.recipients;
        recipients.clear();
        let mut kept = self.0.borrow_mut();
        if kept.len() < KEPT_MAX && recipients.capacity() <= RECIPIENTS_MAX {
            kept.push(transaction);
        }
    }
}
