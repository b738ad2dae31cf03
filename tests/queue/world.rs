//! A world around the queue: its caller, the sites, and a clock.

use std::collections::{BTreeMap, VecDeque};

use mailoop::outbound::queue::{
    Connect, NewMail, NextJob, OutgoingEnd, OutgoingId, Queue, QueueEvent, QueueLimits,
    RecipientOutcome, RetrySchedule, SiteId, SiteState, StartedJob,
};
use mailoop::store::spool::{MailId, SpoolPlace, TextFlags};

use crate::ledger::{Known, KnownMail, KnownState, Ledger};
use crate::peers::{Manner, NO_HOST, Peer};
use crate::prng::Prng;

pub const START_MS: u64 = 1_795_000_000_000;
const IDLE_MS: u64 = 5000;
/// The time at which worlds begin: mail may be older.
pub const BEGIN: u64 = 20 * DAY;
pub const SECOND: u64 = 1000;
pub const HOUR: u64 = 3600 * SECOND;
pub const DAY: u64 = 24 * HOUR;

/// What is going to happen to a connection.
#[derive(Clone, Copy, Debug)]
enum Coming {
    Dialed,
    Answered,
    /// It has been idle since then, if it still is.
    IdleSince(u64),
}

/// A connection.
#[derive(Debug)]
struct Connection {
    site: SiteId,
    is_open: bool,
    jobs: VecDeque<StartedJob>,
    idle_since: Option<u64>,
}

/// The world. Its time is true: milliseconds since it began; the clock that the queue is told may be set.
pub struct World {
    pub queue: Queue,
    pub schedule: RetrySchedule,
    pub limits: QueueLimits,
    pub rng: Prng,
    pub time: u64,
    pub clock_offset: i64,
    pub ledger: Ledger,
    pub peers: BTreeMap<SiteId, Peer>,
    connections: BTreeMap<OutgoingId, Connection>,
    agenda: BTreeMap<(u64, u64), (OutgoingId, Coming)>,
    order: u64,
    next_mail: u32,
    /// When connections were opened, and where to.
    pub connects: Vec<(u64, SiteId)>,
    pub answers: Vec<(u64, SiteId, MailId)>,
    /// Whether a connection that has a job asks for one more.
    pub asks_early: bool,
    pub trace: bool,
}

impl World {
    pub fn new(seed: u64, schedule: RetrySchedule, limits: QueueLimits) -> Self {
        Self {
            queue: Queue::new(schedule.clone(), limits, START_MS + BEGIN),
            schedule,
            limits,
            rng: Prng::new(seed),
            time: BEGIN,
            clock_offset: 0,
            ledger: Ledger::default(),
            peers: BTreeMap::from([(SiteId::LOCAL, Peer::new(Manner::Up, 1))]),
            connections: BTreeMap::new(),
            agenda: BTreeMap::new(),
            order: 0,
            next_mail: 0,
            connects: Vec::new(),
            answers: Vec::new(),
            asks_early: false,
            trace: false,
        }
    }

    /// What the clock says.
    pub fn now(&self) -> u64 {
        START_MS
            .checked_add(self.time)
            .unwrap()
            .checked_add_signed(self.clock_offset)
            .unwrap()
    }

    pub fn add_site(&mut self, manner: Manner, latency_ms: u64) -> SiteId {
        let peer = Peer::new(manner, latency_ms);
        let site = self.queue.site(&format!("site {}", self.peers.len()));
        self.peers.insert(site, peer);
        site
    }

