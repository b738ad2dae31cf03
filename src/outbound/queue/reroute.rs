//! A reload: mail whose route has changed goes to another site, in the state that it is in, and ends by the schedule as it is now.

use crate::store::spool::MailId;

use super::Queue;
use super::job::{JobRecipients, JobRecord, JobState};
use super::types::SiteId;

impl Queue {
    /// Lets a mail end, and its sender hear of a delay, by the schedule as it is now. Where it should have ended already it does so at once.
    pub fn rearm(&mut self, mail: MailId, now_ms: u64) {
        let now = self.ticks.set(now_ms);
        if let Some(mail) = self.find(mail) {
            self.set_milestone(mail, now);
        }
    }

    /// Brings recipients of a mail, by their indices in ascending order, to another site. They wait there as they did, and go at once
    /// if they could before. Those that are being sent to, or have expired, stay where they are.
    pub fn reroute(&mut self, mail: MailId, site: SiteId, recipients: &[u16], now_ms: u64) {
        self.ticks.set(now_ms);
        let Some(mail) = self.find(mail) else {
            return;
        };
        let jobs: Vec<u32> = self.records.jobs(mail).collect();
        for job in jobs {
            let record = self.records.job(job);
            let may_move = !matches!(record.state, JobState::Active | JobState::Expired);
            if may_move && record.site() != site.0 {
                self.bring_to(job, site.0, recipients);
            }
        }
    }

    /// Brings recipients of a job to another site, as a job of their own.
    pub(super) fn bring_to(&mut self, job: u32, site: u32, recipients: &[u16]) {
        let (chosen, others): (JobRecipients, JobRecipients) = self
            .records
            .recipients(job)
            .into_iter()
            .partition(|recipient| recipients.binary_search(&recipient.index).is_ok());
        if chosen.is_empty() {
            return;
        }
        let mail = self.records.mail_of(job);
        let record = *self.records.job(job);
        if others.is_empty() {
            self.detach(job);
            // Their replies go with them.
            self.records.set_recipients(job, JobRecipients::new());
            self.remove_job(job);
        } else {
            self.records.set_recipients(job, others);
        }
        let (after, is_behind) = self.place_for(mail, site);
        let state = match record.state {
            JobState::Ready | JobState::Behind if is_behind => JobState::Behind,
            JobState::Ready | JobState::Behind => JobState::Ready,
            state => state,
        };
        let moved = JobRecord::new(site, state, record.due, record.is_fresh());
        let moved = self.records.add_job(after, moved, chosen);
        self.joins(moved, JobState::Empty);
    }

    /// The job of a mail after which a new one for this site is added, and whether one of that site is ready before it.
    fn place_for(&self, mail: u32, site: u32) -> (u32, bool) {
        let mut place = (mail, false);
        let mut is_there = false;
        for job in self.records.jobs(mail) {
            let record = self.records.job(job);
            let is_of_site = record.site() == site;
            if is_of_site {
                is_there = true;
                place = (job, place.1 || record.state == JobState::Ready);
            } else if !is_there {
                place = (job, false);
            }
        }
        place
    }
}
