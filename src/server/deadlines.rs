//! When the next connection times out.

use std::collections::BTreeSet;
use std::time::Instant;

/// At most one alarm for each connection, in order.
///
/// Deadlines mostly move back, with every command a client gives. So an alarm is left where it is until it
/// goes off, and only then set to where the deadline has moved to: serving a command touches nothing here.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    alarms: BTreeSet<(Instant, usize)>,
}

/// The alarm of one connection, kept beside it.
#[derive(Debug, Default)]
pub(super) struct Alarm(Option<Instant>);

impl Deadlines {
    /// Sees to it that an alarm for connection `key` goes off no later than `deadline`.
    pub(super) fn set(&mut self, key: usize, alarm: &mut Alarm, deadline: Option<Instant>) {
        let Some(deadline) = deadline else { return };
        if alarm.0.is_none_or(|set| deadline < set) {
            self.clear(key, alarm);
            self.alarms.insert((deadline, key));
            alarm.0 = Some(deadline);
        }
    }

    /// Forgets the alarm of a connection that is gone, or whose alarm went off.
    pub(super) fn clear(&mut self, key: usize, alarm: &mut Alarm) {
        if let Some(set) = alarm.0.take() {
            self.alarms.remove(&(set, key));
        }
    }

    /// The first alarm.
    pub(super) fn next(&self) -> Option<Instant> {
        self.alarms.first().map(|(instant, _)| *instant)
    }

    /// A connection whose alarm has gone off by `now`; the caller clears it.
    pub(super) fn due(&self, now: Instant) -> Option<usize> {
        self.alarms
            .first()
            .filter(|(instant, _)| *instant <= now)
            .map(|(_, key)| *key)
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
        let mut deadlines = Deadlines::default();
        let mut alarm = Alarm::default();
        deadlines.set(7, &mut alarm, Some(at(10)));
        deadlines.set(7, &mut alarm, Some(at(20)));
        assert_eq!(
            (deadlines.next(), deadlines.alarms.len()),
            (Some(at(10)), 1)
        );
        deadlines.set(7, &mut alarm, Some(at(5)));
        assert_eq!((deadlines.next(), deadlines.alarms.len()), (Some(at(5)), 1));
        assert_eq!(
            (deadlines.due(at(4)), deadlines.due(at(5))),
            (None, Some(7))
        );
        deadlines.clear(7, &mut alarm);
        assert_eq!(deadlines.next(), None);
    }
}
