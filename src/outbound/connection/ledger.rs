//! Which recipients of the deliveries of a connection are decided, and how.
//!
//! Invariant: whatever a server says, each recipient gets one result, and no delivery is told of before all of its recipients have
//! theirs.

mod losses;

use std::collections::VecDeque;

use smallvec::SmallVec;

use crate::outbound::delivery::{HopDelivery, RecipientResult, ResultClass};
use crate::smtp::status::EnhancedStatus;
use crate::store::spool::MailId;

/// The deliveries of a connection, and its transactions.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// The deliveries that are not decided, the oldest first.
    jobs: VecDeque<Job>,
    /// The transactions under way: the one whose replies come, and perhaps one that was begun behind its final dot.
    transactions: VecDeque<HopTransaction>,
    last_job: u64,
}

/// One delivery.
#[derive(Debug)]
struct Job {
    number: u64,
    delivery: HopDelivery,
    /// The recipients that no transaction has asked for.
    pending: VecDeque<u16>,
    results: Vec<(u16, RecipientResult)>,
}

/// One transaction.
#[derive(Debug)]
struct HopTransaction {
    job: u64,
    recipients: SmallVec<[(u16, RecipientStanding); 4]>,
    /// Whether it is the first one of the connection.
    is_first: bool,
    stage: TransactionStage,
}

/// How far a transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum TransactionStage {
    /// Nothing was replied to.
    Begun,
    /// MAIL was replied to.
    Answered,
    /// The final dot was sent.
    BehindDot,
}

/// The standing of one recipient in its transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RecipientStanding {
    /// RCPT was not replied to.
    Asked,
    /// RCPT was accepted.
    Accepted,
    /// It has its result, or waits for another transaction.
    Over,
}

impl Ledger {
    /// Takes a delivery in.
    pub(super) fn add(&mut self, delivery: HopDelivery) {
        self.last_job += 1;
        let known = delivery.envelope.recipients.len();
        let recipients = delivery.recipients.iter().copied();
        let (pending, unknown): (Vec<u16>, Vec<u16>) =
            recipients.partition(|&index| usize::from(index) < known);
        debug_assert!(unknown.is_empty(), "recipients are of their envelope");
        let results = unknown.iter();
        let results = results.map(|&index| (index, our_fault("no such recipient")));
        self.jobs.push_back(Job {
            number: self.last_job,
            results: results.collect(),
            pending: pending.into(),
            delivery,
        });
    }

    /// Whether there is nothing to do.
    pub(super) fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// The number of transactions under way.
    pub(super) fn transactions(&self) -> usize {
        self.transactions.len()
    }

    /// Whether any recipient waits for a transaction.
    pub(super) fn has_pending(&self) -> bool {
        self.jobs.iter().any(|job| !job.pending.is_empty())
    }

    /// The first delivery with recipients that wait for a transaction, and so many of these at most.
    pub(super) fn pending(
        &self,
        recipients_max: usize,
    ) -> Option<(&HopDelivery, SmallVec<[u16; 4]>)> {
        let job = self.jobs.iter().find(|job| !job.pending.is_empty())?;
        let recipients = job.pending.iter().take(recipients_max.max(1));
        Some((&job.delivery, recipients.copied().collect()))
    }

    /// Begins a transaction for the first so many [pending](Self::pending) recipients. It is the `first` one of the connection or
    /// not.
    pub(super) fn begin(&mut self, count: usize, is_first: bool) {
        let mut jobs = self.jobs.iter_mut();
        let Some(job) = jobs.find(|job| !job.pending.is_empty()) else {
            debug_assert!(false, "a transaction has recipients");
            return;
        };
        let recipients = job.pending.drain(..count.min(job.pending.len()));
        self.transactions.push_back(HopTransaction {
            job: job.number,
            recipients: recipients
                .map(|index| (index, RecipientStanding::Asked))
                .collect(),
            is_first,
            stage: TransactionStage::Begun,
        });
    }

    /// The delivery of the transaction whose replies come.
    pub(super) fn delivery(&self) -> Option<&HopDelivery> {
        let transaction = self.transactions.front()?;
        let mut jobs = self.jobs.iter();
        let job = jobs.find(|job| job.number == transaction.job)?;
        Some(&job.delivery)
    }

    /// MAIL was replied to.
    pub(super) fn sender_answered(&mut self) {
        self.advance(TransactionStage::Answered);
    }

    /// The final dot was sent.
    pub(super) fn dot_sent(&mut self) {
        self.advance(TransactionStage::BehindDot);
    }

    fn advance(&mut self, stage: TransactionStage) {
        if let Some(transaction) = self.transactions.front_mut() {
            transaction.stage = stage;
        }
    }

