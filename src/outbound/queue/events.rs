//! What happens because it is time: tries, probes, notices of delay, and the end of mails.

use super::Queue;
use super::job::JobState;
use super::records::MailRecord;
use super::ticks::Tick;
use super::types::QueueEvent;
use super::wheel::WheelStep;
use crate::store::spool::MailId;

/// Steps of each timer wheel in one call.
const STEPS_MAX: usize = 512;
/// Mail that is over its age already when it is found at a start or released is tried for so long yet.
const LAST_CHANCE_MS: u64 = 900_000;

/// What nobody could be told of comes again after so long.
const PUT_OFF_MS: u64 = 600_000;

impl Queue {
    /// The next thing that the queue wants done. `None`: nothing for now, or a bounded amount of work was done without finding anything;
    /// [`next_wake`](Self::next_wake) tells which.
    pub fn next_event(&mut self, now_ms: u64) -> Option<QueueEvent> {
        let now = self.ticks.set(now_ms);
        for _ in 0..STEPS_MAX {
            let wake = self.wake_idle();
            if wake.is_some() {
                return wake;
            }
            let site = self.sites.step(now);
            let tried = self.tries.step(now, &mut self.records);
            if let WheelStep::Due(job) = tried {
                self.falls_due(job);
            }
            let milestone = self.milestones.step(now, &mut self.records.mails);
            if let WheelStep::Due(mail) = milestone {
                let event = self.comes_to_milestone(mail, now);
                if event.is_some() {
                    return event;
                }
            }
            if [site, tried, milestone] == [WheelStep::Idle; 3] {
                return None;
            }
        }
        None
    }

    /// The time at which [`next_event`](Self::next_event) is to be asked again, not after `now_ms` if there is more to do at once, be
    /// that an event or a [connection](Self::wants_connection).
    #[must_use]
    pub fn next_wake(&self, now_ms: u64) -> Option<u64> {
        if self.has_work_for_connections() {
            return Some(now_ms);
        }
        let timers = [
            self.sites.next_timer(),
            self.tries.next(),
            self.milestones.next(),
        ];
        let next = timers.into_iter().flatten().min()?;
        Some(self.ticks.ms(next))
    }

    /// Lets the last event of a mail come again in a while, since nobody could be told of it now. Recipients that were given up wait
    /// until then.
    pub fn put_off(&mut self, mail: MailId, now_ms: u64) {
        let now = self.ticks.set(now_ms);
        let Some(mail) = self.find(mail) else {
            return;
        };
        let later = now.after(PUT_OFF_MS);
        let mut has_expired = false;
        let jobs: Vec<u32> = self.records.jobs(mail).collect();
        for job in jobs {
            if self.records.job(job).state == JobState::Expired {
                has_expired = true;
                self.records.job_mut(job).due = later;
                self.change_state(job, JobState::Waiting);
            }
        }
        if !has_expired {
            self.records.mails[mail].clear_noticed();
        }
        self.set_milestone_at(mail, later);
    }

    /// When a mail is given up.
    pub(super) fn end_of(&self, mail: u32) -> Tick {
        self.lifetime_end(&self.records.mails[mail])
    }

    /// When the lifetime of a mail ends.
    pub(super) fn lifetime_end(&self, record: &MailRecord) -> Tick {
        record.arrived.after(if record.has_null_sender() {
            self.schedule.bounce_lifetime_ms
        } else {
            self.schedule.lifetime_ms
        })
    }

    /// When the sender of a mail hears of its delay, if that is yet to come.
    fn notice_of(&self, mail: u32) -> Option<Tick> {
        let record = &self.records.mails[mail];
        let delay_ms = self.schedule.delay_notice_ms?;
        let is_due = !record.is_noticed() && !record.has_null_sender();
        is_due.then(|| record.arrived.after(delay_ms))
    }

    /// Until when mail is tried that is over its age.
    pub(super) fn last_chance(&self, now: Tick) -> Tick {
        now.after(LAST_CHANCE_MS)
    }

    /// Sets the timer for the next milestone of a mail, in the place of any before. Where the mail is over its age, that is `end`.
    pub(super) fn set_milestone(&mut self, mail: u32, end: Tick) {
        let natural_end = self.end_of(mail);
        let milestone = if natural_end <= self.ticks.now() {
            end
        } else {
            let notice = self.notice_of(mail);
            notice.map_or(natural_end, |notice| notice.min(natural_end))
        };
        self.set_milestone_at(mail, milestone);
    }

    fn set_milestone_at(&mut self, mail: u32, at: Tick) {
        self.clear_milestone(mail);
        self.records.mails[mail].milestone = at;
        self.milestones.insert(mail, &mut self.records.mails);
    }

