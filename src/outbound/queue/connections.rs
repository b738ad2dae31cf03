//! Connections: which site gets one more, what each does next, and when one is given up for another site.

use super::Queue;
use super::job::JobState;
use super::pool::{OutgoingRecord, OutgoingStage};
use super::site::SiteHealth;
use super::types::{
    Connect, JobId, JobRecipient, NextJob, OutgoingEnd, OutgoingId, QueueEvent, SiteId, StartedJob,
};

/// Jobs that a connection may have: one whose reply is awaited, the one whose commands follow it at once, and the one that is to
/// be at hand when both are answered, since its commands go out with the text of the second.
const CONNECTION_JOBS_MAX: u16 = 3;
/// While other sites wait and there are as many connections as there may be, a site gives one up after so many jobs, or so long.
const TURN_JOBS: u16 = 20;
const TURN_MS: u64 = 2000;
/// The part of all connections that a site may have while others wait.
const SHARE: u32 = 4;

impl Queue {
    /// A connection that is to be opened now, if there is one. It counts from here on, until it has failed or is closed.
    pub fn wants_connection(&mut self, now_ms: u64) -> Option<Connect> {
        let now = self.ticks.set(now_ms);
        let local = SiteId::LOCAL.0;
        if self.is_draining || self.is_paused {
            return None;
        }
        let site = if self.sites.wants_connection(local, now) {
            local
        } else if self.pool.outgoing() < self.limits.outgoing_max {
            self.sites.next_hungry(self.share())?
        } else {
            return None;
        };
        let record = &mut self.sites.records[site];
        record.connections += 1;
        record.coming += 1;
        record.dialing += 1;
        let is_probe = record.health != SiteHealth::Up;
        if is_probe {
            record.health = SiteHealth::Probing;
        }
        let connection = OutgoingId(self.pool.insert(site));
        self.sites.refresh(site, now);
        self.sites.rotate(site);
        Some(Connect {
            connection,
            site: SiteId(site),
            is_probe,
        })
    }

    /// Connections that a site may have while others wait.
    fn share(&self) -> u16 {
        u16::try_from(self.limits.outgoing_max / SHARE)
            .unwrap_or(u16::MAX)
            .max(1)
    }

    /// Notes that a connection is ready for mail: greeted, and encrypted and logged in where that is wanted.
    pub fn opened(&mut self, connection: OutgoingId) {
        let Some(record) = self.pool.get(connection.0) else {
            return;
        };
        if record.stage == OutgoingStage::Dialing {
            self.pool.set_stage(connection.0, OutgoingStage::Open);
            let site = &mut self.sites.records[record.site];
            site.dialing -= 1;
            if site.health == SiteHealth::Down {
                // It was dialed before the site was found down.
                site.health = SiteHealth::Probing;
            }
            self.sites.refresh(record.site, self.ticks.now());
        }
    }

    /// Notes the policy of TLS by which a connection is made.
    pub fn note_policy(&mut self, connection: OutgoingId, policy: &'static str) {
        if let Some(record) = self.pool.get(connection.0) {
            self.sites.records[record.site].policy = policy;
        }
    }

    /// Notes why a connection has failed.
    pub fn note_error(&mut self, connection: OutgoingId, error: &str) {
        if let Some(record) = self.pool.get(connection.0) {
            let error = self.replies.keep(error);
            let site = &mut self.sites.records[record.site];
            let before = core::mem::replace(&mut site.error, error);
            self.replies.forget(before);
        }
    }

    /// Opens no more connections: the server is about to end.
    pub fn drain(&mut self) {
        self.is_draining = true;
    }

    /// Gives connections nothing to do for now, and opens none; or goes on. Time goes on in any case.
    pub fn pause(&mut self, is_paused: bool) {
        self.is_paused = is_paused;
    }

    /// Notes that a connection did not come to be ready for mail. The job that it stands for is settled before.
    pub fn failed(&mut self, connection: OutgoingId, now_ms: u64) {
        self.ends(connection, true, now_ms);
    }

    /// Notes the end of a connection that was opened. Jobs of it may be settled later.
    pub fn closed(&mut self, connection: OutgoingId, end: OutgoingEnd, now_ms: u64) {
        self.ends(connection, end == OutgoingEnd::Broken, now_ms);
    }

    fn ends(&mut self, connection: OutgoingId, has_failed: bool, now_ms: u64) {
        let now = self.ticks.set(now_ms);
        let Some(record) = self.pool.remove(connection.0) else {
            return;
        };
        let site = &mut self.sites.records[record.site];
        site.connections -= 1;
        site.coming -= u16::from(record.is_coming());
        site.dialing -= u16::from(record.stage == OutgoingStage::Dialing);
        site.closing -= u16::from(record.stage == OutgoingStage::Closing);
        site.parked -= u16::from(matches!(record.stage, OutgoingStage::Parked(_)));
        if has_failed && record.site != SiteId::LOCAL.0 {
            site.has_failed(now, self.schedule.longest_wait_ms());
        } else if site.health == SiteHealth::Probing && site.connections == 0 {
            // It was opened, and there was no mail any more.
            site.recover();
        }
        self.sites.refresh(record.site, now);
    }

