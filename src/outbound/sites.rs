//! Sites by the routes of the operator: where mail for a domain goes, and by which settings.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use super::connectors::HopConnectors;
use super::hop::HopSettings;
use super::mx::domains::KnownDomains;
use super::mx::exchangers::DomainFailure;
use super::mx::site::{MxDemand, MxDomain, MxSite};
use super::queue::{Queue, SiteId};
use crate::net::trust::TrustError;
use crate::smtp::client::ClientCredentials;
use crate::smtp::path::Mailbox;
use crate::smtp::route::{Hop, HopAddress, Routes};

/// The name of the site of mail that no route is for.
const NO_ROUTE: &str = "none";

/// One hop of a site, with all that a connection to it needs.
#[derive(Clone, Debug)]
pub struct SiteHop {
    /// Its address.
    pub address: HopAddress,
    /// Its name in the log, without its port.
    pub name: Rc<str>,
    /// The hop as a route writes it, by which failures of its TLS are remembered.
    pub text: Rc<str>,
    /// Its settings.
    pub settings: Rc<HopSettings>,
    /// Its settings once TLS has failed, where it may go in the clear.
    pub in_the_clear: Option<Rc<HopSettings>>,
}

impl SiteHop {
    /// The hop of a route, as [`HopSettings::of_route`].
    ///
    /// # Errors
    /// [`TrustError`] if the TLS that it wants is not to be had.
    pub fn of_route(
        hop: &Hop,
        our_name: Rc<str>,
        login: Option<Rc<dyn ClientCredentials>>,
        connectors: Option<&mut dyn HopConnectors>,
    ) -> Result<Self, TrustError> {
        let settings = HopSettings::of_route(hop, our_name, login, connectors)?;
        let name = match &hop.address {
            HopAddress::Unix(path) => format!("unix:{}", path.display()),
            HopAddress::Host(..) | HopAddress::Ip(_) | HopAddress::Exchangers => {
                hop.host().unwrap_or_default()
            }
        };
        Ok(Self {
            address: hop.address.clone(),
            name: name.into(),
            text: hop.to_string().into(),
            in_the_clear: settings.in_the_clear().map(Rc::new),
            settings: Rc::new(settings),
        })
    }
}

/// The hops of one site, in the order in which they are tried.
pub type SiteHops = Rc<[SiteHop]>;

/// The routes of the operator, with all that connections by them need.
#[derive(Clone, Debug, Default)]
pub struct RoutedSites {
    /// Which domain goes where.
    pub routes: Rc<Routes>,
    /// The hops of each site, by the [list](crate::smtp::route::Route::site) that names it.
    pub hops: BTreeMap<Box<str>, SiteHops>,
}

impl RoutedSites {
    /// The sites of these routes, of which `hop` makes each hop.
    ///
    /// # Errors
    /// Any error of `hop`.
    pub fn new<E>(
        routes: Rc<Routes>,
        mut hop: impl FnMut(&Hop) -> Result<SiteHop, E>,
    ) -> Result<Self, E> {
        let mut hops = BTreeMap::new();
        for route in routes.all() {
            if route.mx().is_none() && !hops.contains_key(route.site()) {
                let made: Result<SiteHops, E> = route.hops.iter().map(&mut hop).collect();
                hops.insert(route.site().into(), made?);
            }
        }
        Ok(Self { routes, hops })
    }
}

/// The way to the hosts of a site.
#[derive(Clone, Debug)]
pub enum SiteWay {
    /// The hops of a route.
    Hops(SiteHops),
    /// The hosts that domains name.
    Mx(Rc<MxSite>),
    /// A domain whose hosts are to be looked up, and why that came to nothing.
    Domain(Rc<MxDomain>, Option<DomainFailure>),
}

/// The sites that mail in the queue is for.
#[derive(Debug)]
pub struct Sites {
    routed: RoutedSites,
    /// What each route by MX wants, by the name of its site.
    demands: HashMap<Box<str>, Rc<MxDemand>>,
    /// The ways to sites that the queue knows.
    known: HashMap<SiteId, SiteWay>,
    domains: KnownDomains,
}

