//! Queries to the store process before a sender or a recipient is accepted, so that the event loop asks the disk nothing.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::store::{Answer, Failure, Ticket};

/// Queries have tickets of their own, from here on; no message is the one of so high a number.
const FIRST: u64 = 1 << 63;
/// The lifetime of the number of free bytes, while the store process has nothing to do.
const FREE_LIFETIME: Duration = Duration::from_secs(1);

/// A query that the store process has not answered yet.
#[derive(Debug)]
pub(super) enum Query {
    /// The number of free bytes, of which so many are needed.
    Free { needed: u64 },
    /// The number of mailboxes of a recipient that are missing.
    Missing(NewMailboxes),
}

/// The new mailboxes that a recipient may make.
#[derive(Debug)]
pub(super) struct NewMailboxes {
    /// The number of mailboxes that this recipient leads to, and none before it.
    pub(super) count: usize,
    /// The number of mailboxes that the recipients before it may have to make.
    pub(super) before: usize,
    /// The number that may be made in all.
    pub(super) limit: usize,
}

impl NewMailboxes {
    /// Decides whether the recipient is accepted if so many of its mailboxes are `missing`, and returns how many it makes.
    ///
    /// # Errors
    /// [`Failure::TooManyMailboxes`].
    pub(super) fn accept(&self, missing: usize) -> Result<usize, Failure> {
        if missing > 0 && self.before + missing > self.limit {
            return Err(Failure::TooManyMailboxes);
        }
        Ok(missing)
    }
}

/// Checks that as many bytes are free as are needed.
///
/// # Errors
/// [`Failure::LittleLeft`].
pub(super) fn enough(free: u64, needed: u64) -> Result<usize, Failure> {
    if free < needed {
        return Err(Failure::LittleLeft(free));
    }
    Ok(0)
}

/// The queries under way, and the last answers about the disk.
#[derive(Debug, Default)]
pub(super) struct Queries {
    count: u64,
    open: HashMap<Ticket, Query>,
    /// The number of free bytes, as last reported.
    free: Option<u64>,
    /// The time of the last query for it.
    free_asked: Option<Instant>,
}

impl Queries {
    /// Notes a query, and gives it a ticket.
    pub(super) fn ask(&mut self, query: Query) -> Ticket {
        let ticket = Ticket(FIRST + self.count);
        self.count += 1;
        self.open.insert(ticket, query);
        ticket
    }

    /// The number of free bytes, as far as it is known at `now`. While the store process is `busy` each of its reports tells
    /// it, and nobody is to wait for that; otherwise it is asked again after a while, and answers at once.
    pub(super) fn free(&mut self, now: Instant, busy: bool) -> Option<u64> {
        let is_fresh = |asked| now.saturating_duration_since(asked) < FREE_LIFETIME;
        if busy || self.is_asked_for_free() || self.free_asked.is_some_and(is_fresh) {
            return self.free;
        }
        self.free_asked = Some(now);
        None
    }

    /// Whether a query for the free bytes is under way.
    fn is_asked_for_free(&self) -> bool {
        let mut open = self.open.values();
        open.any(|query| matches!(query, Query::Free { .. }))
    }

    /// Notes the number of free bytes.
    pub(super) fn note_free(&mut self, free: u64) {
        self.free = Some(free);
    }

    /// Answers the query `ticket` by the number that the store process reported.
    pub(super) fn answer(&mut self, ticket: Ticket, number: u64) -> Option<Answer> {
        let result = match self.open.remove(&ticket)? {
            Query::Free { needed } => {
                self.free = Some(number);
                enough(number, needed)
            }
            Query::Missing(mailboxes) => {
                mailboxes.accept(usize::try_from(number).unwrap_or(usize::MAX))
            }
        };
        Some(Answer { ticket, result })
    }

    /// Answers all queries, since the store process that was asked is gone. The next backend finds out by itself what the disk
    /// does not take.
    pub(super) fn answer_all(&mut self) -> Vec<Answer> {
        self.free = None;
        let answers = self.open.drain().map(|(ticket, query)| {
            let result = Ok(match query {
                Query::Free { .. } => 0,
                Query::Missing(mailboxes) => mailboxes.count,
            });
            Answer { ticket, result }
        });
        answers.collect()
    }
}
