//! Rate limit on the recipients elsewhere of each user: whoever has guessed a password would send to as many as he can.

use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// The time over which recipients are counted.
const HOUR: Duration = Duration::from_secs(3600);
/// The most users that are told apart. Beyond them all others share what one may have.
const USERS_MAX: usize = 100_000;
/// The number of users from which on those with a whole allowance are looked for.
const USERS_SWEPT_MIN: usize = 1024;

/// The least time between two such looks.
const SWEEP_INTERVAL_MIN: Duration = Duration::from_secs(10);

/// The allowance of each user who has sent of late. It refills all the time, and is whole again after an hour at most: a user may send
/// to a full allowance at once, and from then on as fast as it refills.
#[derive(Debug, Default)]
pub(super) struct UserRates {
    /// The time at which the allowance of each user is whole again.
    whole_at: HashMap<Rc<str>, Instant>,
    /// One rate for all users together that found no place in the table.
    others_whole_at: Option<Instant>,
    /// The number of users at which those with a whole allowance are forgotten.
    sweep_at: usize,
    /// The time before which they are not, since a look at all users is work.
    sweep_after: Option<Instant>,
}

impl UserRates {
    /// Takes one recipient of the allowance of `user`, of which there are `per_hour`, or any number for 0; whether it was there.
    pub(super) fn take(&mut self, user: &Rc<str>, per_hour: u32, now: Instant) -> bool {
        if per_hour == 0 {
            return true;
        }
        let share = HOUR / per_hour;
        let is_due = self.sweep_after.is_none_or(|after| now >= after);
        if is_due && self.whole_at.len() >= self.sweep_at.max(USERS_SWEPT_MIN) {
            self.whole_at.retain(|_, whole_at| *whole_at > now);
            self.sweep_at = USERS_MAX.min(2 * self.whole_at.len());
            self.sweep_after = Some(now + SWEEP_INTERVAL_MIN);
        }
        let has_place = self.whole_at.len() < USERS_MAX || self.whole_at.contains_key(user);
        let whole_at = if has_place {
            self.whole_at.entry(Rc::clone(user)).or_insert(now)
        } else {
            self.others_whole_at.get_or_insert(now)
        };
        let then = (*whole_at).max(now) + share;
        let is_there = then <= now + HOUR;
        if is_there {
            *whole_at = then;
        }
        is_there
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_allowance_is_used_up_and_refills() {
        let mut rates = UserRates::default();
        let (ada, bob): (Rc<str>, Rc<str>) = ("ada".into(), "bob".into());
        let start = Instant::now();
        let mut sent = |user, per_hour, minutes: u64| {
            let now = start + Duration::from_secs(60 * minutes);
            (0..100).filter(|_| rates.take(user, per_hour, now)).count()
        };
        assert_eq!(sent(&ada, 60, 0), 60);
        assert_eq!(sent(&ada, 60, 0), 0);
        assert_eq!(sent(&bob, 60, 0), 60);
        assert_eq!(sent(&ada, 60, 1), 1);
        assert_eq!(sent(&ada, 60, 11), 10);
        // Another limit counts at once, and what was sent is not forgotten.
        assert_eq!(sent(&ada, 10, 11), 0);
        assert_eq!(sent(&ada, 10, 17), 1);
        assert_eq!(sent(&ada, 0, 17), 100);
        assert_eq!(sent(&ada, 60, 1000), 60);
    }

    #[test]
    fn the_table_is_bounded() {
        let mut rates = UserRates::default();
        let start = Instant::now();
        let mut taken = 0;
        for n in 0..USERS_MAX + 50 {
            let user = Rc::from(n.to_string());
            taken += usize::from(rates.take(&user, 10, start));
        }
        assert_eq!((rates.whole_at.len(), taken), (USERS_MAX, USERS_MAX + 10));
        assert!(rates.take(&"0".into(), 10, start));
        let later = start + HOUR;
        assert!(rates.take(&"new".into(), 10, later));
        assert_eq!(rates.whole_at.len(), 1);
    }
}