    /// A mail of this age comes, for so many recipients at each of these sites.
    pub fn add_mail(
        &mut self,
        sites: &[(SiteId, u16)],
        age: u64,
        tried: bool,
        null: bool,
    ) -> MailId {
        self.next_mail += 1;
        let mail = MailId {
            instance: 1 + self.next_mail / 100_000,
            count: self.next_mail % 100_000,
        };
        let place = SpoolPlace {
            segment: self.next_mail,
            offset: 16,
            envelope_bytes: 80,
            text_bytes: 1 << 33 | 1000,
            text_flags: TextFlags::EIGHT_BIT,
        };
        let mut recipients = BTreeMap::new();
        let mut lists = Vec::new();
        let mut index = 0;
        for (site, count) in sites {
            lists.push((*site, (index..index + count).collect::<Vec<u16>>()));
            for index in index..index + count {
                let known = Known {
                    site: *site,
                    state: KnownState::Queued,
                    not_before: 0,
                    tries: 0,
                    tried_at: Vec::new(),
                };
                recipients.insert(index, known);
            }
            index += count;
        }
        let lists: Vec<(SiteId, &[u16])> = lists
            .iter()
            .map(|(site, list)| (*site, &list[..]))
            .collect();
        let now = self.now();
        let added = self.queue.add(
            &NewMail {
                mail,
                place,
                arrived_ms: now - age,
                tried_until_ms: tried.then_some(now - age),
                recipients: &lists,
                has_null_sender: null,
                is_held: false,
                is_noticed: false,
            },
            now,
        );
        assert!(added);
        let known = KnownMail {
            place,
            arrived: self.time - age,
            has_null_sender: null,
            noticed: 0,
            noticed_at: None,
            recipients,
        };
        self.ledger.mails.insert(mail, known);
        mail
    }

    fn plan(&mut self, after: u64, connection: OutgoingId, coming: Coming) {
        self.order += 1;
        self.agenda
            .insert((self.time + after, self.order), (connection, coming));
    }

    fn say(&self, what: impl FnOnce() -> String) {
        if self.trace {
            println!("{:>10} {}", self.time, what());
        }
    }

    /// Does all that is to be done now.
    pub fn act(&mut self) {
        while let Some(((time, order), (connection, coming))) =
            self.agenda.first_key_value().map(|(k, v)| (*k, *v))
            && time <= self.time
        {
            self.agenda.remove(&(time, order));
            self.comes(connection, coming);
        }
        for _ in 0..32 {
            let Some(connect) = self.queue.wants_connection(self.now()) else {
                break;
            };
            self.connect(connect);
        }
        while let Some(event) = self.queue.next_event(self.now()) {
            self.say(|| format!("{event:?}"));
            self.ledger.happens(&event, &self.schedule, self.time);
            match event {
                QueueEvent::Offer(connection) => self.ask(connection),
                QueueEvent::CloseIdle(connection) => self.close(connection, OutgoingEnd::Done),
                QueueEvent::Expired { mail, recipients } => {
                    if self.rng.one_in(2) {
                        self.report_is_durable(mail, &recipients);
                    }
                }
                QueueEvent::DelayNotice { .. } => {}
            }
        }
    }

    fn report_is_durable(&mut self, mail: MailId, recipients: &[u16]) {
        self.queue.over(mail, recipients);
        let known = self.ledger.mails.get_mut(&mail).unwrap();
        for index in recipients {
            known.recipients.get_mut(index).unwrap().state = KnownState::Over;
        }
    }

    /// Reports of all that has expired are in the spool.
    pub fn reports_are_durable(&mut self) {
        let mails: Vec<MailId> = self.ledger.mails.keys().copied().collect();
        for mail in mails {
            let recipients = self.ledger.mails[&mail].recipients.iter();
            let expired = recipients.filter(|(_, known)| known.state == KnownState::Expired);
            let expired: Vec<u16> = expired.map(|(index, _)| *index).collect();
            if !expired.is_empty() {
                self.report_is_durable(mail, &expired);
            }
        }
    }

    /// When something is to be done next.
    pub fn next_time(&self) -> Option<u64> {
        let agenda = self.agenda.first_key_value().map(|((time, _), _)| *time);
        let wake = self.queue.next_wake(self.now()).map(|wake| {
            let wait = wake.saturating_sub(self.now());
            self.time + wait
        });
        agenda.into_iter().chain(wake).min()
    }

    /// Goes on until this time.
    pub fn run_until(&mut self, end: u64) {
        loop {
            self.act();
            match self.next_time() {
                Some(next) if next <= end => self.time = self.time.max(next),
                _ => break,
            }
        }
        self.time = self.time.max(end);
    }

