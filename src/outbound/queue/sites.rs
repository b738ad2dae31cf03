//! All sites, by number and by name, and the lists of those that need something.

use std::collections::BTreeMap;

use super::arena::Arena;
use super::job::SITES_MAX;
use super::links::Lists;
use super::replies::KeptReply;
use super::site::{LookUp, SiteHealth, SiteRecord, Standing};
use super::ticks::Tick;
use super::types::SiteId;
use super::wheel::{Wheel, WheelStep};

/// Sites beyond so many are forgotten once they have neither mail nor connections, those first that have had none for longest.
const SITES_KEPT: usize = 100_000;

const STARVING: u32 = 0;
const HUNGRY: u32 = 1;
const OFFERING: u32 = 2;
const IDLE: u32 = 3;
const UNRESOLVED: u32 = 4;

/// All sites.
#[derive(Debug)]
pub(super) struct SiteTable {
    pub(super) records: Arena<SiteRecord>,
    by_name: BTreeMap<Box<str>, u32>,
    lists: Lists,
    timers: Wheel,
    hungry: u32,
    /// Sites whose hosts are being looked up.
    looking_up: u32,
    /// What sites that are forgotten have kept.
    pub(super) left: Vec<KeptReply>,
    /// Connections that one site may have, and the one of mailboxes here.
    pub(super) site_max: u16,
    pub(super) local_max: u16,
}

impl SiteTable {
    /// The local site.
    pub(super) fn new(now: Tick) -> Self {
        let mut sites = Self {
            records: Arena::new(),
            by_name: BTreeMap::new(),
            lists: Lists::new(UNRESOLVED + 1),
            timers: Wheel::new(now),
            hungry: 0,
            looking_up: 0,
            left: Vec::new(),
            site_max: 1,
            local_max: 1,
        };
        sites.records.insert(SiteRecord::new("local"));
        sites
    }

    /// The site of this name.
    pub(super) fn named(&mut self, name: &str) -> u32 {
        if let Some(site) = self.by_name.get(name) {
            return *site;
        }
        if self.records.len() >= SITES_KEPT {
            self.forget_one();
        }
        if self.records.len() >= SITES_MAX as usize {
            // Far beyond what the mails of a queue can need: all that is lost is that two sites are one.
            return SITES_MAX - 1;
        }
        let site = self.records.insert(SiteRecord::new(name));
        self.by_name.insert(name.into(), site);
        self.stand(site, Standing::Idle);
        site
    }

    fn forget_one(&mut self) {
        if let Some(site) = self.lists.pop(IDLE, &mut self.records) {
            let record = self.records.remove(site);
            self.looking_up -= u32::from(record.look_up == LookUp::UnderWay);
            self.left.push(record.error);
            self.by_name.remove(&record.name);
        }
    }

    /// Connections that a site may have now.
    pub(super) fn allowed(&self, site: u32, now: Tick) -> u16 {
        if site == SiteId::LOCAL.0 {
            return self.local_max.max(1);
        }
        self.records[site].allowed(now, self.site_max)
    }

    /// Whether a site could use one more connection.
    pub(super) fn wants_connection(&self, site: u32, now: Tick) -> bool {
        let record = &self.records[site];
        record.lacks_connections()
            && record.parked == 0
            && record.connections < self.allowed(site, now)
    }

    /// Moves a site to the list where it belongs after something of it has changed.
    pub(super) fn refresh(&mut self, site: u32, now: Tick) {
        let record = &self.records[site];
        let standing = if record.is_idle() && record.health == SiteHealth::Up {
            Standing::Idle
        } else if record.health == SiteHealth::Down && record.until > now {
            Standing::Timer
        } else if record.parked > 0 && record.lacks_connections() && record.may_start() {
            Standing::Offering
        } else if self.wants_connection(site, now) {
            match record.look_up {
                LookUp::Due => Standing::Unresolved,
                LookUp::UnderWay => Standing::Nowhere,
                LookUp::Over if record.connections == 0 => Standing::Starving,
                LookUp::Over => Standing::Hungry,
            }
        } else if record.is_idle() {
            Standing::Idle
        } else {
            Standing::Nowhere
        };
        if standing == Standing::Idle && record.standing != Standing::Idle {
            let record = &mut self.records[site];
            if record.health == SiteHealth::Up {
                record.recover();
            }
        }
        self.stand(site, standing);
    }

