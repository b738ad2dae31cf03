//! A server as it is started, and its settings.

use std::cell::RefCell;
use std::rc::Rc;

use mailoop::config::Config;
use mailoop::inbound::Rules;
use mailoop::outbound::dispatcher::RelaySettings;
use mailoop::server::core::ServerCore;
use mailoop::smtp::policy::Policy;

use super::internet::{Internet, SimNetwork};
use super::profile::{Profile, limits, schedule, settings};
use super::server::{SimServer, wall};
use super::spool::Spool;
use super::store::SimStore;
use super::world::Watch;
use crate::journal::Journal;
use crate::prng::Prng;

/// All that a server is made of.
pub struct Parts<'a> {
    pub base: &'a Config,
    pub journal: &'a Rc<Journal>,
    pub profile: &'a Rc<Profile>,
    pub spool: &'a Rc<RefCell<Spool>>,
    pub internet: &'a Rc<RefCell<Internet>>,
    pub watch: Option<&'a Watch>,
}

impl Parts<'_> {
    pub fn settings(&self, routes: &[String], rng: &mut Prng) -> RelaySettings {
        let (schedule, limits) = (schedule(rng), limits(rng));
        self.journal
            .trace(|| format!("{routes:#?} {schedule:?} {limits:?}"));
        self.internet.borrow_mut().bound(limits, routes);
        settings(routes, schedule, limits, &Rc::new(self.base.policy.clone()))
    }

    /// The rules of a server with the routes of these settings.
    pub fn rules(&self, settings: &RelaySettings) -> Rules {
        let mut rules = self.base.rules();
        rules.limits.drain_timeout = self.profile.drain;
        let mut policy = Policy::clone(&rules.policy);
        policy.routes = Some(Rc::clone(&settings.routed.routes));
        rules.policy = Rc::new(policy);
        rules
    }

    pub fn start(&self, routes: &[String], rng: &mut Prng) -> SimServer {
        let store = Box::new(SimStore::of(self.spool, self.journal));
        let now = self.journal.now();
        let network = Box::new(SimNetwork(Rc::clone(self.internet)));
        let settings = self.settings(routes, rng);
        let rules = self.rules(&settings);
        let mut core = match self.watch {
            Some(watch) => ServerCore::watched(rules, store, now, watch()),
            None => ServerCore::new(rules, store, now),
        };
        let known = settings.clone();
        core.send_by(settings, network, now, wall(self.journal));
        let mut server = SimServer::new(
            core,
            rng.fork(),
            Rc::clone(self.journal),
            Rc::clone(self.profile),
            Rc::clone(self.spool),
            Rc::clone(self.internet),
        );
        server.expects(&known);
        server
    }
}
