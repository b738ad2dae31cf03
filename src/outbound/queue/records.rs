//! What is kept of each mail: 72 octets with its first job, so that a million mails take little.

use crate::store::spool::{MailId, SpoolPlace, TextFlags};

use super::arena::Arena;
use super::job::{JobRecipients, JobRecord, JobState, NO_JOB, QueuedRecipient};
use super::links::{Linked, Links};
use super::ticks::Tick;
use super::wheel::Timed;

/// Marks the number of a job that is not the one within its mail's record.
const FURTHER: u32 = 1 << 30;

/// A mail as it is kept.
#[derive(Debug, Default)]
pub(super) struct MailRecord {
    instance: u32,
    count: u32,
    segment: u32,
    offset: u32,
    envelope_bytes: u32,
    text_low: u32,
    text_high: u16,
    text_flags: TextFlags,
    flags: u8,
    /// When it came.
    pub(super) arrived: Tick,
    /// When its next milestone is: its delay notice, its end. [`Tick::NEVER`] while none is set.
    pub(super) milestone: Tick,
    links: Links,
    first: JobRecord,
}

/// A job beyond the first of its mail.
#[derive(Debug, Default)]
struct FurtherJob {
    mail: u32,
    /// The job of the mail before it.
    previous: u32,
    job: JobRecord,
}

const NULL_SENDER: u8 = 1;
const NOTICED: u8 = 2;

impl MailRecord {
    /// A mail without jobs.
    pub(super) fn new(mail: MailId, place: SpoolPlace, arrived: Tick) -> Self {
        let mut record = Self {
            instance: mail.instance,
            count: mail.count,
            arrived,
            milestone: Tick::NEVER,
            ..Self::default()
        };
        record.set_place(place);
        record
    }

    /// Its name.
    pub(super) fn id(&self) -> MailId {
        MailId {
            instance: self.instance,
            count: self.count,
        }
    }

    /// Its place in the spool.
    pub(super) fn place(&self) -> SpoolPlace {
        SpoolPlace {
            segment: self.segment,
            offset: self.offset,
            envelope_bytes: self.envelope_bytes,
            text_bytes: u64::from(self.text_high) << 32 | u64::from(self.text_low),
            text_flags: self.text_flags,
        }
    }

    /// Notes its place in the spool. Text has at most 2^48 octets.
    pub(super) fn set_place(&mut self, place: SpoolPlace) {
        self.segment = place.segment;
        self.offset = place.offset;
        self.envelope_bytes = place.envelope_bytes;
        self.text_low = u32::try_from(place.text_bytes & 0xFFFF_FFFF).unwrap_or(0);
        self.text_high = u16::try_from(place.text_bytes >> 32).unwrap_or(u16::MAX);
        self.text_flags = place.text_flags;
    }

    /// A number that looks like chance, the mail's own.
    pub(super) fn chance_of(&self) -> u64 {
        u64::from(self.instance) << 32 | u64::from(self.count)
    }

    pub(super) fn has_null_sender(&self) -> bool {
        self.flags & NULL_SENDER != 0
    }

    pub(super) fn is_noticed(&self) -> bool {
        self.flags & NOTICED != 0
    }

    pub(super) fn set_noticed(&mut self) {
        self.flags |= NOTICED;
    }

    pub(super) fn clear_noticed(&mut self) {
        self.flags &= !NOTICED;
    }

    pub(super) fn set_flags(&mut self, has_null_sender: bool, is_noticed: bool) {
        let null_sender = if has_null_sender { NULL_SENDER } else { 0 };
        self.flags = null_sender | if is_noticed { NOTICED } else { 0 };
    }
}

/// All mails and jobs by number.
#[derive(Debug)]
pub(super) struct MailRecords {
    pub(super) mails: Arena<MailRecord>,
    further: Arena<FurtherJob>,
    lists: Arena<Box<[QueuedRecipient]>>,
}

impl MailRecords {
    pub(super) fn new() -> Self {
        Self {
            mails: Arena::new(),
            further: Arena::new(),
            lists: Arena::new(),
        }
    }

    /// The job of this number.
    pub(super) fn job(&self, job: u32) -> &JobRecord {
        if job & FURTHER == 0 {
            &self.mails[job].first
        } else {
            &self.further[job & !FURTHER].job
        }
    }

    pub(super) fn job_mut(&mut self, job: u32) -> &mut JobRecord {
        if job & FURTHER == 0 {
            &mut self.mails[job].first
        } else {
            &mut self.further[job & !FURTHER].job
        }
    }

