//! The dispatcher: it brings queue, spool, network and connections together, and decides nothing that one of them can.
//!
//! What it is told in one tick it acts upon in [`Dispatcher::turn`]: mail that joined the queue, events of connections, names that
//! were looked up, wishes of the queue. Each is bounded, and what is left is done in the next tick.

mod awaited;
mod events;
mod handing;
mod last_tries;
mod load;
mod local;
mod local_jobs;
mod look_ups;
mod mail_event;
mod openings;
mod operator;
mod outcomes;
mod reading;
mod refusals;
mod report_steps;
mod reports;
mod rerouting;
mod unread;

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use awaited::{AwaitedRead, ParkedRead, ReadFor};
use last_tries::LastTries;
pub use load::OutboundLoad;
use local_jobs::LocalWorkers;
use look_ups::{AskedFor, LookUps};
use rerouting::Rerouting;
use smallvec::{SmallVec, smallvec};
use unread::UnreadMails;

use super::connection::Relay;
use super::dns::answer::NameTicket;
use super::mx::connect::MxConnector;
use super::network::Network;
use super::outgoing::SiteConnections;
use super::queue::{
    Choice, NewMail, OutgoingId, Queue, QueueEvent, QueueLimits, RetrySchedule, SiteId,
};
use super::report::ReportPolicy;
use super::sites::{RoutedSites, Sites};
use super::tls_results::TlsResults;
use crate::net::connections::Connections;
use crate::net::transport::Transport;
use crate::smtp::path::ReversePath;
use crate::smtp::policy::Policy;
use crate::store::Ticket;
use crate::store::spool::{QueuedMail, SpoolStore};

/// The most connections that are begun in one tick.
const DIALS_A_TICK_MAX: usize = 32;
/// The most events of the queue in one tick.
const QUEUE_EVENTS_A_TICK_MAX: usize = 1000;

/// The time of a tick: for connections, and for the queue in milliseconds of the epoch.
#[derive(Clone, Copy, Debug)]
pub struct RelayClock {
    /// For connections.
    pub now: Instant,
    /// For the queue.
    pub ms: u64,
}

impl RelayClock {
    /// The time of a tick.
    #[must_use]
    pub fn new(now: Instant, wall: SystemTime) -> Self {
        let since = wall.duration_since(SystemTime::UNIX_EPOCH);
        let ms = since.map_or(0, |time| {
            u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
        });
        Self { now, ms }
    }
}

/// All that one turn of the dispatcher works with.
pub(in crate::outbound) struct DispatchTurn<'a, T> {
    pub(super) connections: &'a mut Connections<Relay, T>,
    pub(super) spool: &'a mut dyn SpoolStore,
    pub(super) clock: RelayClock,
}

/// The settings of mail that is sent on.
#[derive(Clone, Debug)]
pub struct RelaySettings {
    /// The routes.
    pub routed: RoutedSites,
    /// How connections to hosts that domains name are made.
    pub mx: MxConnector,
    /// When mail is tried, and for how long.
    pub schedule: RetrySchedule,
    /// The bounds of connections.
    pub limits: QueueLimits,
    /// The rules of sessions, which say whose an address is.
    pub policy: Rc<Policy>,
}

/// Brings queue, spool, network and connections together.
pub struct Dispatcher<T> {
    queue: Queue,
    sites: Sites,
    network: Box<dyn Network<T>>,
    outgoings: SiteConnections,
    /// Questions about names that wait for their answers.
    looking_up: HashMap<NameTicket, AskedFor>,
    look_ups: LookUps,
    /// How connections to hosts that domains name are made.
    mx: MxConnector,
    /// Openings that have come to nothing for good: each refuses the mail of its site, one after the other.
    refusing: VecDeque<OutgoingId>,
    /// What waits for the spool process to read something.
    reading: HashMap<Ticket, AwaitedRead>,
    /// What is read again in a moment.
    parked: Vec<ParkedRead>,
    /// Whether there is a spool process. Without one nothing is begun.
    is_spool_ready: bool,
    /// Whether the spool takes no more changes for now. Then nothing is begun that makes another.
    is_spool_full: bool,
    /// How far the mail was gone through since the routes were reloaded.
    rerouting: Rerouting,
    /// Whether routes were reloaded at all.
    has_reloaded: bool,
    /// Connections that have room for another mail.
    asking: VecDeque<OutgoingId>,
    local: LocalWorkers,
    report_policy: ReportPolicy,
    unread: UnreadMails,
    last_tries: LastTries,
    /// The age at which a message is given up.
    lifetime_ms: u64,
    /// The rules of sessions, which say whose an address is.
    policy: Rc<Policy>,
    /// Hosts whose TLS has failed, and until when they are spoken to in the clear, in milliseconds of the epoch.
    tls_failed: HashMap<Rc<str>, u64>,
    tls_results: TlsResults,
    is_draining: bool,
}

