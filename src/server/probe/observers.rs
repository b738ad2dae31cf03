//! Several observers of one server, which come and go while it runs.
//!
//! The first one, where it was there at the start, may stand around what the server works with, as a record does. Those that come later
//! only look on: they hear of what comes after them.

use std::rc::Rc;
use std::time::{Instant, SystemTime};

use super::{Client, CoreProbe};
#[cfg(feature = "milter")]
use crate::filters::answers::SessionFilters;
#[cfg(feature = "milter")]
use crate::filters::settings::FilterSettings;
use crate::inbound::{Rejection, Rules};
use crate::net::budget::TurnBudget;
use crate::net::carrier::Carrier;
use crate::net::channel::Readiness;
use crate::net::connections::TickStep;
use crate::net::driver::ConnectionId;
use crate::net::peer::PeerAddress;
use crate::net::probe::{Probe, Seen};
#[cfg(feature = "relay")]
use crate::outbound::dispatcher::RelaySettings;
#[cfg(feature = "relay")]
use crate::outbound::network::Network;
#[cfg(feature = "relay")]
use crate::outbound::queue::Choice;
#[cfg(feature = "relay")]
use crate::outbound::relay::OperatorCommand;
use crate::store::Store;
#[cfg(feature = "relay")]
use crate::store::spool::MailId;

/// The name of an observer, by which it is sent away again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ObserverId(u64);

impl ObserverId {
    /// The name after this one.
    pub(in crate::server) fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// Several observers, each of which sees all.
#[derive(Default)]
pub struct Observers {
    all: Vec<(ObserverId, Box<dyn CoreProbe>)>,
}

impl Observers {
    /// One more observer, under a name of its own.
    pub(in crate::server) fn add(&mut self, id: ObserverId, observer: Box<dyn CoreProbe>) {
        self.all.push((id, observer));
    }

    /// Whether there is none.
    pub(in crate::server) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Takes an observer out, if it is there.
    pub(in crate::server) fn remove(&mut self, id: ObserverId) -> Option<Box<dyn CoreProbe>> {
        let index = self.all.iter().position(|(other, _)| *other == id)?;
        Some(self.all.remove(index).1)
    }

    /// Has each observer stand around `thing`.
    fn around<W>(&mut self, thing: W, mut wrap: impl FnMut(&mut dyn CoreProbe, W) -> W) -> W {
        let all = self.all.iter_mut();
        all.fold(thing, |thing, (_, observer)| wrap(&mut **observer, thing))
    }

    fn each(&mut self, mut tell: impl FnMut(&mut dyn CoreProbe)) {
        for (_, observer) in &mut self.all {
            tell(&mut **observer);
        }
    }

    /// The probes that each observer has, as one.
    fn joined(
        &self,
        probe: impl Fn(&dyn CoreProbe) -> Option<Rc<dyn Probe>>,
    ) -> Option<Rc<dyn Probe>> {
        let all = self.all.iter().map(|(_, observer)| &**observer);
        let mut probes: Vec<_> = all.filter_map(probe).collect();
        match probes.len() {
            0 | 1 => probes.pop(),
            _ => Some(Rc::new(JoinedProbes(probes))),
        }
    }
}

impl CoreProbe for Observers {
    fn observers(&mut self) -> Option<&mut Observers> {
        Some(self)
    }

    fn began(&mut self, now: Instant) {
        self.each(|observer| observer.began(now));
    }

    fn rules(&mut self, rules: Rules) -> Rules {
        self.around(rules, |observer, rules| observer.rules(rules))
    }

    fn store(&mut self, store: Box<dyn Store>) -> Box<dyn Store> {
        self.around(store, |observer, store| observer.store(store))
    }

    fn of_connections(&self) -> Option<Rc<dyn Probe>> {
        self.joined(|observer| observer.of_connections())
    }

    fn time(&mut self, now: Instant, wall: SystemTime) {
        self.each(|observer| observer.time(now, wall));
    }

    fn event(&mut self, key: usize, readiness: Readiness) {
        self.each(|observer| observer.event(key, readiness));
    }

    fn added(&mut self, key: usize, client: Client) {
        self.each(|observer| observer.added(key, client));
    }

    fn refused(&mut self, client: Client, why: Rejection) {
        self.each(|observer| observer.refused(client, why));
    }

    fn drain_asked(&mut self) {
        self.each(|observer| observer.drain_asked());
    }

    fn step(&mut self, step: TickStep) {
        self.each(|observer| observer.step(step));
    }

    fn tick_ended(&mut self, wake: Option<Instant>) {
        self.each(|observer| observer.tick_ended(wake));
    }

    fn carry(
        &mut self,
        transport: Carrier,
        connection: ConnectionId,
        peer: PeerAddress,
    ) -> Carrier {
        self.around(transport, |observer, transport| {
            observer.carry(transport, connection, peer)
        })
    }

    #[cfg(feature = "relay")]
    fn relay_settings(
        &mut self,
        settings: RelaySettings,
        now: Instant,
        wall: SystemTime,
    ) -> RelaySettings {
        self.around(settings, |observer, settings| {
            observer.relay_settings(settings, now, wall)
        })
    }

    #[cfg(feature = "relay")]
    fn network(&mut self, network: Box<dyn Network<Carrier>>) -> Box<dyn Network<Carrier>> {
        self.around(network, |observer, network| observer.network(network))
    }

    #[cfg(feature = "milter")]
    fn filter_settings(&mut self, settings: Option<&FilterSettings>) {
        self.each(|observer| observer.filter_settings(settings));
    }

    #[cfg(feature = "milter")]
    fn filters(&mut self, filters: Box<dyn SessionFilters>) -> Box<dyn SessionFilters> {
        self.around(filters, |observer, filters| observer.filters(filters))
    }

    #[cfg(feature = "relay")]
    fn of_hops(&self) -> Option<Rc<dyn Probe>> {
        self.joined(|observer| observer.of_hops())
    }

    fn hop_event(&mut self, key: usize, readiness: Readiness) {
        self.each(|observer| observer.hop_event(key, readiness));
    }

    #[cfg(feature = "relay")]
    fn queue_command(&mut self, command: OperatorCommand, mail: MailId, whom: Choice<'_>) {
        self.each(|observer| observer.queue_command(command, mail, whom));
    }

    fn relay_tick_ended(&mut self, wake: Option<Instant>, queued: usize) {
        self.each(|observer| observer.relay_tick_ended(wake, queued));
    }

    fn next_wake(&self, now: Instant) -> Option<Instant> {
        let all = self.all.iter();
        all.filter_map(|(_, observer)| observer.next_wake(now))
            .min()
    }

    fn poll(&mut self) {
        self.each(|observer| observer.poll());
    }
}

/// The probes of several observers.
struct JoinedProbes(Vec<Rc<dyn Probe>>);

impl Probe for JoinedProbes {
    fn began_turn(&self, connection: ConnectionId, budget: TurnBudget) -> TurnBudget {
        let probes = self.0.iter();
        probes.fold(budget, |budget, probe| probe.began_turn(connection, budget))
    }

    fn decided(&self, connection: ConnectionId, decision: Option<String>) -> Option<String> {
        let probes = self.0.iter();
        probes.fold(decision, |decision, probe| {
            probe.decided(connection, decision)
        })
    }

    fn saw(&self, connection: ConnectionId, step: Seen<'_>) {
        for probe in &self.0 {
            probe.saw(connection, step);
        }
    }
}
