//! Connections are opened: names are looked up, addresses are dialed one after the other, and a site that cannot be reached is
//! told of.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use smallvec::SmallVec;

use super::awaited::ReadFor;
use super::look_ups::AskedFor;
use super::{DIALS_A_TICK_MAX, DispatchTurn, Dispatcher};
use crate::net::endpoint::SocketAddress;
use crate::net::transport::Transport;
use crate::net::trust::TrustError;
use crate::outbound::connection::{Relay, address_advice};
use crate::outbound::delivery::{RecipientResult, ResultClass};
use crate::outbound::delivery_log::host_text;
use crate::outbound::desk::HopFault;
use crate::outbound::dns::answer::{NameAnswer, NameError, NameResult};
use crate::outbound::hop::{DANE, HopFacts, HopSettings};
use crate::outbound::mx::connect::MxConnector;
use crate::outbound::mx::exchangers::DomainFailure;
use crate::outbound::mx::ourselves::AddressVerdict;
use crate::outbound::mx::site::{HostAssociations, MxSite};
use crate::outbound::opening::{DialedHop, HostFailure, OpeningStep, SiteOpening};
use crate::outbound::outgoing::SiteConnection;
use crate::outbound::queue::{Connect, NextJob, OutgoingId, SiteId};
use crate::outbound::sites::{SiteHop, SiteHops, SiteWay};
use crate::outbound::tls_results::TlsPolicy;
use crate::smtp::status::EnhancedStatus;

/// The time for a connection while other addresses are left, and for the last one.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const LAST_CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// The time for which a host whose TLS has failed is spoken to in the clear, in milliseconds: a day.
const TLS_FAILED_MS: u64 = 86_400_000;
/// The most hosts that are remembered so.
const TLS_FAILED_MAX: usize = 10_000;

impl<T: Transport> Dispatcher<T> {
    /// Begins connections that the queue wants, and gives mailboxes here their mail.
    pub(super) fn start_connections(&mut self, turn: &mut DispatchTurn<'_, T>) {
        for _ in 0..DIALS_A_TICK_MAX {
            if self.is_draining {
                return;
            }
            let Some(Connect {
                connection, site, ..
            }) = self.queue.wants_connection(turn.clock.ms)
            else {
                return;
            };
            if site == SiteId::LOCAL {
                self.local.hire(connection);
                self.queue.opened(connection);
                self.asking.push_back(connection);
                continue;
            }
            let outgoing = SiteConnection {
                site,
                opening: self.opening(site, connection),
                connection: None,
                ready: None,
                hop: DialedHop {
                    name: Rc::from(""),
                    text: Rc::from(""),
                },
                settings: None,
                jobs: SmallVec::new(),
                carried: VecDeque::new(),
                tls_failures: Vec::new(),
                is_broken: false,
            };
            self.outgoings.insert(connection, outgoing);
            self.go_on_opening(connection, turn);
        }
    }

    /// The way to a new connection with a site.
    fn opening(&self, site: SiteId, connection: OutgoingId) -> SiteOpening {
        match self.sites.way(site) {
            Some(SiteWay::Hops(hops)) => SiteOpening::new(Rc::clone(hops), None),
            Some(SiteWay::Mx(mx)) => self.mx_opening(mx, connection),
            Some(SiteWay::Domain(domain, why)) => {
                debug_assert!(why.is_some(), "a domain is looked up before a connection");
                let why = why.unwrap_or(DomainFailure::Unknown(NameError::Busy));
                SiteOpening::hopeless(why.result(&domain.domain))
            }
            None => SiteOpening::new(SiteHops::default(), None),
        }
    }

    /// The way to the hosts of a domain.
    fn mx_opening(&self, mx: &Rc<MxSite>, connection: OutgoingId) -> SiteOpening {
        let published = HostAssociations::None;
        let hosts = mx.in_turn(connection.0.into());
        let mut lacking = None;
        let hops = hosts.filter_map(|host| {
            let hop = self.mx.hop(mx, &host.name, &published);
            // One host for which TLS cannot be had keeps no mail from the others.
            hop.map_err(|error| lacking = Some(error)).ok()
        });
        let hops: SiteHops = hops.collect();
        let hops = match lacking {
            Some(error) if hops.is_empty() => Err(error),
            _ => Ok(hops),
        };
        let literal = (mx.hosts.iter()).find_map(|host| self.mx.verdict_on_literal(&host.name));
        match (hops, literal) {
            (Err(error), _) => {
                let account = format!("TLS cannot be had: {error}");
                SiteOpening::hopeless(trouble(EnhancedStatus::new(4, 7, 5), &account))
            }
            (Ok(_), Some(AddressVerdict::Special)) => {
                SiteOpening::hopeless(DomainFailure::NoHost.result(&mx.name))
            }
            (Ok(_), Some(AddressVerdict::Ours)) => {
                SiteOpening::hopeless(DomainFailure::Ourselves.result(&mx.name))
            }
            (Ok(hops), Some(AddressVerdict::Fine) | None) => {
                SiteOpening::new(hops, Some(Rc::clone(mx)))
            }
        }
    }

