//! The queue as it is listed: page by page, from memory only.

use crate::store::spool::MailId;

use super::Queue;
use super::job::JobState;
use super::lanes::LANES;
use super::site::{LookUp, SiteHealth};
use super::ticks::Tick;
use super::types::{MailView, RecipientState, RecipientView, SiteId, SiteState, SiteView};

impl Queue {
    /// The first mails after this one, in the order of their names, at most `max`: a page of a listing, and of a command that concerns
    /// many. Mails that come and go meanwhile move no other.
    #[must_use]
    pub fn mails_after(&self, after: Option<MailId>, max: usize) -> Vec<MailId> {
        let name = |record| self.records.mails[record].id();
        let records = self.index.after(after, name).take(max);
        records.map(name).collect()
    }

    /// A mail as it is listed.
    #[must_use]
    pub fn mail(&self, mail: MailId) -> Option<MailView> {
        let record = &self.records.mails[self.find(mail)?];
        Some(MailView {
            mail,
            place: record.place(),
            arrived_ms: self.ticks.ms(record.arrived),
            is_noticed: record.is_noticed(),
        })
    }

    /// The recipients of a mail that are not over, in no order.
    pub fn recipients(&self, mail: MailId, now_ms: u64) -> impl Iterator<Item = RecipientView<'_>> {
        let now = self.ticks.floor(now_ms);
        let mail = self.find(mail).into_iter();
        let jobs = mail.flat_map(|mail| self.records.jobs(mail));
        jobs.flat_map(move |job| self.recipients_of(job, now))
    }

    fn recipients_of(&self, job: u32, now: Tick) -> impl Iterator<Item = RecipientView<'_>> {
        let record = self.records.job(job);
        let site = &self.sites.records[record.site()];
        let ready = match site.health {
            SiteHealth::Up => (RecipientState::Ready, None),
            SiteHealth::Down => (RecipientState::Waiting, Some(site.until)),
            SiteHealth::Probing => (RecipientState::Waiting, None),
        };
        let (state, next) = match record.state {
            JobState::Waiting | JobState::Uncertain if record.due <= now => ready,
            JobState::Waiting => (RecipientState::Waiting, Some(record.due)),
            JobState::Uncertain => (RecipientState::Uncertain, Some(record.due)),
            JobState::Ready | JobState::Behind => ready,
            JobState::Active => (RecipientState::Active, None),
            JobState::Held | JobState::Empty => (RecipientState::Held, None),
            JobState::Expired => (RecipientState::Expired, None),
        };
        let site = SiteId(record.site());
        let next_ms = next.map(|tick| self.ticks.ms(tick));
        let recipients = self.records.recipients(job).into_iter();
        recipients.map(move |recipient| RecipientView {
            index: recipient.index,
            site,
            state,
            tries: recipient.tries,
            next_ms,
            reply: self.replies.text(recipient.reply),
        })
    }

    /// The first sites after this one, at most `max`: a page of a listing. [`SiteId::LOCAL`] is the first of all.
    #[must_use]
    pub fn sites_after(&self, after: Option<SiteId>, max: usize) -> Vec<SiteView<'_>> {
        let numbers = self.sites.records.numbers_after(after.map(|site| site.0));
        numbers.take(max).map(|site| self.site_view(site)).collect()
    }

    /// The number of sites that took no connections when they were tried last.
    #[must_use]
    pub fn sites_down(&self) -> usize {
        let sites = self.sites.records.numbers_after(None);
        let is_up = |site: &u32| self.sites.records[*site].health == SiteHealth::Up;
        sites.filter(|site| !is_up(site)).count()
    }

    fn site_view(&self, site: u32) -> SiteView<'_> {
        let record = &self.sites.records[site];
        let jobs = record.waiting + record.ready + record.active + record.held;
        let oldest = record.oldest.or_else(|| {
            let mut lanes = site * LANES..(site + 1) * LANES;
            let first = lanes.find_map(|lane| self.lanes.first(lane))?;
            Some(self.records.mails[self.records.mail_of(first)].arrived)
        });
        // As each recipient is listed: what is ready waits for a site that is not up.
        let (waiting, ready) = match record.health {
            SiteHealth::Up => (record.waiting, record.ready),
            SiteHealth::Down | SiteHealth::Probing => (record.waiting + record.ready, 0),
        };
        SiteView {
            site: SiteId(site),
            name: &record.name,
            state: match record.health {
                _ if record.look_up == LookUp::UnderWay => SiteState::Resolving,
                SiteHealth::Up => SiteState::Up,
                SiteHealth::Probing => SiteState::Probing,
                SiteHealth::Down => SiteState::Down {
                    until_ms: self.ticks.ms(record.until),
                },
            },
            waiting,
            ready,
            active: record.active,
            held: record.held,
            connections: record.connections,
            window: self.sites.allowed(site, self.ticks.now()),
            oldest_ms: oldest
                .filter(|_| jobs > 0)
                .map(|oldest| self.ticks.ms(oldest)),
            policy: record.policy,
            error: self.replies.text(record.error),
        }
    }
}
