//! The queue: which site may have a connection, which mail goes next on it, and when each is tried again.
//!
//! It does no I/O and knows no clock: every call is told the time, in milliseconds of the epoch. The caller
//!
//! 1. [adds](Queue::add) mail, for [sites](Queue::site);
//! 2. asks [`wants_connection`](Queue::wants_connection) until it says `None`, dials, and says what came of it:
//!    [`opened`](Queue::opened), [`failed`](Queue::failed), [`closed`](Queue::closed);
//! 3. asks [`next_job`](Queue::next_job) for each connection that has none, and [settles](Queue::settle) each job;
//! 4. asks [`next_event`](Queue::next_event) until it says `None`, and comes again at [`next_wake`](Queue::next_wake) at the latest.
//!
//! A dial that failed asks for a job as well, before it is reported: that job is the mail whose try this was, and its outcome is
//! [`RecipientOutcome::Unreached`]. All others of the site wait for the next connection, and count no try.
//!
//! Every call takes a bounded time, however many mails there are: at most as long as one mail has recipients, or so many steps of a
//! timer wheel. What concerns many mails goes page by page, see [`mails_after`](Queue::mails_after).
//!
//! Invariant: each recipient that is not over is in exactly one job, and a job is in one state: it waits in the timer wheel, stands in
//! a lane of its site (or behind another of its mail that does), is under way on a connection, held, or given up.

mod arena;
mod connections;
mod events;
mod index;
mod job;
mod lanes;
mod links;
mod look_ups;
mod operator;
mod pool;
mod records;
mod replies;
mod reroute;
pub mod schedule;
mod settle;
mod site;
mod sites;
mod ticks;
pub mod types;
mod view;
mod wheel;

pub use schedule::RetrySchedule;
pub use types::{
    Choice, Connect, JOB_RECIPIENTS_MAX, JobId, JobRecipient, KEPT_REPLY_BYTES_MAX, MailView,
    NewMail, NextJob, OutgoingEnd, OutgoingId, QueueEvent, QueueLimits, RecipientOutcome,
    RecipientState, RecipientView, SiteId, SiteState, SiteView, StartedJob, Touched,
};

use crate::store::spool::{MailId, SpoolPlace};

use index::MailIndex;
use job::{JobRecipients, JobRecord, JobState, QueuedRecipient};
use links::Lists;
use pool::OutgoingPool;
use records::{MailRecord, MailRecords};
use replies::Replies;
use schedule::chance;
use sites::SiteTable;
use ticks::{Tick, Ticks};
use wheel::Wheel;

/// The queue of mail that is sent on. See the [module](self).
#[derive(Debug)]
pub struct Queue {
    schedule: RetrySchedule,
    limits: QueueLimits,
    is_draining: bool,
    is_paused: bool,
    ticks: Ticks,
    records: MailRecords,
    index: MailIndex,
    replies: Replies,
    sites: SiteTable,
    /// The lanes of each site: of mail that was never tried, and of mail that was.
    lanes: Lists,
    pool: OutgoingPool,
    /// Jobs that wait for their next try.
    tries: Wheel,
    /// Mails, each until its delay notice or its end.
    milestones: Wheel,
}

impl Queue {
    /// An empty queue.
    #[must_use]
    pub fn new(schedule: RetrySchedule, limits: QueueLimits, now_ms: u64) -> Self {
        let ticks = Ticks::new(now_ms);
        let now = ticks.now();
        let mut queue = Self {
            schedule: RetrySchedule::default(),
            limits,
            is_draining: false,
            is_paused: false,
            ticks,
            records: MailRecords::new(),
            index: MailIndex::new(),
            replies: Replies::default(),
            sites: SiteTable::new(now),
            lanes: Lists::new(lanes::LANES),
            pool: OutgoingPool::default(),
            tries: Wheel::new(now),
            milestones: Wheel::new(now),
        };
        queue.reconfigure(schedule, limits);
        queue
    }

    /// Takes another schedule and other limits, as after a reload. What was set by the old ones stays: the next try of each mail,
    /// connections that are open, and until [`rearm`](Self::rearm) its next notice or end.
    pub fn reconfigure(&mut self, schedule: RetrySchedule, limits: QueueLimits) {
        self.schedule = schedule;
        self.limits = limits;
        self.sites.site_max = limits.outgoing_per_site_max.max(1);
        self.sites.local_max = limits.local_max.max(1);
    }