    fn connect(&mut self, connect: Connect) {
        let Connect {
            connection,
            site,
            is_probe,
        } = connect;
        self.say(|| format!("connect {connect:?}"));
        let open = |site| {
            self.connections
                .values()
                .filter(|other| other.site == site)
                .count()
        };
        let at_site = open(site) + 1;
        let all = self
            .connections
            .values()
            .filter(|other| other.site != SiteId::LOCAL)
            .count();
        if site != SiteId::LOCAL {
            assert!(all < self.limits.outgoing_max as usize);
            assert!(at_site <= self.limits.outgoing_per_site_max.into());
        }
        let before = site.0.checked_sub(1).map(SiteId);
        let view = self.queue.sites_after(before, 1)[0];
        assert_eq!((view.site, usize::from(view.connections)), (site, at_site));
        assert!(view.connections <= view.window, "{view:?}");
        assert_eq!(is_probe, view.state == SiteState::Probing);
        self.connects.push((self.time, site));
        let line = Connection {
            site,
            is_open: false,
            jobs: VecDeque::new(),
            idle_since: None,
        };
        self.connections.insert(connection, line);
        let (_, after) = self.peers[&site].dial();
        self.plan(after, connection, Coming::Dialed);
    }

    fn comes(&mut self, connection: OutgoingId, coming: Coming) {
        let Some(line) = self.connections.get_mut(&connection) else {
            return;
        };
        let peer = self.peers[&line.site];
        match coming {
            Coming::Dialed if peer.dial().0 => {
                line.is_open = true;
                self.queue.opened(connection);
                self.ask(connection);
            }
            Coming::Dialed => {
                if let NextJob::Job(job) = self.queue.next_job(connection, self.now()) {
                    self.starts(connection, job);
                    self.settle(connection, |job| {
                        let unreached = RecipientOutcome::Unreached(NO_HOST);
                        job.recipients
                            .iter()
                            .map(|to| (to.index, unreached))
                            .collect()
                    });
                }
                self.connections.remove(&connection);
                self.queue.failed(connection, self.now());
            }
            Coming::Answered => self.answers(connection, peer),
            Coming::IdleSince(since) => {
                if line.idle_since == Some(since) {
                    self.close(connection, OutgoingEnd::Done);
                }
            }
        }
    }

    /// A connection without a job, or with one, asks for the next.
    fn ask(&mut self, connection: OutgoingId) {
        let next = self.queue.next_job(connection, self.now());
        let line = self.connections.get_mut(&connection).unwrap();
        line.idle_since = None;
        match next {
            NextJob::Job(job) => {
                let is_first = line.jobs.is_empty();
                let latency = self.peers[&line.site].latency_ms;
                self.starts(connection, job);
                if is_first {
                    self.plan(latency, connection, Coming::Answered);
                    if self.asks_early {
                        self.ask(connection);
                    }
                }
            }
            NextJob::Wait if line.jobs.is_empty() => {
                line.idle_since = Some(self.time);
                self.plan(IDLE_MS, connection, Coming::IdleSince(self.time));
            }
            NextJob::Wait => {}
            NextJob::Close => self.close(connection, OutgoingEnd::Done),
        }
    }

    fn starts(&mut self, connection: OutgoingId, job: StartedJob) {
        self.say(|| format!("{connection:?} {job:?}"));
        let line = self.connections.get_mut(&connection).unwrap();
        self.ledger.starts(&job, line.site, self.time);
        line.jobs.push_back(job);
    }