    /// The next job for a connection. One that still has a job may ask for one more, so that its commands follow at once.
    pub fn next_job(&mut self, connection: OutgoingId, now_ms: u64) -> NextJob {
        let now = self.ticks.set(now_ms);
        let Some(record) = self.pool.get(connection.0) else {
            return NextJob::Close;
        };
        if matches!(record.stage, OutgoingStage::Closing | OutgoingStage::Failed) {
            return NextJob::Close;
        }
        let is_open = record.stage != OutgoingStage::Dialing;
        if is_open && record.jobs == 0 && self.gives_up(record.site) {
            self.tell_to_close(connection.0, record);
            self.sites.refresh(record.site, now);
            return NextJob::Close;
        }
        let may_start =
            record.jobs < CONNECTION_JOBS_MAX && self.sites.records[record.site].may_start();
        match may_start.then(|| self.take_ready(record.site)).flatten() {
            Some(job) => {
                self.leave_stage(record);
                if is_open {
                    self.pool.set_stage(connection.0, OutgoingStage::Open);
                }
                self.pool.set_jobs(connection.0, record.jobs + 1);
                let started = self.start(job, connection.0);
                self.sites.refresh(record.site, now);
                NextJob::Job(started)
            }
            None => {
                if is_open && record.is_coming() {
                    self.leave_stage(record);
                    self.pool.park(connection.0);
                    self.sites.records[record.site].parked += 1;
                    self.sites.refresh(record.site, now);
                }
                NextJob::Wait
            }
        }
    }

    /// Uncounts a connection among those of its site that are coming or idle.
    fn leave_stage(&mut self, record: OutgoingRecord) {
        let site = &mut self.sites.records[record.site];
        site.coming -= u16::from(record.is_coming());
        site.parked -= u16::from(matches!(record.stage, OutgoingStage::Parked(_)));
    }

    fn tell_to_close(&mut self, connection: u32, record: OutgoingRecord) {
        self.leave_stage(record);
        self.pool.set_stage(connection, OutgoingStage::Closing);
        self.sites.records[record.site].closing += 1;
    }

    /// Whether a connection of a site that asks for a job is to be closed instead.
    fn gives_up(&mut self, site: u32) -> bool {
        let now = self.ticks.now();
        if site == SiteId::LOCAL.0 {
            return false;
        }
        let allowed = self.sites.allowed(site, now);
        let record = &mut self.sites.records[site];
        let connections = record.connections - record.closing;
        if connections > allowed {
            return true;
        }
        let is_over = record.turn_jobs >= TURN_JOBS
            || record.turn_jobs > 0 && now.since_ms(record.turn_start) >= TURN_MS;
        let gives_up =
            (is_over || connections > self.share()) && self.is_needed_by_another(site, connections);
        if gives_up {
            self.sites.records[site].turn_jobs = 0;
        }
        gives_up
    }

    /// Whether a connection of a site with so many is of more use to another one: one that has none, or would still have fewer.
    fn is_needed_by_another(&mut self, site: u32, connections: u16) -> bool {
        let share = self.share();
        if !self.is_one_needed() {
            return false;
        }
        let other = self.sites.next_hungry(share).filter(|other| *other != site);
        other.is_some_and(|other| {
            let others = self.sites.records[other].connections;
            others == 0 || others < share && others + 1 < connections
        })
    }

    /// Whether more sites need a connection than are free or about to be.
    fn is_one_needed(&self) -> bool {
        let free = self
            .limits
            .outgoing_max
            .saturating_sub(self.pool.outgoing());
        free + self.pool.closing() < self.sites.hungry()
    }

    /// Gives a job, which stands in no list any more, to a connection.
    fn start(&mut self, job: u32, connection: u32) -> StartedJob {
        let site = self.set_state(job, JobState::Active);
        self.records.job_mut(job).due.0 = connection;
        let now = self.ticks.now();
        let record = &mut self.sites.records[site];
        if record.turn_jobs == 0 {
            record.turn_start = now;
        }
        record.turn_jobs = record.turn_jobs.saturating_add(1);
        let mail = &self.records.mails[self.records.mail_of(job)];
        let recipients = self.records.recipients(job);
        StartedJob {
            job: JobId(job),
            mail: mail.id(),
            place: mail.place(),
            recipients: recipients
                .iter()
                .map(|recipient| JobRecipient {
                    index: recipient.index,
                    tries: recipient.tries,
                })
                .collect(),
        }
    }

    /// Wakes an idle connection whose site has a job, or closes one whose site has none while another site needs a connection.
    pub(super) fn wake_idle(&mut self) -> Option<QueueEvent> {
        let now = self.ticks.now();
        if self.is_paused {
            return None;
        }
        if let Some(site) = self.sites.next_offering()
            && let Some(connection) = self.pool.idle_at(site)
            && let Some(record) = self.pool.get(connection)
        {
            self.leave_stage(record);
            self.pool.set_stage(connection, OutgoingStage::Open);
            self.sites.records[site].coming += 1;
            self.sites.refresh(site, now);
            return Some(QueueEvent::Offer(OutgoingId(connection)));
        }
        if !self.is_one_needed() {
            return None;
        }
        let connection = self.pool.longest_idle()?;
        let record = self.pool.get(connection)?;
        self.tell_to_close(connection, record);
        self.sites.refresh(record.site, now);
        Some(QueueEvent::CloseIdle(OutgoingId(connection)))
    }

    /// Whether there is something to do for connections at once.
    pub(super) fn has_work_for_connections(&self) -> bool {
        let (local, now) = (SiteId::LOCAL.0, self.ticks.now());
        let can_connect =
            self.sites.hungry() > 0 && self.pool.outgoing() < self.limits.outgoing_max;
        let has_work = !self.is_draining
            && (can_connect || self.can_look_up() || self.sites.wants_connection(local, now))
            || self.sites.next_offering().is_some()
            || self.is_one_needed() && self.pool.longest_idle().is_some();
        has_work && !self.is_paused
    }
}