    /// Clears the timer of a mail, if it has one.
    pub(super) fn clear_milestone(&mut self, mail: u32) {
        if self.records.mails[mail].milestone != Tick::NEVER {
            self.milestones.remove(mail, &mut self.records.mails);
            self.records.mails[mail].milestone = Tick::NEVER;
        }
    }

    /// Does what the milestone of a mail is for. Its timer has gone off.
    fn comes_to_milestone(&mut self, mail: u32, now: Tick) -> Option<QueueEvent> {
        self.records.mails[mail].milestone = Tick::NEVER;
        let end = self.end_of(mail);
        if end <= now {
            return self.expire(mail);
        }
        let is_late = self.notice_of(mail).is_some_and(|notice| notice <= now);
        if !is_late {
            // The schedule was another one when the timer was set.
            self.set_milestone(mail, end);
            return None;
        }
        // One that is held as a whole is told of once it is released.
        self.set_milestone_at(mail, end);
        let recipients = self.recipients_in(mail, |state| {
            !matches!(state, JobState::Held | JobState::Expired)
        });
        let record = &mut self.records.mails[mail];
        (!recipients.is_empty()).then(|| {
            record.set_noticed();
            QueueEvent::DelayNotice {
                mail: record.id(),
                recipients,
            }
        })
    }

    /// Gives up the recipients of a mail that wait for anything but the operator or the reply of their site.
    fn expire(&mut self, mail: u32) -> Option<QueueEvent> {
        let waits = |state| {
            matches!(
                state,
                JobState::Waiting | JobState::Uncertain | JobState::Ready | JobState::Behind
            )
        };
        let recipients = self.recipients_in(mail, waits);
        let jobs: Vec<u32> = self.records.jobs(mail).collect();
        for job in jobs {
            if waits(self.records.job(job).state) {
                self.detach(job);
                self.change_state(job, JobState::Expired);
            }
        }
        let mail = self.records.mails[mail].id();
        (!recipients.is_empty()).then_some(QueueEvent::Expired { mail, recipients })
    }

    /// The recipients of a mail in some states, in the order of their indices.
    fn recipients_in(&self, mail: u32, is_in: impl Fn(JobState) -> bool) -> Vec<u16> {
        let jobs = self.records.jobs(mail);
        let jobs = jobs.filter(|job| is_in(self.records.job(*job).state));
        let recipients = jobs.flat_map(|job| self.records.recipients(job));
        let mut indices: Vec<u16> = recipients.map(|recipient| recipient.index).collect();
        indices.sort_unstable();
        indices
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::outbound::queue::{
        NewMail, Queue, QueueEvent, QueueLimits, RecipientState, RetrySchedule,
    };
    use crate::store::spool::{MailId, SpoolPlace, TextFlags};

    const MAIL: MailId = MailId {
        instance: 1,
        count: 1,
    };
    const MINUTE: u64 = 60_000;

    /// All events up to a time.
    fn events(queue: &mut Queue, now_ms: u64) -> Vec<QueueEvent> {
        let mut events = Vec::new();
        while queue.next_wake(now_ms).is_some_and(|wake| wake <= now_ms) {
            events.extend(queue.next_event(now_ms));
        }
        events
    }

    #[test]
    fn what_nobody_could_be_told_of_comes_again() {
        let schedule = RetrySchedule::default();
        let lifetime = schedule.lifetime_ms;
        let mut queue = Queue::new(schedule, QueueLimits::default(), 0);
        // No connection is wanted.
        queue.drain();
        let site = queue.site("site");
        let place = SpoolPlace {
            segment: 1,
            offset: 0,
            envelope_bytes: 40,
            text_bytes: 100,
            text_flags: TextFlags::default(),
        };
        let mail = NewMail {
            mail: MAIL,
            place,
            arrived_ms: 0,
            tried_until_ms: None,
            recipients: &[(site, &[0])],
            has_null_sender: false,
            is_held: false,
            is_noticed: false,
        };
        assert!(queue.add(&mail, 0));
        let recipients = vec![0];
        let delay = QueueEvent::DelayNotice {
            mail: MAIL,
            recipients: recipients.clone(),
        };
        let expired = QueueEvent::Expired {
            mail: MAIL,
            recipients,
        };
        for (event, first) in [(delay, 240 * MINUTE), (expired, lifetime)] {
            let event = [event];
            assert_eq!(events(&mut queue, first + 1000), event);
            queue.put_off(MAIL, first + 1000);
            let view = queue.recipients(MAIL, first).next().unwrap();
            assert_ne!(view.state, RecipientState::Expired);
            assert_eq!(events(&mut queue, first + 9 * MINUTE), []);
            assert_eq!(events(&mut queue, first + 11 * MINUTE), event);
        }
    }
}
