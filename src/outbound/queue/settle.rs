//! What came of a job: each of its recipients leaves the queue, or waits for something else.

use super::Queue;
use super::job::{JobRecipients, JobState, QueuedRecipient, Wish};
use super::pool::OutgoingStage;
use super::schedule::chance;
use super::ticks::Tick;
use super::types::{JobId, RecipientOutcome, SiteId};

/// The states in which a job leaves its recipients, in the order in which they are dealt with.
const LEFT_IN: [JobState; 4] = [
    JobState::Waiting,
    JobState::Uncertain,
    JobState::Ready,
    JobState::Held,
];

impl Queue {
    /// Whether a job that was given out is to be sent to all of its recipients: the operator wants nothing else of any of them.
    #[must_use]
    pub fn is_wanted(&self, job: JobId) -> bool {
        let recipients = self.records.recipients(job.0);
        recipients
            .iter()
            .all(|recipient| recipient.wish == Wish::None)
    }

    /// The recipients of a job under way that were taken off since it began: they are not to be sent to, if that has not happened.
    #[must_use]
    pub fn deleted(&self, job: JobId) -> Vec<u16> {
        if self.records.find_job(job.0).map(|job| job.state) != Some(JobState::Active) {
            return Vec::new();
        }
        let recipients = self.records.recipients(job.0).into_iter();
        let deleted = recipients.filter(|recipient| recipient.wish == Wish::Delete);
        deleted.map(|recipient| recipient.index).collect()
    }

