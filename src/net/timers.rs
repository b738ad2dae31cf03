//! Timers: the deadline of each connection, of which the nearest is the timeout of the poll.

use std::collections::BTreeSet;
use std::time::Instant;

use super::epoch::{Epoch, Nanoseconds};

/// At most one alarm for each connection, in order.
///
/// Timers mostly move back, with every command a client gives. So an alarm is left where it is until it
/// goes off, and only then set to where the deadline has moved to: serving a command touches nothing here.
#[derive(Debug)]
pub(super) struct Timers {
    start: Epoch,
    alarms: BTreeSet<(Nanoseconds, TimerKey)>,
}

/// The key of a connection, of which there are never so many.
type TimerKey = u32;

/// The alarm of one connection, kept beside it; 0 for none.
#[derive(Debug, Default)]
pub(super) struct Alarm(Nanoseconds);

impl Timers {
    /// None yet; none will be before `start`.
    pub(super) fn new(start: Instant) -> Self {
        Self {
            start: Epoch(start),
            alarms: BTreeSet::new(),
        }
    }

    fn key(key: usize) -> TimerKey {
        TimerKey::try_from(key).unwrap_or(TimerKey::MAX)
    }

    /// Sees to it that an alarm for connection `key` goes off no later than `deadline`.
    pub(super) fn set(&mut self, key: usize, alarm: &mut Alarm, deadline: Option<Instant>) {
        let Some(deadline) = deadline else { return };
        let deadline = self.start.count(deadline).max(1);
        if alarm.0 == 0 || deadline < alarm.0 {
            self.clear(key, alarm);
            self.alarms.insert((deadline, Self::key(key)));
            alarm.0 = deadline;
        }
    }

    /// Forgets the alarm of a connection that is gone, or whose alarm went off.
    pub(super) fn clear(&mut self, key: usize, alarm: &mut Alarm) {
        if alarm.0 != 0 {
            self.alarms.remove(&(alarm.0, Self::key(key)));
            alarm.0 = 0;
        }
    }

    /// Puts an alarm that would go off at once off to just after `now`.
    pub(super) fn postpone(&mut self, key: usize, alarm: &mut Alarm, now: Instant) {
        let now = self.start.count(now);
        if alarm.0 != 0 && alarm.0 <= now {
            self.clear(key, alarm);
            alarm.0 = now + 1;
            self.alarms.insert((alarm.0, Self::key(key)));
        }
    }

    /// The first alarm.
    pub(super) fn next(&self) -> Option<Instant> {
        let (nanoseconds, _) = self.alarms.first()?;
        Some(self.start.instant(*nanoseconds))
    }

    /// A connection whose alarm has gone off by `now`; the caller clears it.
    pub(super) fn due(&self, now: Instant) -> Option<usize> {
        self.alarms
            .first()
            .filter(|(nanoseconds, _)| *nanoseconds <= self.start.count(now))
            .map(|(_, key)| *key as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn an_alarm_moves_forward_at_once_and_back_when_it_goes_off() {
        let now = Instant::now();
        let at = |seconds| now + Duration::from_secs(seconds);
        let mut timers = Timers::new(now);
        let mut alarm = Alarm::default();
        timers.set(7, &mut alarm, Some(at(10)));
        timers.set(7, &mut alarm, Some(at(20)));
        assert_eq!((timers.next(), timers.alarms.len()), (Some(at(10)), 1));
        timers.set(7, &mut alarm, Some(at(5)));
        assert_eq!((timers.next(), timers.alarms.len()), (Some(at(5)), 1));
        assert_eq!((timers.due(at(4)), timers.due(at(5))), (None, Some(7)));
        timers.clear(7, &mut alarm);
        assert_eq!(timers.next(), None);
    }
}
