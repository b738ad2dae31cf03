//! The schedule: when a mail is tried, when its sender hears of a delay, when it is given up. All are functions of its age.

/// The waits between tries, and the ages at which a mail is late or given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetrySchedule {
    /// The waits between tries, in milliseconds; the last one is repeated.
    pub waits_ms: Vec<u64>,
    /// The age at which a mail is given up.
    pub lifetime_ms: u64,
    /// The age at which a mail with a null sender is given up.
    pub bounce_lifetime_ms: u64,
    /// The age at which a sender hears of a delay; `None` for never.
    pub delay_notice_ms: Option<u64>,
}

impl Default for RetrySchedule {
    fn default() -> Self {
        Self {
            waits_ms: [300, 600, 1200, 2400, 4800, 7200]
                .map(|seconds| seconds * 1000)
                .into(),
            lifetime_ms: 432_000_000,
            bounce_lifetime_ms: 172_800_000,
            delay_notice_ms: Some(14_400_000),
        }
    }
}

/// The most that a wait grows by chance: so mails that failed together are not tried together again.
const JITTER_PERCENT_MAX: u64 = 20;
/// The longest that a mail waits when nobody knows whether the site has it.
const UNCERTAIN_WAIT_MS: u64 = 900_000;

impl RetrySchedule {
    /// The wait after a try at this age. `chance` is the mail's own.
    pub(super) fn wait_ms(&self, age_ms: u64, chance: u32) -> u64 {
        let mut start_ms = 0;
        let waits = self.waits_ms.iter();
        let wait = waits.take_while(|wait| {
            let begun = start_ms <= age_ms;
            start_ms += **wait;
            begun
        });
        jittered(wait.last().copied().unwrap_or(0), chance)
    }

    /// The wait of a mail of which nobody knows whether the site has it.
    pub(super) fn uncertain_wait_ms(&self, chance: u32) -> u64 {
        jittered(self.longest_wait_ms().min(UNCERTAIN_WAIT_MS), chance)
    }

    /// The longest wait of the schedule.
    pub(super) fn longest_wait_ms(&self) -> u64 {
        self.waits_ms.iter().max().copied().unwrap_or(0)
    }

    /// The age at the next try of a mail of age `age_ms` that is found at a start, where each is made when it is due. `None` for at
    /// once: the server was not alive for so long that there was a second try to be made, and nobody knows of the first.
    pub(super) fn next_try_ms(&self, alive_until_ms: u64, age_ms: u64, chance: u32) -> Option<u64> {
        let (mut at_ms, mut wait_ms) = (0, 0);
        for (tries, wait) in self.waits_ms.iter().enumerate() {
            if at_ms > age_ms {
                return Some(at_ms);
            }
            wait_ms = jittered(*wait, chance).max(1);
            at_ms += wait_ms;
            if tries == 0 && alive_until_ms.min(age_ms) < at_ms {
                return None;
            }
        }
        let left_ms = age_ms.checked_sub(at_ms);
        left_ms.map_or(Some(at_ms), |left_ms| {
            Some(at_ms + (left_ms.checked_div(wait_ms)? + 1) * wait_ms)
        })
    }
}

/// A wait with what chance adds to it.
fn jittered(wait_ms: u64, chance: u32) -> u64 {
    let most = wait_ms / 100 * JITTER_PERCENT_MAX;
    wait_ms.saturating_add(most.saturating_mul(chance.into()) >> 32)
}

/// A number that looks like chance and is always the same for `of`.
pub(super) fn chance(of: u64) -> u32 {
    let mut mixed = of.wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    u32::try_from((mixed ^ (mixed >> 31)) >> 32).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1000;

    #[test]
    fn waits_are_a_function_of_the_age() {
        let schedule = RetrySchedule::default();
        let mut waits = Vec::new();
        let mut age = 0;
        while age < 100_000 * SECOND {
            let wait = schedule.wait_ms(age, 0);
            waits.push(wait / SECOND);
            age += wait;
        }
        assert_eq!(waits[..8], [300, 600, 1200, 2400, 4800, 7200, 7200, 7200]);
        // A try that comes late does not make the schedule begin anew.
        assert_eq!(schedule.wait_ms(3000 * SECOND, 0), 2400 * SECOND);
        assert_eq!(schedule.wait_ms(300 * SECOND, u32::MAX), 719_999);
        assert_eq!(schedule.uncertain_wait_ms(0), 900 * SECOND);
        let brief = RetrySchedule {
            waits_ms: vec![1000],
            ..schedule
        };
        assert_eq!(brief.wait_ms(0, 0), 1000);
        assert_eq!(brief.wait_ms(u64::MAX, 0), 1000);
        assert_eq!(brief.uncertain_wait_ms(0), 1000);
    }

    #[test]
    fn the_next_try_after_a_restart_is_the_one_that_would_have_been() {
        let schedule = RetrySchedule::default();
        for chance in [0, 1 << 31, u32::MAX] {
            let mut tries = vec![0];
            while tries.len() < 60 {
                let age = tries[tries.len() - 1];
                tries.push(age + schedule.wait_ms(age, chance));
            }
            for pair in tries[1..].windows(2) {
                for alive_until in [tries[1], pair[0]] {
                    let next_try = |age| schedule.next_try_ms(alive_until, age, chance);
                    assert_eq!(next_try(pair[0]), Some(pair[1]));
                    assert_eq!(next_try(pair[1] - 1), Some(pair[1]));
                }
                // It came just before the server ended: perhaps it was never tried.
                assert_eq!(schedule.next_try_ms(tries[1] - 1, pair[0], chance), None);
            }
            assert_eq!(schedule.next_try_ms(0, 0, chance), None);
            assert_eq!(schedule.next_try_ms(u64::MAX, tries[1] - 1, chance), None);
        }
    }

    #[test]
    fn a_schedule_of_one_wait_goes_on_for_ever() {
        let schedule = RetrySchedule {
            waits_ms: vec![1000],
            ..RetrySchedule::default()
        };
        assert_eq!(schedule.next_try_ms(5000, 999, 0), None);
        assert_eq!(schedule.next_try_ms(5000, 1000, 0), Some(2000));
        assert_eq!(schedule.next_try_ms(5000, 5500, 0), Some(6000));
    }

    #[test]
    fn chance_is_spread_evenly() {
        let mut tenths = [0; 10];
        for of in 0..10_000 {
            tenths[((u64::from(chance(of)) * 10) >> 32) as usize] += 1;
        }
        assert!(
            tenths.iter().all(|count| (900..1100).contains(count)),
            "{tenths:?}"
        );
    }
}
