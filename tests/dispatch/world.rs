//! The world of one dispatcher: hosts by their address, a spool, and a clock.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use mailoop::net::channel::Readiness;
use mailoop::net::token::Token;
use mailoop::outbound::dispatcher::RelaySettings;
use mailoop::outbound::mx::connect::MxConnector;
use mailoop::outbound::mx::ourselves::MxRules;
use mailoop::outbound::queue::{QueueLimits, RecipientState, RecipientView, RetrySchedule};
use mailoop::outbound::relay::Outbound;
use mailoop::outbound::sites::{RoutedSites, SiteHop};
use mailoop::smtp::directory::{AddressName, Directory, Tables};
use mailoop::smtp::policy::Policy;
use mailoop::smtp::route::Routes;
use mailoop::store::spool::MailId;

use crate::hosts::{Hosts, MemoryNetwork, MemoryStream};
use crate::spool::MemoryStore;

/// The time at which worlds begin, in milliseconds of the epoch.
pub const START_MS: u64 = 1_795_000_000_000;
/// Two hosts, and one that is in no route at first.
pub const FIRST: &str = "192.0.2.1:25";
pub const SECOND: &str = "192.0.2.2:25";
pub const THIRD: &str = "192.0.2.3:25";

pub struct World {
    pub outbound: Outbound<MemoryStream>,
    pub store: MemoryStore,
    pub hosts: Rc<Hosts>,
    begin: Instant,
    passed: Duration,
}

/// Settings of these routes.
fn settings(routes: &[&str], schedule: RetrySchedule) -> RelaySettings {
    let mut table = Routes::default();
    for text in routes {
        assert!(table.add(text.parse().unwrap()));
    }
    let table = Rc::new(table);
    let routed = RoutedSites::new(Rc::clone(&table), |hop| {
        SiteHop::of_route(hop, "mx.example.org".into(), None, None)
    });
    let policy = Policy {
        hostname: "mx.example.org".to_owned(),
        domains: vec!["here.example".to_owned()],
        routes: Some(table),
        directory: Directory::new(Tables {
            mailboxes: vec![AddressName::Mailbox("ada@here.example".parse().unwrap())],
            closed: true,
            ..Tables::default()
        })
        .unwrap(),
        ..Policy::default()
    };
    let rules = MxRules {
        port: 25,
        our_names: vec!["mx.example.org".into()],
        our_addresses: vec!["8.8.0.1".parse().unwrap()],
        ..MxRules::default()
    };
    RelaySettings {
        routed: routed.unwrap(),
        mx: MxConnector::in_the_clear("mx.example.org", rules),
        schedule,
        limits: QueueLimits::default(),
        policy: Rc::new(policy),
    }
}

impl World {
    pub fn new(routes: &[&str]) -> Self {
        Self::limited(routes, QueueLimits::default())
    }

    /// A world with other limits than the usual ones.
    pub fn limited(routes: &[&str], limits: QueueLimits) -> Self {
        let (begin, hosts) = (Instant::now(), Rc::<Hosts>::default());
        let network = Box::new(MemoryNetwork(Rc::clone(&hosts)));
        let settings = RelaySettings {
            limits,
            ..settings(routes, RetrySchedule::default())
        };
        let mut world = Self {
            outbound: Outbound::new(settings, network, begin, wall(Duration::ZERO)),
            store: MemoryStore::default(),
            hosts,
            begin,
            passed: Duration::ZERO,
        };
        world.run();
        world
    }

    /// Other routes and another lifetime, as by a reload.
    pub fn reload(&mut self, routes: &[&str], lifetime: Duration) {
        let schedule = RetrySchedule {
            lifetime_ms: lifetime.as_millis() as u64,
            ..RetrySchedule::default()
        };
        self.outbound.reload(settings(routes, schedule));
        self.run();
    }

    /// The time now, in milliseconds of the epoch.
    pub fn now_ms(&self) -> u64 {
        START_MS + self.passed.as_millis() as u64
    }

    /// A message for these recipients is accepted.
    pub fn accept(&mut self, to: &[&str]) -> MailId {
        let now_ms = self.now_ms();
        self.store.spool.accept(to, now_ms)
    }

    /// One turn of the loop, with all that hosts have to say to what they were told.
    pub fn tick(&mut self) {
        let now = self.begin + self.passed;
        self.outbound.set_time(now, wall(self.passed));
        for key in self.hosts.speak() {
            let readiness = Readiness {
                readable: true,
                writable: true,
                read_on: false,
            };
            self.outbound.on_event(Token::new(0, key), readiness);
        }
        self.outbound.tick(&mut self.store);
    }

    /// Whether the loop would turn at once.
    pub fn is_busy(&self) -> bool {
        let wake = self.outbound.next_wake();
        wake.is_some_and(|wake| wake <= self.begin + self.passed) || self.hosts.has_something()
    }

    /// Turns until there is nothing to do.
    #[track_caller]
    pub fn run(&mut self) {
        for _ in 0..1000 {
            self.tick();
            if !self.is_busy() {
                return;
            }
        }
        panic!("it does not come to rest");
    }

    /// Time passes, with each thing done when it is due.
    #[track_caller]
    pub fn pass(&mut self, time: Duration) {
        let end = self.passed + time;
        for _ in 0..10_000 {
            let wake = self.outbound.next_wake();
            let wake = wake.map_or(end, |wake| wake.saturating_duration_since(self.begin));
            self.passed = wake.clamp(self.passed, end);
            self.run();
            if self.passed == end {
                return;
            }
        }
        panic!("it wakes for ever");
    }

    /// What the queue says of the recipients of a mail: state, tries and last reply, by index.
    pub fn listed(&self, mail: MailId) -> BTreeMap<u16, RecipientView<'_>> {
        let queue = self.outbound.queue();
        let views = queue.recipients(mail, self.now_ms());
        views.map(|view| (view.index, view)).collect()
    }

    /// The name of the site that a recipient waits for.
    pub fn site(&self, mail: MailId) -> String {
        let site = self.listed(mail)[&0].site;
        let sites = self.outbound.queue().sites_after(None, 1000);
        let mut sites = sites.into_iter().filter(|view| view.site == site);
        sites.next().unwrap().name.to_owned()
    }

    /// The states of all recipients of a mail that may not be in the queue yet.
    pub fn listed_or_none(&self, mail: MailId) -> Vec<RecipientState> {
        self.listed(mail).values().map(|view| view.state).collect()
    }
}

fn wall(passed: Duration) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(START_MS) + passed
}