    fn stand(&mut self, site: u32, standing: Standing) {
        let from = core::mem::replace(&mut self.records[site].standing, standing);
        // The local site comes before all others and needs no list.
        if from == standing || site == SiteId::LOCAL.0 {
            return;
        }
        match from {
            Standing::Nowhere => {}
            Standing::Timer => self.timers.remove(site, &mut self.records),
            Standing::Starving
            | Standing::Hungry
            | Standing::Offering
            | Standing::Unresolved
            | Standing::Idle => {
                self.lists.remove(site, &mut self.records);
            }
        }
        let is_hungry = |standing| matches!(standing, Standing::Starving | Standing::Hungry);
        self.hungry -= u32::from(is_hungry(from));
        self.hungry += u32::from(is_hungry(standing));
        match standing {
            Standing::Nowhere => {}
            Standing::Timer => self.timers.insert(site, &mut self.records),
            Standing::Starving => self.lists.push(STARVING, site, &mut self.records),
            Standing::Hungry => self.lists.push(HUNGRY, site, &mut self.records),
            Standing::Offering => self.lists.push(OFFERING, site, &mut self.records),
            Standing::Unresolved => self.lists.push(UNRESOLVED, site, &mut self.records),
            Standing::Idle => self.lists.push(IDLE, site, &mut self.records),
        }
    }

    /// Lets a site that is down be probed at once.
    pub(super) fn probe_now(&mut self, site: u32, now: Tick) {
        let record = &mut self.records[site];
        if record.health == SiteHealth::Down && record.until > now {
            record.until = now;
            self.refresh(site, now);
        }
    }

    /// Says how far the look-up of a site's hosts is.
    pub(super) fn set_look_up(&mut self, site: u32, look_up: LookUp, now: Tick) {
        let before = core::mem::replace(&mut self.records[site].look_up, look_up);
        self.looking_up -= u32::from(before == LookUp::UnderWay);
        self.looking_up += u32::from(look_up == LookUp::UnderWay);
        self.refresh(site, now);
    }

    /// Sites whose hosts are being looked up.
    pub(super) fn looking_up(&self) -> u32 {
        self.looking_up
    }

    /// The first site whose hosts are to be looked up.
    pub(super) fn next_unresolved(&self) -> Option<u32> {
        self.lists.first(UNRESOLVED)
    }

    /// How many sites could use one more connection, the local one left out.
    pub(super) fn hungry(&self) -> u32 {
        self.hungry
    }

    /// The site whose turn it is to get one more connection: the first that has none, else the first that has fewer than `share`, else
    /// the first of all.
    pub(super) fn next_hungry(&mut self, share: u16) -> Option<u32> {
        if let Some(site) = self.lists.first(STARVING) {
            return Some(site);
        }
        // Of those that have their share there cannot be many, so the search is short.
        for _ in 0..self.hungry.min(8) {
            let site = self.lists.first(HUNGRY)?;
            if self.records[site].connections < share {
                return Some(site);
            }
            self.rotate(site);
        }
        self.lists.first(HUNGRY)
    }

    /// Puts a site that has connections, and could use one more, after all others of these.
    pub(super) fn rotate(&mut self, site: u32) {
        if self.records[site].standing == Standing::Hungry {
            self.stand(site, Standing::Nowhere);
            self.stand(site, Standing::Hungry);
        }
    }

    /// A site that has a job for an idle connection.
    pub(super) fn next_offering(&self) -> Option<u32> {
        let local = SiteId::LOCAL.0;
        if self.records[local].standing == Standing::Offering {
            return Some(local);
        }
        self.lists.first(OFFERING)
    }

    /// Does a step of the timers of sites that are down.
    pub(super) fn step(&mut self, now: Tick) -> WheelStep {
        let step = self.timers.step(now, &mut self.records);
        if let WheelStep::Due(site) = step {
            // It stands in the wheel no more.
            self.records[site].standing = Standing::Nowhere;
            self.refresh(site, now);
        }
        step
    }

    /// When there is something to do for the timers of sites.
    pub(super) fn next_timer(&self) -> Option<Tick> {
        self.timers.next()
    }
}
