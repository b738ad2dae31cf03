//! The states of jobs, and the lanes of a site in which they wait for a connection.

use super::Queue;
use super::job::JobState;

/// Lanes of a site: of mail that was never tried, and of mail that was. They take turns.
pub(super) const LANES: u32 = 2;

impl Queue {
    /// The lane of a job.
    fn lane(&self, job: u32) -> u32 {
        let record = self.records.job(job);
        record.site() * LANES + u32::from(!record.is_fresh())
    }

    /// Gives a job that is in no list another state, without putting it into a list. Returns its site.
    pub(super) fn set_state(&mut self, job: u32, state: JobState) -> u32 {
        let record = self.records.job_mut(job);
        let from = core::mem::replace(&mut record.state, state);
        let site = record.site();
        self.sites.records[site].move_job(from, state);
        site
    }

    /// Lets a job that had the state `from`, and is in no list, stand where its state says.
    pub(super) fn joins(&mut self, job: u32, from: JobState) {
        let record = self.records.job(job);
        let (site, state) = (record.site(), record.state);
        self.sites.records[site].move_job(from, state);
        match state {
            JobState::Waiting | JobState::Uncertain => self.tries.insert(job, &mut self.records),
            JobState::Ready => self.lanes.push(self.lane(job), job, &mut self.records),
            _ => {}
        }
        let arrived = self.records.mails[self.records.mail_of(job)].arrived;
        let oldest = &mut self.sites.records[site].oldest;
        *oldest = Some(oldest.map_or(arrived, |oldest| oldest.min(arrived)));
        self.sites.refresh(site, self.ticks.now());
    }

    /// Gives a job that is in no list another state, and puts it where that says.
    pub(super) fn change_state(&mut self, job: u32, state: JobState) {
        let record = self.records.job_mut(job);
        let from = core::mem::replace(&mut record.state, state);
        self.joins(job, from);
    }

    /// Takes a job out of the list it stands in.
    pub(super) fn detach(&mut self, job: u32) {
        match self.records.job(job).state {
            JobState::Waiting | JobState::Uncertain => self.tries.remove(job, &mut self.records),
            JobState::Ready => {
                self.lanes.remove(job, &mut self.records);
                self.next_follows(job);
            }
            _ => {}
        }
    }

    /// Lets the next job behind this one, which leaves its lane, join that.
    ///
    /// Invariant: before each job that is [behind](JobState::Behind), among those of its mail and site, one is ready.
    fn next_follows(&mut self, job: u32) {
        let site = self.records.job(job).site();
        let mut at = self.records.sibling(job);
        while let Some(next) = at.filter(|next| self.records.job(*next).site() == site) {
            if self.records.job(next).state == JobState::Behind {
                self.change_state(next, JobState::Ready);
                return;
            }
            at = self.records.sibling(next);
        }
    }

    /// Takes the job whose turn it is at a site out of its lane.
    pub(super) fn take_ready(&mut self, site: u32) -> Option<u32> {
        let retried = self.sites.records[site].retried_next;
        let lanes = [u32::from(retried), u32::from(!retried)];
        let lane = lanes
            .into_iter()
            .find(|lane| !self.lanes.is_empty(site * LANES + lane))?;
        self.sites.records[site].retried_next = lane == 0;
        let job = self.lanes.pop(site * LANES + lane, &mut self.records)?;
        self.next_follows(job);
        Some(job)
    }

    /// Lets a job whose timer went off stand in its lane, and those of its mail and site that are due as well behind it.
    pub(super) fn falls_due(&mut self, job: u32) {
        let due = self.records.job(job).due;
        let site = self.records.job(job).site();
        self.change_state(job, JobState::Ready);
        let mut at = self.records.sibling(job);
        while let Some(next) = at {
            let record = self.records.job(next);
            if record.site() != site || record.state != JobState::Waiting || record.due > due {
                return;
            }
            self.tries.remove(next, &mut self.records);
            self.change_state(next, JobState::Behind);
            at = self.records.sibling(next);
        }
    }

    /// Notes that a job of a mail has left a site.
    pub(super) fn leaves_site(&mut self, site: u32, mail: u32) {
        let record = &mut self.sites.records[site];
        if record.oldest == Some(self.records.mails[mail].arrived) {
            record.oldest = None;
        }
    }
}