    /// The job of a number that came from outside.
    pub(super) fn find_job(&self, job: u32) -> Option<&JobRecord> {
        if job & FURTHER == 0 {
            self.mails.get(job).map(|mail| &mail.first)
        } else {
            self.further.get(job & !FURTHER).map(|further| &further.job)
        }
    }

    /// The mail of a job.
    pub(super) fn mail_of(&self, job: u32) -> u32 {
        if job & FURTHER == 0 {
            job
        } else {
            self.further[job & !FURTHER].mail
        }
    }

    /// The job after this one of the same mail.
    pub(super) fn sibling(&self, job: u32) -> Option<u32> {
        let sibling = self.job(job).sibling;
        (sibling != NO_JOB).then_some(sibling)
    }

    /// The jobs of a mail. The first is within its record, and may be empty.
    pub(super) fn jobs(&self, mail: u32) -> impl Iterator<Item = u32> {
        let jobs = core::iter::successors(Some(mail), |job| self.sibling(*job));
        jobs.filter(|job| self.job(*job).state != JobState::Empty)
    }

    /// Adds a job after another of its mail; where that one is empty, in its stead. Returns its number.
    pub(super) fn add_job(
        &mut self,
        after: u32,
        mut job: JobRecord,
        recipients: JobRecipients,
    ) -> u32 {
        let sibling = self.job(after).sibling;
        job.sibling = sibling;
        let number = if self.job(after).state == JobState::Empty {
            *self.job_mut(after) = job;
            after
        } else {
            let further = FurtherJob {
                mail: self.mail_of(after),
                previous: after,
                job,
            };
            let number = self.further.insert(further) | FURTHER;
            self.job_mut(after).sibling = number;
            if sibling != NO_JOB {
                self.further[sibling & !FURTHER].previous = number;
            }
            number
        };
        self.set_recipients(number, recipients);
        number
    }

    /// Removes a job, which stands in no list.
    pub(super) fn remove_job(&mut self, job: u32) {
        self.set_recipients(job, JobRecipients::new());
        let sibling = self.job(job).sibling;
        if job & FURTHER == 0 {
            let first = &mut self.mails[job].first;
            *first = JobRecord::default();
            first.sibling = sibling;
            return;
        }
        let removed = self.further.remove(job & !FURTHER);
        self.job_mut(removed.previous).sibling = sibling;
        if sibling != NO_JOB {
            self.further[sibling & !FURTHER].previous = removed.previous;
        }
    }

    /// Whether a mail has no job left.
    pub(super) fn is_over(&self, mail: u32) -> bool {
        self.jobs(mail).next().is_none()
    }

    /// The recipients of a job.
    pub(super) fn recipients(&self, job: u32) -> JobRecipients {
        let job = self.job(job);
        match job.list() {
            Some(list) => JobRecipients::from_slice(&self.lists[list]),
            None => JobRecipients::from_elem(job.single(), 1),
        }
    }

    /// Gives a job other recipients.
    pub(super) fn set_recipients(&mut self, job: u32, recipients: JobRecipients) {
        if let Some(list) = self.job(job).list() {
            self.lists.remove(list);
        }
        match recipients[..] {
            [] => self.job_mut(job).set_single(QueuedRecipient::default()),
            [single] => self.job_mut(job).set_single(single),
            _ => {
                let list = self.lists.insert(recipients.into_boxed_slice());
                self.job_mut(job).set_list(list);
            }
        }
    }
}

/// Jobs as they stand in lanes and in the wheel of tries.
impl Linked for MailRecords {
    fn links(&mut self, job: u32) -> &mut Links {
        &mut self.job_mut(job).links
    }
}

impl Timed for MailRecords {
    fn due(&self, job: u32) -> Tick {
        self.job(job).due
    }
}

/// Mails as they stand in the wheel of milestones.
impl Linked for Arena<MailRecord> {
    fn links(&mut self, mail: u32) -> &mut Links {
        &mut self[mail].links
    }
}

impl Timed for Arena<MailRecord> {
    fn due(&self, mail: u32) -> Tick {
        self[mail].milestone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_with_its_first_job_takes_72_octets() {
        assert_eq!(size_of::<JobRecord>(), 28);
        assert_eq!(size_of::<MailRecord>(), 72);
        assert_eq!(size_of::<FurtherJob>(), 36);
    }
}