impl<T: Transport> Dispatcher<T> {
    /// A dispatcher with nothing to do yet.
    pub fn new(settings: RelaySettings, network: Box<dyn Network<T>>, clock: RelayClock) -> Self {
        let RelaySettings {
            routed,
            mx,
            schedule,
            limits,
            policy,
        } = settings;
        let lifetime_ms = schedule.lifetime_ms;
        Self {
            queue: Queue::new(schedule, limits, clock.ms),
            sites: Sites::new(routed),
            network,
            outgoings: SiteConnections::default(),
            looking_up: HashMap::new(),
            look_ups: LookUps::default(),
            mx,
            refusing: VecDeque::new(),
            reading: HashMap::new(),
            parked: Vec::new(),
            is_spool_ready: true,
            is_spool_full: false,
            rerouting: Rerouting::Done,
            has_reloaded: false,
            asking: VecDeque::new(),
            local: LocalWorkers::default(),
            report_policy: ReportPolicy::default(),
            unread: UnreadMails::default(),
            last_tries: LastTries::default(),
            lifetime_ms,
            policy,
            tls_failed: HashMap::new(),
            tls_results: TlsResults::default(),
            is_draining: false,
        }
    }

    /// The network.
    pub fn network(&mut self) -> &mut dyn Network<T> {
        &mut *self.network
    }

    /// The queue, for whoever looks at it.
    pub fn queue(&self) -> &Queue {
        &self.queue
    }

    /// What came of TLS with hops.
    pub fn tls_results(&self) -> &TlsResults {
        &self.tls_results
    }

    /// Goes on with other routes, another schedule and other limits.
    pub fn reload(&mut self, settings: RelaySettings) {
        self.sites.reload(settings.routed, &mut self.queue);
        self.mx = settings.mx;
        self.lifetime_ms = settings.schedule.lifetime_ms;
        self.queue.reconfigure(settings.schedule, settings.limits);
        self.policy = settings.policy;
        self.rerouting = Rerouting::After(None);
        self.has_reloaded = true;
    }

    /// Begins nothing new from here on; what is under way may finish.
    pub fn drain(&mut self) {
        self.is_draining = true;
        self.queue.drain();
    }

    /// Acts on all that was told since the last turn.
    pub(super) fn turn(&mut self, turn: &mut DispatchTurn<'_, T>) {
        self.is_spool_ready = turn.spool.is_ready();
        self.is_spool_full = turn.spool.is_full();
        self.queue.pause(!self.can_begin());
        self.take_arrivals(turn);
        for (mail, place) in turn.spool.take_moved() {
            self.queue.moved(mail, place);
            self.report_moved(mail, place);
        }
        if self.is_draining {
            self.write_awaited_reports(turn);
        }
        self.take_answers(turn);
        // Before what was read is handed on: a connection that has closed takes no mail.
        self.take_connection_events(turn);
        self.take_ready_reads(turn);
        self.attend_connections(turn);
        self.take_delivered(turn);
        self.go_on_rerouting(turn);
        self.take_queue_events(turn);
        turn.spool.set_queued(self.queue.len());
        self.attend_connections(turn);
        self.start_look_ups(turn);
        self.start_connections(turn);
        self.go_on_refusing(turn);
        self.hand_out(turn);
    }

    /// Acts on what connections have told, and hands mail to those that ask, until none has more to say: whoever was handed one may
    /// ask for the next. So no connection is opened for what those that are open take. None takes more than a few.
    fn attend_connections(&mut self, turn: &mut DispatchTurn<'_, T>) {
        loop {
            self.take_connection_events(turn);
            self.hand_out(turn);
            if !turn.connections.shared().has_events() {
                return;
            }
        }
    }