    /// The site of this name, which may be new.
    pub fn site(&mut self, name: &str) -> SiteId {
        let site = self.sites.named(name);
        for reply in self.sites.left.drain(..) {
            self.replies.forget(reply);
        }
        self.lanes.grow((site + 1) * lanes::LANES);
        SiteId(site)
    }

    /// Mails in the queue.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.mails.len()
    }

    /// Whether there is no mail.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds a mail. Returns whether it was added: not if it is there already, or has no recipient.
    pub fn add(&mut self, new: &NewMail<'_>, now_ms: u64) -> bool {
        let now = self.ticks.set(now_ms);
        let has_recipients = new.recipients.iter().any(|(_, list)| !list.is_empty());
        if !has_recipients || self.find(new.mail).is_some() {
            return false;
        }
        let arrived = self.ticks.ceil(new.arrived_ms);
        let mut record = MailRecord::new(new.mail, new.place, arrived);
        record.set_flags(new.has_null_sender, new.is_noticed);
        let due = self.first_due(new, &record, now);
        let mail = self.records.mails.insert(record);
        let (records, index) = (&self.records, &mut self.index);
        index.insert(new.mail, mail, |record| records.mails[record].id());
        let mut last = mail;
        for (site, recipients) in new.recipients {
            let mut leader = None;
            for batch in recipients.chunks(JOB_RECIPIENTS_MAX) {
                let state = match leader {
                    _ if new.is_held => JobState::Held,
                    _ if due > now => JobState::Waiting,
                    None => JobState::Ready,
                    Some(_) => JobState::Behind,
                };
                let job = JobRecord::new(site.0, state, due, new.tried_until_ms.is_none());
                let batch = batch.iter().map(|index| QueuedRecipient {
                    index: *index,
                    ..QueuedRecipient::default()
                });
                last = self.records.add_job(last, job, batch.collect());
                self.joins(last, JobState::Empty);
                leader.get_or_insert(last);
            }
        }
        self.set_milestone(mail, self.last_chance(now));
        true
    }

    /// When a mail that joins the queue is tried: new mail at once, mail that was found when its age says so.
    fn first_due(&self, new: &NewMail<'_>, record: &MailRecord, now: Tick) -> Tick {
        let Some(until_ms) = new.tried_until_ms else {
            return now;
        };
        if self.lifetime_end(record) <= now {
            // There is a last chance, and only a moment for it.
            return now;
        }
        let chance = chance(record.chance_of());
        let until_ms = until_ms.saturating_sub(new.arrived_ms);
        let age_ms = now.since_ms(record.arrived);
        let next = self.schedule.next_try_ms(until_ms, age_ms, chance);
        next.map_or(now, |age_ms| record.arrived.after(age_ms))
    }

    /// The record of a mail.
    fn find(&self, mail: MailId) -> Option<u32> {
        self.index
            .get(mail, |record| self.records.mails[record].id())
    }

    /// Notes that a mail was moved in the spool.
    pub fn moved(&mut self, mail: MailId, place: SpoolPlace) {
        if let Some(mail) = self.find(mail) {
            self.records.mails[mail].set_place(place);
        }
    }

    /// The place of a mail in the spool.
    #[must_use]
    pub fn place(&self, mail: MailId) -> Option<SpoolPlace> {
        self.find(mail).map(|mail| self.records.mails[mail].place())
    }

    /// Lets a job with these recipients follow `after`, which is of the same mail and site.
    fn add_split(&mut self, after: u32, state: JobState, due: Tick, recipients: JobRecipients) {
        let site = self.records.job(after).site();
        let is_fresh = self.records.job(after).is_fresh();
        let job = JobRecord::new(site, state, due, is_fresh);
        let job = self.records.add_job(after, job, recipients);
        self.joins(job, JobState::Empty);
    }

    /// Removes a job that is in no list, and its mail if that was the last one.
    fn remove_job(&mut self, job: u32) {
        let mail = self.records.mail_of(job);
        let site = self.set_state(job, JobState::Empty);
        self.leaves_site(site, mail);
        for recipient in self.records.recipients(job) {
            self.replies.forget(recipient.reply);
        }
        self.records.remove_job(job);
        self.sites.refresh(site, self.ticks.now());
    }

    /// Removes a mail that has no job any more.
    fn remove_if_over(&mut self, mail: u32) {
        if !self.records.is_over(mail) {
            return;
        }
        self.clear_milestone(mail);
        let (records, index) = (&self.records, &mut self.index);
        let id = records.mails[mail].id();
        index.remove(id, |record| records.mails[record].id());
        self.records.mails.remove(mail);
    }
}