    /// Goes on with the answers to names that were looked up. A server that is about to end waits for none.
    pub(super) fn take_answers(&mut self, turn: &mut DispatchTurn<'_, T>) {
        if self.is_draining {
            for asked in std::mem::take(&mut self.looking_up).into_values() {
                match asked {
                    AskedFor::Opening(id) if self.outgoings.carries(id) => self.give_up(id, turn),
                    AskedFor::Opening(id) => self.end_opening(id, turn.clock.ms),
                    AskedFor::Domain(_) => {}
                }
            }
        }
        self.network.tick(turn.clock.now);
        for (ticket, answer) in self.network.take_answers() {
            match self.looking_up.remove(&ticket) {
                Some(AskedFor::Opening(id)) => {
                    self.take_opening_answer(id, &answer);
                    self.go_on_opening(id, turn);
                }
                Some(AskedFor::Domain(site)) => self.take_domain_answer(site, &answer, turn),
                None => {}
            }
        }
    }

    /// Notes the answer to what an opening has asked.
    fn take_opening_answer(&mut self, id: OutgoingId, answer: &NameResult) {
        let Some(outgoing) = self.outgoings.get_mut(id) else {
            return;
        };
        if let Err(why) = outgoing.opening.answered(answer, &self.mx.rules) {
            self.tls_results.note(TlsPolicy::Tlsa, Err(why));
            self.queue.note_policy(id, DANE);
        }
    }

    /// Goes on with an opening until it waits for something, or nothing is left to be tried.
    pub(super) fn go_on_opening(&mut self, id: OutgoingId, turn: &mut DispatchTurn<'_, T>) {
        loop {
            let Some(outgoing) = self.outgoings.get_mut(id) else {
                return;
            };
            match outgoing.opening.next_step() {
                OpeningStep::LookUp(question) => {
                    match self.network.look_up(&question, turn.clock.now) {
                        NameAnswer::Now(answer) => self.take_opening_answer(id, &answer),
                        NameAnswer::Later(ticket) => {
                            self.looking_up.insert(ticket, AskedFor::Opening(id));
                            return;
                        }
                    }
                }
                OpeningStep::Dial(address) => match self.dial(id, &address, turn) {
                    Ok(()) => return,
                    Err(why) => {
                        if let Some(outgoing) = self.outgoings.get_mut(id) {
                            outgoing.opening.failed(HostFailure::of_nobody(why));
                        }
                    }
                },
                OpeningStep::GiveUp => return self.give_up(id, turn),
            }
        }
    }

    /// Begins a connection to an address of the present hop; why there is none.
    fn dial(
        &mut self,
        id: OutgoingId,
        address: &SocketAddress,
        turn: &mut DispatchTurn<'_, T>,
    ) -> Result<(), RecipientResult> {
        let outgoing = self.outgoings.get_mut(id);
        let hop = outgoing.and_then(|outgoing| {
            let hop = outgoing.opening.hop().cloned()?;
            Some((hop, outgoing))
        });
        let Some((hop, outgoing)) = hop else {
            debug_assert!(false, "an address belongs to a hop");
            return Err(no_route().result);
        };
        let hop = published_hop(&hop, &outgoing.opening, &self.mx).map_err(|error| {
            let account = format!("{}: TLS cannot be had: {error}", hop.name);
            trouble(EnhancedStatus::new(4, 7, 5), &account)
        })?;
        let timeout = match outgoing.opening.has_another() {
            true => CONNECT_TIMEOUT,
            false => LAST_CONNECT_TIMEOUT,
        };
        let key = turn.connections.next_key();
        let connection = turn.connections.next_connection();
        let dialed = self.network.dial(address, key, connection);
        let (transport, peer) = dialed.map_err(|error| {
            let advice = address_advice(&error);
            let reply = format!("cannot connect to {address}: {error}{advice}");
            trouble(EnhancedStatus::new(4, 4, 1), &reply)
        })?;
        outgoing.hop = DialedHop {
            name: Rc::clone(&hop.name),
            text: host_text(&hop.name, peer).into(),
        };
        let settings = self.settings(&hop, turn.clock.ms);
        if let Some(outgoing) = self.outgoings.get_mut(id) {
            outgoing.settings = Some(Rc::clone(&settings));
        }
        self.queue.note_policy(id, settings.policy_name());
        let now = turn.clock.now;
        let driver = Relay::new(self.outgoings.connect(id), settings, peer, now);
        turn.connections.set_time(now);
        turn.connections
            .dial(transport, driver, peer, now + timeout);
        Ok(())
    }

