//! Hosts of domains are looked up before mail goes there: their MX records, then the policy of the domain. Mail that waited for that goes
//! on to the site of the hosts.

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

use super::{DispatchTurn, Dispatcher};
use crate::net::failure::TlsFailure;
use crate::net::transport::Transport;
use crate::outbound::dns::answer::{NameAnswer, NameKind, NameQuestion, NameResult};
use crate::outbound::mx::exchangers::{MailHost, hosts_of};
use crate::outbound::mx::policy::hosts_by_policy;
use crate::outbound::mx::site::{MxDomain, MxSite};
use crate::outbound::queue::{OutgoingId, SiteId};
use crate::outbound::sites::SiteWay;
use crate::outbound::tls_results::TlsPolicy;

/// The most look-ups that are begun in one tick.
const LOOK_UPS_A_TICK_MAX: usize = 64;
/// The most mails that go on to another site in one tick.
const PASSED_A_TICK_MAX: usize = 1000;

/// What an answer of name servers is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AskedFor {
    /// The way to a connection.
    Opening(OutgoingId),
    /// The hosts of the domain whose mail waits at this site.
    Domain(SiteId),
}

/// Look-ups of domains that are under way.
#[derive(Debug, Default)]
pub(super) struct LookUps {
    /// Hosts of domains whose policy is awaited.
    hosts: HashMap<SiteId, Vec<MailHost>>,
    /// Sites whose mail goes on to that of their hosts, since there is more of it than a tick takes.
    passing: VecDeque<(SiteId, Rc<MxSite>)>,
}

impl LookUps {
    /// Whether there is something to do without an answer.
    pub(super) fn has_work(&self) -> bool {
        !self.passing.is_empty()
    }
}

impl<T: Transport> Dispatcher<T> {
    /// Looks up the hosts of domains that have mail to be sent.
    pub(super) fn start_look_ups(&mut self, turn: &mut DispatchTurn<'_, T>) {
        if let Some((site, mx)) = self.look_ups.passing.pop_front() {
            self.pass_on(site, mx, turn);
        }
        for _ in 0..LOOK_UPS_A_TICK_MAX {
            let Some(site) = self.queue.wants_look_up(turn.clock.ms) else {
                return;
            };
            let Some(domain) = self.domain_at(site) else {
                self.queue.not_found(site);
                continue;
            };
            match domain.literal() {
                Some(hosts) => self.found(site, &domain, hosts, false, turn),
                None => self.ask_for_domain(site, NameKind::Exchangers, &domain, turn),
            }
        }
    }

    /// The domain whose mail waits at a site.
    fn domain_at(&self, site: SiteId) -> Option<Rc<MxDomain>> {
        match self.sites.way(site) {
            Some(SiteWay::Domain(domain, _)) => Some(Rc::clone(domain)),
            _ => {
                debug_assert!(false, "only domains are looked up");
                None
            }
        }
    }

    fn ask_for_domain(
        &mut self,
        site: SiteId,
        kind: NameKind,
        domain: &MxDomain,
        turn: &mut DispatchTurn<'_, T>,
    ) {
        let question = NameQuestion::new(kind, &domain.domain);
        match self.network.look_up(&question, turn.clock.now) {
            NameAnswer::Now(answer) => self.take_domain_answer(site, &answer, turn),
            NameAnswer::Later(ticket) => {
                self.looking_up.insert(ticket, AskedFor::Domain(site));
            }
        }
    }

    /// Goes on with the answer to the last question about a domain.
    pub(super) fn take_domain_answer(
        &mut self,
        site: SiteId,
        answer: &NameResult,
        turn: &mut DispatchTurn<'_, T>,
    ) {
        let Some(domain) = self.domain_at(site) else {
            return self.queue.not_found(site);
        };
        let found = match self.look_ups.hosts.remove(&site) {
            Some(hosts) => {
                if answer.as_ref().is_err_and(|why| !why.is_certain()) {
                    let why = TlsFailure::PolicyUnfetched;
                    self.tls_results.note(TlsPolicy::Sts, Err(why));
                }
                hosts_by_policy(hosts, answer)
            }
            None => match hosts_of(&domain.domain, answer, &self.mx.rules) {
                Ok(hosts) if domain.demand.heeds_policies() => {
                    self.look_ups.hosts.insert(site, hosts);
                    return self.ask_for_domain(site, NameKind::Policy, &domain, turn);
                }
                found => found.map(|hosts| (hosts, false)),
            },
        };
        match found {
            Ok((hosts, is_enforced)) => self.found(site, &domain, hosts, is_enforced, turn),
            Err(why) => {
                self.sites.know(site, SiteWay::Domain(domain, Some(why)));
                self.queue.not_found(site);
            }
        }
    }

    fn found(
        &mut self,
        site: SiteId,
        domain: &MxDomain,
        hosts: Vec<MailHost>,
        is_enforced: bool,
        turn: &mut DispatchTurn<'_, T>,
    ) {
        let mx = Rc::new(MxSite::new(hosts, Rc::clone(&domain.demand), is_enforced));
        self.sites.found(domain, &mx, turn.clock.ms);
        self.pass_on(site, mx, turn);
    }

    /// Lets mail for a domain go on to the site of its hosts, as much as a tick takes.
    fn pass_on(&mut self, site: SiteId, mx: Rc<MxSite>, turn: &mut DispatchTurn<'_, T>) {
        let to = self.sites.mx_site(&mx, &mut self.queue);
        let now_ms = turn.clock.ms;
        let passed = self.queue.pass_on(site, to, PASSED_A_TICK_MAX, now_ms);
        if passed == PASSED_A_TICK_MAX {
            self.look_ups.passing.push_back((site, mx));
        } else {
            self.queue.look_up_again(site);
        }
    }

    /// Has a domain looked up once more before its next connection, after one has told that it was not found.
    pub(super) fn forget_look_up(&mut self, site: SiteId) {
        if let Some(SiteWay::Domain(domain, Some(_))) = self.sites.way(site) {
            let way = SiteWay::Domain(Rc::clone(domain), None);
            self.sites.know(site, way);
            self.queue.look_up_again(site);
        }
    }
}