    /// Settles the first job of a connection.
    fn settle(
        &mut self,
        connection: OutgoingId,
        outcomes: impl FnOnce(&StartedJob) -> Vec<(u16, RecipientOutcome<'static>)>,
    ) {
        let now = self.now();
        let line = self.connections.get_mut(&connection).unwrap();
        let job = line.jobs.pop_front().unwrap();
        let states = &self.ledger.mails[&job.mail].recipients;
        let mut states = job.recipients.iter().map(|to| states[&to.index].state);
        let cancelled = states
            .clone()
            .all(|state| state == KnownState::ActiveToDelete);
        let is_wanted = states.all(|state| state == KnownState::Active);
        assert_eq!(self.queue.is_wanted(job.job), is_wanted);
        let outcomes = if cancelled {
            Vec::new()
        } else {
            outcomes(&job)
        };
        // A host may say something of some, and another one of the others.
        let first = if outcomes.len() > 1 && self.rng.one_in(3) {
            self.rng.below(outcomes.len() - 1) + 1
        } else {
            0
        };
        if first > 0 {
            self.queue.settle_part(job.job, &outcomes[..first], now);
        }
        self.queue.settle(job.job, &outcomes[first..], now);
        let again = RecipientOutcome::Again;
        let all = job.recipients.iter().map(|to| {
            let outcome = outcomes.iter().find(|(index, _)| *index == to.index);
            (to.index, outcome.map_or(again, |(_, outcome)| *outcome))
        });
        let all: Vec<_> = all.collect();
        self.ledger.settles(&job, &all, &self.schedule, self.time);
        self.answers
            .push((self.time, self.connections[&connection].site, job.mail));
    }

    fn answers(&mut self, connection: OutgoingId, peer: Peer) {
        let mut rng = self.rng.fork();
        let mut lives = true;
        self.settle(connection, |job| {
            let (outcomes, goes_on) = peer.answer(&job.recipients, &mut rng);
            lives = goes_on;
            outcomes
        });
        if !lives {
            self.close(connection, OutgoingEnd::Broken);
        } else if self.connections[&connection].jobs.is_empty() {
            self.ask(connection);
        } else {
            self.plan(peer.latency_ms, connection, Coming::Answered);
            self.ask(connection);
        }
    }

    fn close(&mut self, connection: OutgoingId, end: OutgoingEnd) {
        // What had begun early was not tried.
        while !self.connections[&connection].jobs.is_empty() {
            self.settle(connection, |_| Vec::new());
        }
        self.connections.remove(&connection);
        self.queue.closed(connection, end, self.now());
    }

    /// Connections that there are.
    pub fn open_connections(&self) -> usize {
        self.connections.len()
    }

    /// The process ends, and another begins with what is in the spool.
    pub fn restart(&mut self) {
        self.agenda.clear();
        self.connections.clear();
        self.queue = Queue::new(self.schedule.clone(), self.limits, self.now());
        let names: Vec<SiteId> = self.peers.keys().copied().collect();
        for site in names {
            if site != SiteId::LOCAL {
                assert_eq!(self.queue.site(&format!("site {}", site.0)), site);
            }
        }
        let now = self.now();
        for (id, mail) in &mut self.ledger.mails {
            let is_held = mail
                .recipients
                .values()
                .any(|known| matches!(known.state, KnownState::Held | KnownState::ActiveToHold));
            let mut lists: BTreeMap<SiteId, Vec<u16>> = BTreeMap::new();
            for (index, known) in &mut mail.recipients {
                if known.state == KnownState::ActiveToDelete {
                    known.state = KnownState::Over;
                    self.ledger.deleted += 1;
                }
                if known.state == KnownState::Over {
                    continue;
                }
                if known.state == KnownState::Expired {
                    // Its report was not durable.
                    self.ledger.expired -= 1;
                }
                lists.entry(known.site).or_default().push(*index);
                known.state = if is_held {
                    KnownState::Held
                } else {
                    KnownState::Queued
                };
                (known.tries, known.not_before) = (0, 0);
            }
            let lists: Vec<(SiteId, &[u16])> = lists
                .iter()
                .map(|(site, list)| (*site, &list[..]))
                .collect();
            let arrived_ms = now - (self.time - mail.arrived);
            self.queue.add(
                &NewMail {
                    mail: *id,
                    place: mail.place,
                    arrived_ms,
                    tried_until_ms: Some(now),
                    recipients: &lists,
                    has_null_sender: mail.has_null_sender,
                    is_held,
                    is_noticed: mail.noticed > 0,
                },
                now,
            );
        }
    }
}