    /// The settings for a hop: in the clear for a day once its TLS has failed, where that is allowed.
    fn settings(&self, hop: &SiteHop, now_ms: u64) -> Rc<HopSettings> {
        let has_failed = self
            .tls_failed
            .get(&hop.text)
            .is_some_and(|until| now_ms < *until);
        let in_the_clear = hop.in_the_clear.as_ref().filter(|_| has_failed);
        Rc::clone(in_the_clear.unwrap_or(&hop.settings))
    }

    /// Notes why a host failed before it took a message. The connection closes by itself, and then the next address is tried.
    pub(super) fn note_host_failure(
        &mut self,
        id: OutgoingId,
        result: RecipientResult,
        facts: HopFacts,
        fault: HopFault,
    ) {
        let Some(outgoing) = self.outgoings.get_mut(id) else {
            return;
        };
        let has_published = outgoing
            .opening
            .mx()
            .is_some_and(|(_, published)| *published != HostAssociations::None);
        let hop = outgoing.opening.hop();
        let hop = hop.filter(|hop| hop.in_the_clear.is_some() && !has_published);
        if let (HopFault::Tls(_), Some(hop)) = (fault, hop) {
            let hop = Rc::clone(&hop.text);
            outgoing.tls_failures.push(hop);
        }
        let is_reached = fault != HopFault::Connect;
        let host = is_reached.then(|| (outgoing.hop.clone(), facts));
        outgoing.opening.failed(HostFailure { result, host });
        // One that said it was, and was gone before it had a transaction, was not: a try is counted, or the next host asked.
        outgoing.ready = None;
        if let (HopFault::Tls(why), Some(settings)) = (fault, &outgoing.settings) {
            self.tls_results.note(settings.policy, Err(why));
        }
    }

    /// Gives up to open a connection. One mail counts that as a try; all others of the site wait for the next connection. That mail is the
    /// one that a host before has not taken, if there is such.
    pub(super) fn give_up(&mut self, id: OutgoingId, turn: &mut DispatchTurn<'_, T>) {
        let now_ms = turn.clock.ms;
        let outgoing = self.outgoings.get_mut(id);
        let failure = outgoing.and_then(|outgoing| outgoing.opening.failure().cloned());
        let failure = failure.unwrap_or_else(no_route);
        self.queue.note_error(id, &failure.result.reply);
        if self.outgoings.carries(id) {
            while let Some(mut carried) = self.outgoings.take_carried(id) {
                self.take_off_deleted(&mut carried);
                self.settle_all(&carried, &failure, turn);
            }
            return self.end_opening(id, now_ms);
        }
        if failure.result.class == ResultClass::Failed {
            return self.begin_refusing(id);
        }
        if let NextJob::Job(started) = self.queue.next_job(id, now_ms) {
            return self.read(ReadFor::Unreached(id, started, failure), turn);
        }
        self.end_opening(id, now_ms);
    }

    /// Notes that a connection could not be opened, after the mail that it was for is settled.
    pub(super) fn end_opening(&mut self, id: OutgoingId, now_ms: u64) {
        let ended = self.outgoings.remove(id);
        let site = ended.as_ref().map(|ended| ended.site);
        for hop in ended.map_or(Vec::new(), |ended| ended.tls_failures) {
            if self.tls_failed.len() >= TLS_FAILED_MAX {
                // The oldest makes room.
                let oldest = self.tls_failed.iter().min_by_key(|(_, until)| **until);
                if let Some(oldest) = oldest.map(|(hop, _)| Rc::clone(hop)) {
                    self.tls_failed.remove(&oldest);
                }
            }
            self.tls_failed.insert(hop, now_ms + TLS_FAILED_MS);
        }
        self.queue.failed(id, now_ms);
        if let Some(site) = site {
            self.forget_look_up(site);
        }
    }
}

/// The hop that is dialed: one that has published something of its certificates has to show them.
fn published_hop(
    hop: &SiteHop,
    opening: &SiteOpening,
    connector: &MxConnector,
) -> Result<SiteHop, TrustError> {
    match opening.mx() {
        Some((mx, published)) if *published != HostAssociations::None => {
            connector.hop(mx, &hop.name, published)
        }
        _ => Ok(hop.clone()),
    }
}

/// The result where no route is for a domain any more, since a reload or a restart.
fn no_route() -> HostFailure {
    let reply = "no route leads there any more; it waits for one";
    HostFailure::of_nobody(trouble(EnhancedStatus::new(4, 4, 4), reply))
}

/// The result of all recipients of a host that was not reached.
pub(super) fn trouble(status: EnhancedStatus, reply: &str) -> RecipientResult {
    RecipientResult {
        class: ResultClass::NextHost,
        status,
        reply: reply.into(),
        is_remote: false,
    }
}
