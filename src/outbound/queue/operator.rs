//! What the operator wants of mail: that it is held, released, tried again, or taken off. And what is over, once that is durable.

use crate::store::spool::MailId;

use super::Queue;
use super::job::{JobRecipients, JobState, Wish};
use super::types::{Choice, Touched};

/// A command of the operator.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Hold,
    Release,
    Retry,
    Delete,
}

impl Wanted {
    /// The state into which it brings recipients from this one; `None` if it does not concern them. [`JobState::Empty`]: they are off.
    fn state_from(self, state: JobState) -> Option<JobState> {
        match (self, state) {
            (_, JobState::Empty | JobState::Active | JobState::Expired) => None,
            (Self::Delete, _) => Some(JobState::Empty),
            (Self::Release, JobState::Held)
            | (Self::Retry, JobState::Waiting | JobState::Uncertain) => Some(JobState::Ready),
            // These go as soon as they can, now that their site is probed.
            (Self::Retry, JobState::Ready | JobState::Behind) => Some(state),
            (Self::Release, _) | (Self::Retry | Self::Hold, JobState::Held) => None,
            (Self::Hold, _) => Some(JobState::Held),
        }
    }

    /// What is wished of a recipient that is being sent to; `None` if that is no different.
    fn wish(self, wish: Wish) -> Option<Wish> {
        match (self, wish) {
            (Self::Hold, Wish::None) => Some(Wish::Hold),
            (Self::Release, Wish::Hold) => Some(Wish::None),
            (Self::Delete, Wish::None | Wish::Hold) => Some(Wish::Delete),
            _ => None,
        }
    }
}

impl Queue {
    /// Holds recipients of a mail: nothing is sent to them until they are released, and they do not expire. `None`: no such mail.
    pub fn hold(&mut self, mail: MailId, whom: Choice<'_>, now_ms: u64) -> Option<Touched> {
        self.ticks.set(now_ms);
        self.command(mail, whom, Wanted::Hold)
    }

    /// Releases recipients that are held; they go as soon as may be, and once at least, however old they are. `None`: no such mail.
    pub fn release(&mut self, mail: MailId, whom: Choice<'_>, now_ms: u64) -> Option<Touched> {
        self.ticks.set(now_ms);
        self.command(mail, whom, Wanted::Release)
    }

    /// Lets recipients that wait go as soon as may be; their site is probed at once if it is down. `None`: no such mail.
    pub fn retry(&mut self, mail: MailId, whom: Choice<'_>, now_ms: u64) -> Option<Touched> {
        self.ticks.set(now_ms);
        self.command(mail, whom, Wanted::Retry)
    }

    /// Takes recipients of a mail off the queue, but those that have expired; nobody is told. `None`: no such mail.
    pub fn delete(&mut self, mail: MailId, whom: Choice<'_>) -> Option<Touched> {
        self.command(mail, whom, Wanted::Delete)
    }

    /// The recipients of a mail that are held, or are to be if the try under way does not end well; in ascending order.
    #[must_use]
    pub fn held(&self, mail: MailId) -> Vec<u16> {
        let mut held = Vec::new();
        for job in self
            .find(mail)
            .into_iter()
            .flat_map(|mail| self.records.jobs(mail))
        {
            let state = self.records.job(job).state;
            let recipients = self.records.recipients(job).into_iter();
            let recipients = recipients.filter(|recipient| match state {
                JobState::Held => true,
                JobState::Active => recipient.wish == Wish::Hold,
                _ => false,
            });
            held.extend(recipients.map(|recipient| recipient.index));
        }
        held.sort_unstable();
        held
    }

    fn command(&mut self, mail: MailId, whom: Choice<'_>, wanted: Wanted) -> Option<Touched> {
        let mail = self.find(mail)?;
        let mut touched = Touched::default();
        let jobs: Vec<u32> = self.records.jobs(mail).collect();
        for job in jobs {
            let state = self.records.job(job).state;
            if state == JobState::Active {
                self.wish(job, whom, wanted, &mut touched);
            } else if let Some(to) = wanted.state_from(state) {
                touched.recipients += self.bring(job, whom, to);
                if wanted == Wanted::Retry {
                    let site = self.records.job(job).site();
                    self.sites.probe_now(site, self.ticks.now());
                }
            }
        }
        if wanted == Wanted::Release && touched.recipients > 0 {
            self.set_milestone(mail, self.last_chance(self.ticks.now()));
        }
        self.remove_if_over(mail);
        Some(touched)
    }

    /// Notes what is wished of recipients that are being sent to.
    fn wish(&mut self, job: u32, whom: Choice<'_>, wanted: Wanted, touched: &mut Touched) {
        let mut recipients = self.records.recipients(job);
        for recipient in &mut recipients {
            if is_chosen(whom, recipient.index)
                && let Some(wish) = wanted.wish(recipient.wish)
            {
                recipient.wish = wish;
                touched.recipients += 1;
                touched.in_flight += 1;
            }
        }
        self.records.set_recipients(job, recipients);
    }

    /// Brings recipients of a job into another state: with the whole job, or as a job of their own. Returns how many.
    fn bring(&mut self, job: u32, whom: Choice<'_>, to: JobState) -> u32 {
        let recipients = self.records.recipients(job);
        let (chosen, others): (JobRecipients, JobRecipients) = recipients
            .into_iter()
            .partition(|recipient| is_chosen(whom, recipient.index));
        let count = u32::try_from(chosen.len()).unwrap_or(u32::MAX);
        let has_others = !others.is_empty();
        if chosen.is_empty() || self.records.job(job).state == to {
            return count;
        }
        if has_others {
            self.records.set_recipients(job, others);
        } else {
            self.detach(job);
        }
        match (to, has_others) {
            (JobState::Empty, false) => self.remove_job(job),
            (JobState::Empty, true) => {
                for recipient in chosen {
                    self.replies.forget(recipient.reply);
                }
            }
            (to, false) => self.change_state(job, to),
            (to, true) => self.add_split(job, to, self.ticks.now(), chosen),
        }
        count
    }

    /// Takes off recipients that expired, once the spool was told, with their report.
    pub fn over(&mut self, mail: MailId, recipients: &[u16]) {
        let Some(mail) = self.find(mail) else {
            return;
        };
        let mut recipients = recipients.to_vec();
        recipients.sort_unstable();
        let jobs: Vec<u32> = self.records.jobs(mail).collect();
        for job in jobs {
            if self.records.job(job).state == JobState::Expired {
                self.bring(job, Choice::Only(&recipients), JobState::Empty);
            }
        }
        self.remove_if_over(mail);
    }
}

fn is_chosen(whom: Choice<'_>, index: u16) -> bool {
    match whom {
        Choice::All => true,
        Choice::Only(indices) => indices.binary_search(&index).is_ok(),
    }
}