    /// Decides the recipients that wait for a transaction of the first delivery with such: they would meet the same.
    pub(super) fn decide_pending(&mut self, result: &RecipientResult) {
        let mut jobs = self.jobs.iter_mut();
        if let Some(job) = jobs.find(|job| !job.pending.is_empty()) {
            job.decide_pending(result);
        }
    }

    /// The sender was refused: so are all recipients of the transaction, and those of its delivery that wait for another.
    pub(super) fn refuse_sender(&mut self, result: &RecipientResult) {
        self.decide_rest(result);
        if let Some((_, job)) = self.front() {
            job.decide_pending(result);
        }
    }

    /// The recipient at this place of the transaction was accepted.
    pub(super) fn accept(&mut self, place: usize) {
        if let Some((transaction, _)) = self.front()
            && let Some((_, standing @ RecipientStanding::Asked)) =
                transaction.recipients.get_mut(place)
        {
            *standing = RecipientStanding::Accepted;
        }
    }

    /// The number of recipients that were accepted in the transaction.
    pub(super) fn accepted(&self) -> usize {
        let transaction = self.transactions.front();
        let recipients = transaction.map_or(&[][..], |it| &it.recipients);
        let accepted =
            |(_, standing): &&(u16, RecipientStanding)| *standing == RecipientStanding::Accepted;
        recipients.iter().filter(accepted).count()
    }

    /// The recipient at this place of the transaction waits for another one, as this has too many.
    pub(super) fn put_back(&mut self, place: usize) {
        if let Some((transaction, job)) = self.front()
            && let Some((index, standing @ RecipientStanding::Asked)) =
                transaction.recipients.get_mut(place)
        {
            *standing = RecipientStanding::Over;
            job.pending.push_back(*index);
        }
    }

    /// Decides the recipient at this place of the transaction, unless it is decided.
    pub(super) fn decide(&mut self, place: usize, result: RecipientResult) {
        if let Some((transaction, job)) = self.front()
            && let Some((index, standing)) = transaction.recipients.get_mut(place)
            && *standing != RecipientStanding::Over
        {
            *standing = RecipientStanding::Over;
            job.results.push((*index, result));
        }
    }

    /// Decides all recipients of the transaction that are not.
    pub(super) fn decide_rest(&mut self, result: &RecipientResult) {
        if let Some((transaction, job)) = self.front() {
            transaction.decide_rest(result, job);
        }
    }

    fn front(&mut self) -> Option<(&mut HopTransaction, &mut Job)> {
        let transaction = self.transactions.front_mut()?;
        let mut jobs = self.jobs.iter_mut();
        let job = jobs.find(|job| job.number == transaction.job)?;
        Some((transaction, job))
    }

    /// Ends the transaction whose replies came.
    pub(super) fn end_transaction(&mut self) {
        if let Some(transaction) = self.transactions.front()
            && !transaction.is_decided()
        {
            debug_assert!(false, "{transaction:?}");
            self.decide_rest(&our_fault("undecided"));
        }
        self.transactions.pop_front();
    }

    /// Takes a delivery that is decided.
    pub(super) fn take_decided(&mut self) -> Option<(MailId, Vec<(u16, RecipientResult)>)> {
        let transactions = &self.transactions;
        let is_decided = |job: &Job| {
            job.pending.is_empty() && transactions.iter().all(|it| it.job != job.number)
        };
        let at = self.jobs.iter().position(is_decided)?;
        let job = self.jobs.remove(at)?;
        debug_assert_eq!(job.results.len(), job.delivery.recipients.len());
        Some((job.delivery.mail, job.results))
    }
}

/// The result of a recipient for which only a fault of ours could account.
fn our_fault(account: &str) -> RecipientResult {
    RecipientResult::local(ResultClass::Deferred, EnhancedStatus::new(4, 3, 0), account)
}

impl HopTransaction {
    /// Whether all of its recipients are.
    fn is_decided(&self) -> bool {
        let mut recipients = self.recipients.iter();
        recipients.all(|(_, standing)| *standing == RecipientStanding::Over)
    }

    fn decide_rest(&mut self, result: &RecipientResult, job: &mut Job) {
        for (index, standing) in &mut self.recipients {
            if *standing != RecipientStanding::Over {
                *standing = RecipientStanding::Over;
                job.results.push((*index, result.clone()));
            }
        }
    }
}

impl Job {
    fn decide_pending(&mut self, result: &RecipientResult) {
        let pending = self.pending.drain(..);
        self.results
            .extend(pending.map(|index| (index, result.clone())));
    }
}
