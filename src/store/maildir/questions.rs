//! What the server asks the store process before it accepts a sender or a recipient, so that the loop asks the disk
//! nothing.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::store::{Answer, Failure, Ticket};

/// Questions have tickets of their own, from here on; no message is the one of so high a number.
const FIRST: u64 = 1 << 63;
/// How long the number of free bytes is good for, while the store process has nothing to do.
const FREE_LIFETIME: Duration = Duration::from_secs(1);

/// A question that the store process has not answered yet.
#[derive(Debug)]
pub(super) enum Question {
    /// How many bytes are free, of which so many are needed.
    Free { needed: u64 },
    /// How many of the mailboxes of a recipient are missing.
    Missing(Mailboxes),
}

/// A recipient that may make mailboxes.
#[derive(Debug)]
pub(super) struct Mailboxes {
    /// How many mailboxes it leads to that no recipient before it does.
    pub(super) count: usize,
    /// How many mailboxes the recipients before it may have to make.
    pub(super) before: usize,
    /// How many may be made in all.
    pub(super) limit: usize,
}

impl Mailboxes {
    /// Whether the recipient may be accepted, if so many of its mailboxes are missing; and then how many it makes.
    ///
    /// # Errors
    /// They are too many.
    pub(super) fn accept(&self, missing: usize) -> Result<usize, Failure> {
        if missing > 0 && self.before + missing > self.limit {
            return Err(Failure::TooManyMailboxes);
        }
        Ok(missing)
    }
}

/// Whether so many bytes that are free are as many as are needed.
///
/// # Errors
/// They are fewer.
pub(super) fn enough(free: u64, needed: u64) -> Result<usize, Failure> {
    if free < needed {
        return Err(Failure::LittleLeft(free));
    }
    Ok(0)
}

/// The questions under way, and what was last heard of the disk.
#[derive(Debug, Default)]
pub(super) struct Questions {
    count: u64,
    open: HashMap<Ticket, Question>,
    /// How many bytes are free.
    free: Option<u64>,
    /// When that was last asked.
    free_asked: Option<Instant>,
}

impl Questions {
    /// Notes a question, and gives it a ticket.
    pub(super) fn ask(&mut self, question: Question) -> Ticket {
        let ticket = Ticket(FIRST + self.count);
        self.count += 1;
        self.open.insert(ticket, question);
        ticket
    }

    /// How many bytes are free, as far as that is known at `now`. While the store process is `busy` each of its reports tells,
    /// and nobody is to wait for it; otherwise it is asked again after a while, and answers at once.
    pub(super) fn free(&mut self, now: Instant, busy: bool) -> Option<u64> {
        let is_fresh = |asked| now.saturating_duration_since(asked) < FREE_LIFETIME;
        if busy || self.is_asked_for_free() || self.free_asked.is_some_and(is_fresh) {
            return self.free;
        }
        self.free_asked = Some(now);
        None
    }

    /// Whether the store process has not answered the last question for it.
    fn is_asked_for_free(&self) -> bool {
        let mut open = self.open.values();
        open.any(|question| matches!(question, Question::Free { .. }))
    }

    /// Notes how many bytes are free.
    pub(super) fn note_free(&mut self, free: u64) {
        self.free = Some(free);
    }

    /// Answers the question `ticket` by the number that the store process told.
    pub(super) fn answer(&mut self, ticket: Ticket, number: u64) -> Option<Answer> {
        let result = match self.open.remove(&ticket)? {
            Question::Free { needed } => {
                self.free = Some(number);
                enough(number, needed)
            }
            Question::Missing(mailboxes) => {
                mailboxes.accept(usize::try_from(number).unwrap_or(usize::MAX))
            }
        };
        Some(Answer { ticket, result })
    }

    /// Answers all questions, since the store process that was asked is gone. Whoever takes up its work finds out by itself
    /// what the disk does not take.
    pub(super) fn answer_all(&mut self) -> Vec<Answer> {
        self.free = None;
        let answers = self.open.drain().map(|(ticket, question)| {
            let result = Ok(match question {
                Question::Free { .. } => 0,
                Question::Missing(mailboxes) => mailboxes.count,
            });
            Answer { ticket, result }
        });
        answers.collect()
    }
}