    /// Queues mail that was accepted, or found at the start.
    fn take_arrivals(&mut self, turn: &mut DispatchTurn<'_, T>) {
        for queued in turn.spool.take_queued() {
            let alive_until_ms = turn.spool.alive_until_ms().unwrap_or(turn.clock.ms);
            let tried_until_ms = queued.is_found.then_some(alive_until_ms);
            self.enqueue(&queued, tried_until_ms, turn.clock.ms);
        }
    }

    /// Queues one mail, by the sites of its recipients.
    fn enqueue(&mut self, queued: &QueuedMail, tried_until_ms: Option<u64>, now_ms: u64) {
        let envelope = &queued.envelope;
        let mut by_site: SmallVec<[(SiteId, SmallVec<[u16; 4]>); 1]> = SmallVec::new();
        for (index, recipient) in (0..).zip(&envelope.recipients) {
            if queued.over.contains(&index) {
                continue;
            }
            let site = match recipient.is_local {
                true => SiteId::LOCAL,
                false if queued.is_found => self.site_now(&recipient.address, now_ms),
                false => (self.sites).site_for(&recipient.address, &mut self.queue, now_ms),
            };
            match by_site.iter_mut().find(|(other, _)| *other == site) {
                Some((_, recipients)) => recipients.push(index),
                None => by_site.push((site, smallvec![index])),
            }
        }
        let recipients: SmallVec<[(SiteId, &[u16]); 1]> = by_site
            .iter()
            .map(|(site, recipients)| (*site, recipients.as_slice()))
            .collect();
        let mail = NewMail {
            mail: queued.mail,
            place: queued.place,
            arrived_ms: envelope.arrived_ms,
            tried_until_ms,
            recipients: &recipients,
            has_null_sender: envelope.sender == ReversePath::Null,
            is_held: queued.is_held && queued.held.is_empty(),
            is_noticed: queued.is_noticed,
        };
        if self.queue.add(&mail, now_ms) {
            if !queued.held.is_empty() {
                let held = Choice::Only(&queued.held);
                self.queue.hold(queued.mail, held, now_ms);
            }
        } else {
            // It was found once more, by a spool process that took the place of another.
            self.queue.moved(queued.mail, queued.place);
        }
    }

    /// Does what the queue wants, other than new connections.
    fn take_queue_events(&mut self, turn: &mut DispatchTurn<'_, T>) {
        if self.is_spool_full {
            return;
        }
        for _ in 0..QUEUE_EVENTS_A_TICK_MAX {
            let Some(event) = self.queue.next_event(turn.clock.ms) else {
                return;
            };
            match event {
                QueueEvent::Offer(outgoing) => self.asking.push_back(outgoing),
                QueueEvent::CloseIdle(outgoing) => self.let_go(outgoing, turn),
                QueueEvent::Expired { mail, recipients } => {
                    self.read(ReadFor::Expiry(mail, recipients), turn);
                }
                QueueEvent::DelayNotice { mail, recipients } => {
                    self.read(ReadFor::Delay(mail, recipients), turn);
                }
            }
        }
    }

    /// The time at which there is something to do without an event; now if there is some already.
    pub(super) fn next_wake(&self, clock: RelayClock) -> Option<Instant> {
        let timer = self.next_timer(clock);
        timer.into_iter().chain(self.network.next_wake()).min()
    }

    /// The time at which the queue has something to do without an event, whatever name servers wait for.
    pub(super) fn next_timer(&self, clock: RelayClock) -> Option<Instant> {
        let refuses = !self.refusing.is_empty() && self.can_begin();
        if self.can_reroute() || self.look_ups.has_work() || refuses {
            return Some(clock.now);
        }
        let at = |ms: u64| clock.now + Duration::from_millis(ms.saturating_sub(clock.ms));
        let queue = self.queue.next_wake(clock.ms).map(at);
        let queue = queue.filter(|_| !self.is_spool_full);
        let parked = self.parked.iter().map(|parked| parked.until);
        let parked = parked.filter(|_| self.is_spool_ready).min();
        queue.into_iter().chain(parked).min()
    }

    /// Whether new work may be begun with the mail of the spool.
    fn can_begin(&self) -> bool {
        self.is_spool_ready && !self.is_spool_full
    }

    /// Whether nothing is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.outgoings.is_empty() && self.local.is_idle()
    }
}