    /// Takes what came of a job. A recipient that is not named goes again.
    pub fn settle(&mut self, job: JobId, outcomes: &[(u16, RecipientOutcome<'_>)], now_ms: u64) {
        let now = self.ticks.set(now_ms);
        let job = job.0;
        if self.records.find_job(job).map(|job| job.state) != Some(JobState::Active) {
            debug_assert!(false, "a job is settled once");
            return;
        }
        self.leaves_connection(job, outcomes, now);
        let mut left: [JobRecipients; LEFT_IN.len()] = Default::default();
        for mut recipient in self.records.recipients(job) {
            let outcome = outcomes.iter().find(|(index, _)| *index == recipient.index);
            let outcome = outcome.map_or(RecipientOutcome::Again, |(_, outcome)| *outcome);
            let state = self.state_after(&mut recipient, outcome);
            match LEFT_IN.iter().position(|left_in| Some(*left_in) == state) {
                Some(at) => left[at].push(recipient),
                None => self.replies.forget(recipient.reply),
            }
        }
        self.leave(job, left, now);
    }

    /// Takes what came of some recipients of a job, while it goes on for the others with another host of its site.
    pub fn settle_part(
        &mut self,
        job: JobId,
        outcomes: &[(u16, RecipientOutcome<'_>)],
        now_ms: u64,
    ) {
        let now = self.ticks.set(now_ms);
        let job = job.0;
        if self.records.find_job(job).map(|job| job.state) != Some(JobState::Active) {
            debug_assert!(false, "it is under way");
            return;
        }
        let mail = self.records.mail_of(job);
        let mut left: [JobRecipients; LEFT_IN.len()] = Default::default();
        let mut others = JobRecipients::new();
        for mut recipient in self.records.recipients(job) {
            let outcome = outcomes.iter().find(|(index, _)| *index == recipient.index);
            let Some((_, outcome)) = outcome else {
                others.push(recipient);
                continue;
            };
            let state = self.state_after(&mut recipient, *outcome);
            match LEFT_IN.iter().position(|left_in| Some(*left_in) == state) {
                Some(at) => left[at].push(recipient),
                None => self.replies.forget(recipient.reply),
            }
        }
        debug_assert!(!others.is_empty(), "it goes on for somebody");
        self.records.set_recipients(job, others);
        self.records.job_mut(job).set_tried();
        let mut waits = false;
        for (state, recipients) in LEFT_IN.into_iter().zip(left) {
            if !recipients.is_empty() {
                let due = self.due_in(state, mail, now);
                waits |= due > now;
                self.add_split(job, state, due, recipients);
            }
        }
        if waits && now >= self.end_of(mail) {
            self.set_milestone(mail, now);
        }
    }

    /// Uncounts a job at its connection, and takes what its outcome says of the site.
    fn leaves_connection(&mut self, job: u32, outcomes: &[(u16, RecipientOutcome<'_>)], now: Tick) {
        let record = self.records.job_mut(job);
        let site = record.site();
        record.set_tried();
        let connection = core::mem::replace(&mut record.due, Tick::NEVER).0;
        let Some(mut record) = self.pool.get(connection) else {
            return;
        };
        record.jobs -= 1;
        self.pool.set_jobs(connection, record.jobs);
        // A dial that failed has had its job, and does not ask for another one.
        let is_open = record.stage == OutgoingStage::Open;
        self.sites.records[site].coming += u16::from(record.is_coming() && is_open);
        if record.stage == OutgoingStage::Dialing {
            self.pool.set_stage(connection, OutgoingStage::Failed);
            self.sites.records[site].dialing -= 1;
        }
        let answers = outcomes.iter().any(|(_, outcome)| {
            matches!(
                outcome,
                RecipientOutcome::Sent | RecipientOutcome::Failed | RecipientOutcome::Deferred(_)
            )
        });
        if answers && is_open && site != SiteId::LOCAL.0 {
            let record = &mut self.sites.records[site];
            record.succeeded(self.limits.outgoing_per_site_max.max(1));
            self.replies.forget(core::mem::take(&mut record.error));
        }
        self.sites.refresh(site, now);
    }

    /// The state in which an outcome leaves a recipient; `None` if that is over.
    fn state_after(
        &mut self,
        recipient: &mut QueuedRecipient,
        outcome: RecipientOutcome<'_>,
    ) -> Option<JobState> {
        let wish = core::mem::take(&mut recipient.wish);
        let state = match outcome {
            RecipientOutcome::Sent | RecipientOutcome::Failed => return None,
            _ if wish == Wish::Delete => return None,
            RecipientOutcome::Deferred(_) | RecipientOutcome::Unreached(_) => JobState::Waiting,
            RecipientOutcome::Uncertain(_) => JobState::Uncertain,
            RecipientOutcome::Again => JobState::Ready,
        };
        if let RecipientOutcome::Deferred(reply)
        | RecipientOutcome::Unreached(reply)
        | RecipientOutcome::Uncertain(reply) = outcome
        {
            recipient.tries = recipient.tries.saturating_add(1);
            self.replies.forget(recipient.reply);
            recipient.reply = self.replies.keep(reply);
        }
        Some(if wish == Wish::Hold {
            JobState::Held
        } else {
            state
        })
    }

    /// When recipients of a mail that were left in this state go again.
    fn due_in(&self, state: JobState, mail: u32, now: Tick) -> Tick {
        let record = &self.records.mails[mail];
        let (age_ms, chance) = (now.since_ms(record.arrived), chance(record.chance_of()));
        match state {
            JobState::Waiting => now.after(self.schedule.wait_ms(age_ms, chance)),
            JobState::Uncertain => now.after(self.schedule.uncertain_wait_ms(chance)),
            _ => now,
        }
    }

    /// Deals the recipients that are left over to jobs by their state; the first of these is the old one.
    fn leave(&mut self, job: u32, left: [JobRecipients; LEFT_IN.len()], now: Tick) {
        let mail = self.records.mail_of(job);
        let (mut is_old, mut waits) = (true, false);
        for (state, recipients) in LEFT_IN.into_iter().zip(left) {
            if recipients.is_empty() {
                continue;
            }
            let due = self.due_in(state, mail, now);
            waits |= due > now;
            if core::mem::take(&mut is_old) {
                self.records.set_recipients(job, recipients);
                self.records.job_mut(job).due = due;
                self.change_state(job, state);
            } else {
                self.add_split(job, state, due, recipients);
            }
        }
        if is_old {
            // Their replies were forgotten one by one.
            self.records.set_recipients(job, JobRecipients::new());
            self.remove_job(job);
            self.remove_if_over(mail);
        } else if now >= self.end_of(mail) {
            // Whatever waits has had its last chance.
            let end = if waits { now } else { self.last_chance(now) };
            self.set_milestone(mail, end);
        }
    }
}
