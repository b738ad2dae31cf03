//! Sites whose hosts have to be looked up, and mail that goes from them to the site of these hosts.
//!
//! Mail for a domain comes to a site of the domain's own first. A look-up is no connection: it takes none of those that may be open, so
//! that name servers that answer late keep no mail from sites that are known. Mail whose hosts are found goes on to the site of the hosts,
//! which other domains may share; where they are not found, a connection of the domain's own site fails at once and tells why.

use super::Queue;
use super::job::JobState;
use super::site::LookUp;
use super::types::SiteId;

/// The most look-ups at a time: each asks a question or two, and name servers are to have some left for others.
const LOOK_UPS_MAX: u32 = 100;

impl Queue {
    /// The site of this name whose hosts are to be looked up whenever it has mail to be sent. It may be new.
    pub fn site_to_look_up(&mut self, name: &str) -> SiteId {
        let site = self.site(name);
        let is_new = self.sites.records[site.0].look_up == LookUp::Over
            && self.sites.records[site.0].connections == 0;
        if is_new {
            self.look_up_again(site);
        }
        site
    }

    /// A site whose hosts are to be looked up now, if there is one: until its mail is
    /// [passed on](Self::pass_on), or they are [not found](Self::not_found).
    pub fn wants_look_up(&mut self, now_ms: u64) -> Option<SiteId> {
        let now = self.ticks.set(now_ms);
        if self.is_draining || self.is_paused || !self.can_look_up() {
            return None;
        }
        let site = self.sites.next_unresolved()?;
        self.sites.set_look_up(site, LookUp::UnderWay, now);
        Some(SiteId(site))
    }

    /// Whether there is a site to be looked up, and not too many are.
    pub(super) fn can_look_up(&self) -> bool {
        self.sites.looking_up() < LOOK_UPS_MAX && self.sites.next_unresolved().is_some()
    }

    /// Notes that a site has no hosts: its connections are opened to fail, and say so of one mail each.
    pub fn not_found(&mut self, site: SiteId) {
        self.sites
            .set_look_up(site.0, LookUp::Over, self.ticks.now());
    }

    /// Has the hosts of a site looked up once more when it has mail to be sent.
    pub fn look_up_again(&mut self, site: SiteId) {
        self.sites
            .set_look_up(site.0, LookUp::Due, self.ticks.now());
    }

    /// Lets mails that are ready at one site be ready at another, at most `max`; the number of those that went. The first site is up.
    pub fn pass_on(&mut self, from: SiteId, to: SiteId, max: usize, now_ms: u64) -> usize {
        let now = self.ticks.set(now_ms);
        let mut passed = 0;
        while passed < max
            && from != to
            && let Some(mail) = self.first_ready(from.0)
        {
            let jobs: Vec<u32> = self.records.jobs(mail).collect();
            for job in jobs {
                let record = self.records.job(job);
                let is_ready = matches!(record.state, JobState::Ready | JobState::Behind);
                if is_ready && record.site() == from.0 {
                    let all = self.records.recipients(job);
                    let all: Vec<u16> = all.iter().map(|recipient| recipient.index).collect();
                    self.bring_to(job, to.0, &all);
                }
            }
            passed += 1;
        }
        if self.sites.records[from.0].connections == 0 {
            self.sites.records[from.0].recover();
        }
        self.sites.refresh(from.0, now);
        passed
    }

    /// The mail of the first job that is ready at a site.
    fn first_ready(&self, site: u32) -> Option<u32> {
        let mut lanes = site * super::lanes::LANES..(site + 1) * super::lanes::LANES;
        let job = lanes.find_map(|lane| self.lanes.first(lane))?;
        Some(self.records.mail_of(job))
    }
}
