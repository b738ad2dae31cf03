//! What kind of world a seed makes. Every seed leaves out much and overdoes something.

use std::rc::Rc;
use std::time::Duration;

use mailoop::outbound::dispatcher::RelaySettings;
use mailoop::outbound::mx::connect::MxConnector;
use mailoop::outbound::mx::ourselves::MxRules;
use mailoop::outbound::queue::{QueueLimits, RetrySchedule};
use mailoop::outbound::sites::{RoutedSites, SiteHop};
use mailoop::smtp::policy::Policy;
use mailoop::smtp::route::{Hop, Route, Routes};

use super::spool::SpoolWeather;
use crate::network::Weather;
use crate::prng::Prng;

const SECOND: u64 = 1000;

#[derive(Debug)]
pub struct Profile {
    pub steps: usize,
    pub mails: usize,
    pub domains: usize,
    pub hosts: usize,
    pub drain: Duration,
    /// One in so many steps.
    pub leaps: usize,
    pub operator: usize,
    pub moves: usize,
    pub losses: usize,
    pub crashes: usize,
    pub drains: usize,
    pub reloads: usize,
    pub moods: usize,
    /// Whether an event may wait for a later batch.
    pub late_events: bool,
    /// How often an event comes that nothing has caused, or comes twice.
    pub spurious: usize,
    pub spool: SpoolWeather,
    pub weather: Weather,
}

impl Profile {
    pub fn new(rng: &mut Prng) -> Self {
        let rough = |rng: &mut Prng| rng.pick(&[0, 0, 2, 4, 10]);
        Self {
            steps: rng.between(20, 90),
            mails: rng.size(8),
            domains: rng.between(1, 4),
            hosts: rng.between(1, 5),
            drain: Duration::from_secs(rng.pick(&[1, 5, 30])),
            leaps: rng.pick(&[4, 10, 30]),
            operator: rng.pick(&[0, 0, 6, 15]),
            moves: rng.pick(&[0, 0, 4, 12]),
            losses: rng.pick(&[0, 0, 0, 30]),
            crashes: rng.pick(&[0, 0, 20, 50]),
            drains: rng.pick(&[0, 0, 40]),
            reloads: rng.pick(&[0, 0, 0, 25]),
            moods: rng.pick(&[0, 5, 20]),
            late_events: rng.one_in(2),
            spurious: rng.pick(&[0, 0, 10, 3]),
            spool: SpoolWeather {
                later: rng.pick(&[0, 1, 2, 5]),
                failed: rng.pick(&[0, 0, 0, 8]),
                undelivered: rng.pick(&[0, 0, 4]),
                pace: rng.pick(&[1, 2, 6]),
            },
            weather: Weather {
                would_block: rough(rng),
                short: rough(rng),
                interrupted: rough(rng),
                inbox_max: rng.pick(&[100, 1500, 1 << 16]),
                outbox_max: rng.pick(&[3000, 1 << 14, 1 << 16, 1 << 18]),
                hop_max: rng.pick(&[1, 20, 1500, 1 << 16]),
            },
        }
    }
}

/// When mail is tried, and for how long.
pub fn schedule(rng: &mut Prng) -> RetrySchedule {
    let usual = RetrySchedule::default();
    match rng.below(4) {
        0 => RetrySchedule {
            waits_ms: vec![30 * SECOND],
            lifetime_ms: 600 * SECOND,
            bounce_lifetime_ms: 200 * SECOND,
            delay_notice_ms: Some(60 * SECOND),
        },
        1 => RetrySchedule {
            waits_ms: vec![60 * SECOND, 10 * SECOND, 3600 * SECOND],
            lifetime_ms: 86_400 * SECOND,
            delay_notice_ms: None,
            ..usual
        },
        2 => RetrySchedule {
            lifetime_ms: 40_000 * SECOND,
            ..usual
        },
        _ => usual,
    }
}

/// The bounds of connections.
pub fn limits(rng: &mut Prng) -> QueueLimits {
    QueueLimits {
        outgoing_max: rng.size(12) as u32,
        outgoing_per_site_max: rng.size(5) as u16,
        local_max: rng.size(4) as u16,
    }
}

/// The settings by which mail is sent on.
pub fn settings(
    routes: &[String],
    schedule: RetrySchedule,
    limits: QueueLimits,
    policy: &Rc<Policy>,
) -> RelaySettings {
    let mut table = Routes::default();
    for text in routes {
        let route: Route = text.parse().unwrap();
        assert!(table.add(route), "{text} stands there twice");
    }
    let name: Rc<str> = policy.hostname.as_str().into();
    let hop = |hop: &Hop| SiteHop::of_route(hop, Rc::clone(&name), None, None);
    let rules = MxRules {
        port: 2500,
        allowed: vec!["198.51.0.0/16".parse().unwrap()],
        ..MxRules::default()
    };
    RelaySettings {
        routed: RoutedSites::new(Rc::new(table), hop).unwrap(),
        mx: MxConnector::in_the_clear(&name, rules),
        schedule,
        limits,
        policy: Rc::clone(policy),
    }
}
