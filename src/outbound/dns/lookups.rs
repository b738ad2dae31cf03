//! Look-ups that wait or are under way: each name is looked up once at a time, and questions in flight are bounded.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use slab::Slab;

use super::answer::{NameError, NameTicket};
use super::cache::NameKey;
use super::lookup::Lookup;

/// The most questions in flight.
pub const QUESTIONS_MAX: usize = 200;
/// The most names that are being looked up, or wait for that.
pub const LOOKUPS_MAX: usize = 1_000;
/// The most tickets that wait for one name.
const TICKETS_MAX: usize = 10_000;

/// All look-ups, by a number.
#[derive(Debug, Default)]
pub(super) struct Lookups {
    lookups: Slab<Lookup>,
    by_key: HashMap<NameKey, usize>,
    /// Look-ups that have not begun, since too many have. The first to come is the first to begin, and to end.
    waiting: VecDeque<usize>,
    /// The most questions that those which have begun may ask at a time.
    questions: usize,
}

impl Lookups {
    /// Adds a ticket to the look-up of this, or to the one that is made for it.
    ///
    /// # Errors
    /// There are too many of them.
    pub(super) fn join(
        &mut self,
        key: NameKey,
        ticket: NameTicket,
        make: impl FnOnce(NameKey) -> Lookup,
    ) -> Result<(), NameError> {
        let number = match self.by_key.get(&key) {
            Some(number) => *number,
            None if self.lookups.len() >= LOOKUPS_MAX => return Err(NameError::Busy),
            None => {
                let number = self.lookups.insert(make(key.clone()));
                self.by_key.insert(key, number);
                self.waiting.push_back(number);
                number
            }
        };
        let lookup = self.lookups.get_mut(number).ok_or(NameError::Busy)?;
        if lookup.tickets.len() >= TICKETS_MAX {
            return Err(NameError::Busy);
        }
        lookup.tickets.push(ticket);
        Ok(())
    }

    /// The look-up of this number.
    pub(super) fn get_mut(&mut self, number: usize) -> Option<&mut Lookup> {
        self.lookups.get_mut(number)
    }

    /// All of them.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Lookup> {
        self.lookups.iter_mut().map(|(_, lookup)| lookup)
    }

    /// The next look-up that is to begin, if its questions are not too many.
    pub(super) fn begin_next(&mut self) -> Option<usize> {
        let number = *self.waiting.front()?;
        let questions = self.lookups.get(number).map_or(0, Lookup::questions);
        if self.questions + questions > QUESTIONS_MAX {
            return None;
        }
        self.waiting.pop_front();
        self.questions += questions;
        Some(number)
    }

    /// Takes out a look-up that has waited in vain.
    pub(super) fn take_overdue(&mut self, now: Instant) -> Option<Lookup> {
        if self.next_end()? > now {
            return None;
        }
        let number = self.waiting.pop_front()?;
        self.remove(number)
    }

    /// The instant at which the first look-up will have waited in vain.
    pub(super) fn next_end(&self) -> Option<Instant> {
        let first = self.lookups.get(*self.waiting.front()?);
        first.map(|lookup| lookup.until)
    }

    /// Takes out a look-up that has begun.
    pub(super) fn finish(&mut self, number: usize) -> Option<Lookup> {
        let lookup = self.remove(number)?;
        self.questions -= lookup.questions();
        Some(lookup)
    }

    fn remove(&mut self, number: usize) -> Option<Lookup> {
        let lookup = self.lookups.try_remove(number);
        debug_assert!(lookup.is_some(), "a look-up is finished once");
        self.by_key.remove(&lookup.as_ref()?.key);
        lookup
    }
}