impl Sites {
    /// The sites of these routes.
    #[must_use]
    pub fn new(routed: RoutedSites) -> Self {
        let mut sites = Self {
            routed: RoutedSites::default(),
            demands: HashMap::new(),
            known: HashMap::new(),
            domains: KnownDomains::default(),
        };
        sites.set_routes(routed);
        sites
    }

    fn set_routes(&mut self, routed: RoutedSites) {
        let routes = routed.routes.all();
        let demands = routes.iter().filter_map(|route| {
            let demand = MxDemand::of_route(route.mx()?);
            Some((route.site().into(), Rc::new(demand)))
        });
        self.demands = demands.collect();
        self.routed = routed;
    }

    /// Goes on with other routes. Mail that is in the queue is at the site it had, by its new settings where the list of hops is still
    /// there, until somebody sends it elsewhere. What was found of domains by other rules is forgotten.
    pub fn reload(&mut self, routed: RoutedSites, queue: &mut Queue) {
        self.set_routes(routed);
        self.domains.clear();
        for (name, hops) in &self.routed.hops {
            if let Some(known) = self.known.get_mut(&queue.site(name)) {
                *known = SiteWay::Hops(Rc::clone(hops));
            }
        }
    }

    /// The site of mail for `address` at this time. Where no route is for it, as after a reload, it is one without hops.
    pub fn site_for(&mut self, address: &Mailbox, queue: &mut Queue, now_ms: u64) -> SiteId {
        let Some(route) = self.routed.routes.find(address) else {
            return queue.site(NO_ROUTE);
        };
        if let Some(domain) = self.domain_of(address) {
            return self.site_of_domain(domain, queue, now_ms);
        }
        let Some(hops) = self.routed.hops.get(route.site()) else {
            return queue.site(NO_ROUTE);
        };
        let site = queue.site(route.site());
        self.know(site, SiteWay::Hops(Rc::clone(hops)));
        site
    }

    /// Whether a route leads to the hosts that domains name.
    #[must_use]
    pub fn has_mx(&self) -> bool {
        !self.demands.is_empty()
    }

    /// The domain of an address, if a route leads to its hosts.
    fn domain_of(&self, address: &Mailbox) -> Option<MxDomain> {
        let route = self.routed.routes.find(address)?;
        let demand = self.demands.get(route.site())?;
        Some(MxDomain {
            domain: address.ascii_domain().to_ascii_lowercase().into(),
            demand: Rc::clone(demand),
        })
    }

    /// Has the hosts for this address looked up again, if a route leads to those of its domain.
    pub fn forget_domain(&mut self, address: &Mailbox) {
        if let Some(domain) = self.domain_of(address) {
            self.domains.forget(&domain.site());
        }
    }

    /// The site of the hosts of a domain, if they are known, and else the one where its mail waits until they are.
    fn site_of_domain(&mut self, domain: MxDomain, queue: &mut Queue, now_ms: u64) -> SiteId {
        let name = domain.site();
        if let Some(mx) = self.domains.get(&name, now_ms) {
            let mx = Rc::clone(mx);
            return self.mx_site(&mx, queue);
        }
        let site = queue.site_to_look_up(&name);
        let is_known = matches!(
            self.known.get(&site),
            Some(SiteWay::Domain(known, _)) if **known == domain
        );
        if !is_known {
            self.know(site, SiteWay::Domain(Rc::new(domain), None));
        }
        site
    }

    /// The site of these hosts.
    pub fn mx_site(&mut self, mx: &Rc<MxSite>, queue: &mut Queue) -> SiteId {
        let site = queue.site(&mx.name);
        self.know(site, SiteWay::Mx(Rc::clone(mx)));
        site
    }

    /// Keeps for a while which hosts a domain has.
    pub fn found(&mut self, domain: &MxDomain, mx: &Rc<MxSite>, now_ms: u64) {
        self.domains.keep(&domain.site(), mx, now_ms);
    }

    /// Notes the way to a site. Its number may have been another one's before.
    pub fn know(&mut self, site: SiteId, way: SiteWay) {
        self.known.insert(site, way);
    }

    /// The way to a site that the queue knows.
    #[must_use]
    pub fn way(&self, site: SiteId) -> Option<&SiteWay> {
        self.known.get(&site)
    }
}
