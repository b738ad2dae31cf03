//! Runs that are made from a seed each: everything happens at random.

use std::sync::atomic::{AtomicU64, Ordering};

use mailoop::outbound::queue::{Choice, QueueLimits, RetrySchedule, SiteId, SiteState, Touched};
use mailoop::store::spool::MailId;

use crate::ledger::{KnownState, wait};
use crate::peers::{MANNERS, Manner};
use crate::prng::Prng;
use crate::seeds;
use crate::world::{BEGIN, DAY, HOUR, SECOND, World};

const SEEDS: u64 = 100;
const STEPS: usize = 120;

#[derive(Debug, Default)]
struct Sums {
    sent: AtomicU64,
    failed: AtomicU64,
    expired: AtomicU64,
    deleted: AtomicU64,
    connects: AtomicU64,
}

#[test]
fn every_seed_ends_well() {
    if let Some(seed) = seeds::only() {
        run(seed, true);
        return;
    }
    let sums = Sums::default();
    seeds::run_all("queue", SEEDS, |seed| {
        let world = run(seed, false);
        sums.sent.fetch_add(world.ledger.sent, Ordering::Relaxed);
        sums.failed
            .fetch_add(world.ledger.failed, Ordering::Relaxed);
        sums.expired
            .fetch_add(world.ledger.expired, Ordering::Relaxed);
        sums.deleted
            .fetch_add(world.ledger.deleted, Ordering::Relaxed);
        let connects = world.connects.len() as u64;
        sums.connects.fetch_add(connects, Ordering::Relaxed);
    });
    println!("{sums:?}");
}

fn schedule(rng: &mut Prng) -> RetrySchedule {
    let usual = RetrySchedule::default();
    match rng.below(4) {
        0 => RetrySchedule {
            waits_ms: vec![SECOND],
            lifetime_ms: 600 * SECOND,
            bounce_lifetime_ms: 100 * SECOND,
            delay_notice_ms: Some(60 * SECOND),
        },
        1 => RetrySchedule {
            waits_ms: vec![30 * SECOND, 10 * SECOND, HOUR],
            delay_notice_ms: None,
            ..usual
        },
        _ => usual,
    }
}

fn run(seed: u64, trace: bool) -> World {
    let mut rng = Prng::new(seed);
    let limits = QueueLimits {
        outgoing_max: rng.size(40) as u32,
        outgoing_per_site_max: rng.size(12) as u16,
        local_max: rng.size(4) as u16,
    };
    let schedule = schedule(&mut rng);
    let mut world = World::new(rng.below(usize::MAX) as u64, schedule, limits);
    world.asks_early = rng.one_in(2);
    world.trace = trace;
    for _ in 0..rng.size(12) {
        let latency = rng.size(5000) as u64;
        world.add_site(rng.pick(&MANNERS), latency);
    }
    for _ in 0..STEPS {
        step(&mut world, &mut rng);
        if rng.one_in(4) {
            world.ledger.check(&world.queue, world.now());
        }
    }
    ends(&mut world);
    world
}

fn step(world: &mut World, rng: &mut Prng) {
    match rng.below(20) {
        0..=5 => comes(world, rng),
        6..=9 => operator(world, rng),
        10 | 11 => {
            let site = SiteId(1 + rng.below(world.peers.len() - 1) as u32);
            world.peers.get_mut(&site).unwrap().manner = rng.pick(&MANNERS);
        }
        12 => sets_clock(world, rng),
        13 => moves(world, rng),
        14 => world.reports_are_durable(),
        15 if rng.one_in(3) => world.restart(),
        16 if rng.one_in(2) => reroutes(world, rng),
        _ => {
            let longest = rng.pick(&[SECOND, 60 * SECOND, HOUR, 6 * HOUR, DAY]);
            let end = world.time + rng.below(longest as usize) as u64;
            world.run_until(end);
        }
    }
    world.act();
}

fn comes(world: &mut World, rng: &mut Prng) {
    for _ in 0..rng.size(8) {
        let mut sites: Vec<SiteId> = world.peers.keys().copied().collect();
        rng.shuffle(&mut sites);
        sites.truncate(rng.size(3));
        let count = if rng.one_in(30) { 130 } else { 3 };
        let sites: Vec<(SiteId, u16)> = sites
            .into_iter()
            .map(|site| (site, rng.between(1, count) as u16))
            .collect();
        let age = if rng.one_in(5) {
            rng.below(BEGIN as usize) as u64
        } else {
            0
        };
        let (tried, null) = (rng.one_in(5), rng.one_in(5));
        world.add_mail(&sites, age, tried, null);
    }
}

fn sets_clock(world: &mut World, rng: &mut Prng) {
    world.act();
    world.clock_offset += if rng.one_in(4) {
        // Far ahead, as by a machine that did not know what year it is.
        (800 * DAY) as i64
    } else {
        -(rng.size(3 * DAY as usize) as i64)
    };
}

fn any_mail(world: &World, rng: &mut Prng) -> Option<MailId> {
    let count = world.queue.len();
    let mails = world.queue.mails_after(None, rng.below(count.max(1)) + 1);
    mails.last().copied()
}

fn moves(world: &mut World, rng: &mut Prng) {
    if let Some(mail) = any_mail(world, rng) {
        let known = world.ledger.mails.get_mut(&mail).unwrap();
        known.place.segment += 1;
        known.place.text_bytes += 1;
        world.queue.moved(mail, known.place);
    }
}

/// Some recipients have another route.
fn reroutes(world: &mut World, rng: &mut Prng) {
    let Some(id) = any_mail(world, rng) else {
        return;
    };
    let now = world.now();
    let site = SiteId(1 + rng.below(world.peers.len() - 1) as u32);
    let mail = world.ledger.mails.get_mut(&id).unwrap();
    let mut chosen = Vec::new();
    for (index, known) in &mut mail.recipients {
        if rng.one_in(2) {
            chosen.push(*index);
            if matches!(known.state, KnownState::Queued | KnownState::Held) {
                known.site = site;
            }
        }
    }
    world.queue.reroute(id, site, &chosen, now);
    world.queue.rearm(id, now);
}

fn operator(world: &mut World, rng: &mut Prng) {
    let Some(id) = any_mail(world, rng) else {
        return;
    };
    let now = world.now();
    let mail = world.ledger.mails.get_mut(&id).unwrap();
    let chosen: Vec<u16> = mail
        .recipients
        .keys()
        .copied()
        .filter(|_| rng.one_in(2))
        .collect();
    let all = rng.one_in(2);
    let whom = if all {
        Choice::All
    } else {
        Choice::Only(&chosen)
    };
    let command = rng.below(4);
    let mut expected = Touched::default();
    for (index, known) in &mut mail.recipients {
        if !all && chosen.binary_search(index).is_err() {
            continue;
        }
        use KnownState::{Active, ActiveToDelete, ActiveToHold, Held, Over, Queued};
        let (state, in_flight) = match (command, known.state) {
            (0, Queued) => (Held, 0),
            (0, Active) => (ActiveToHold, 1),
            (1, Held) => {
                known.not_before = 0;
                (Queued, 0)
            }
            (1, ActiveToHold) => (Active, 1),
            (2, Queued) => {
                known.not_before = 0;
                (Queued, 0)
            }
            (3, Queued | Held) => {
                world.ledger.deleted += 1;
                (Over, 0)
            }
            (3, Active | ActiveToHold) => (ActiveToDelete, 1),
            _ => continue,
        };
        known.state = state;
        expected.recipients += 1;
        expected.in_flight += in_flight;
    }
    let touched = match command {
        0 => world.queue.hold(id, whom, now),
        1 => world.queue.release(id, whom, now),
        2 => world.queue.retry(id, whom, now),
        _ => world.queue.delete(id, whom),
    };
    assert_eq!(touched, Some(expected), "command {command} for {id:?}");
}

/// All is well again: everything that was held is released, and leaves the queue by itself.
fn ends(world: &mut World) {
    for peer in world.peers.values_mut() {
        (peer.manner, peer.latency_ms) = (Manner::Up, 10);
    }
    let now = world.now();
    for (id, mail) in &mut world.ledger.mails {
        world.queue.release(*id, Choice::All, now);
        for known in mail.recipients.values_mut() {
            if matches!(known.state, KnownState::Held | KnownState::ActiveToHold) {
                let is_held = known.state == KnownState::Held;
                known.not_before = if is_held { 0 } else { known.not_before };
                known.state = if is_held {
                    KnownState::Queued
                } else {
                    KnownState::Active
                };
            }
        }
    }
    let last = world.time + wait(&world.schedule, DAY) * 12 / 10 + 2 * HOUR;
    world.run_until(last);
    world.reports_are_durable();
    world.ledger.check(&world.queue, world.now());
    assert_eq!(
        world.ledger.open(),
        0,
        "{:?}",
        world.queue.mails_after(None, 3)
    );
    assert!(world.queue.is_empty());
    assert_eq!((world.open_connections(), world.next_time()), (0, None));
    let all: usize = world
        .ledger
        .mails
        .values()
        .map(|mail| mail.recipients.len())
        .sum();
    let ledger = &world.ledger;
    let over = ledger.sent + ledger.failed + ledger.expired + ledger.deleted;
    assert_eq!(all as u64, over);
    for site in world.queue.sites_after(None, usize::MAX) {
        let jobs = [site.waiting, site.ready, site.active, site.held];
        assert_eq!((jobs, site.connections), ([0; 4], 0), "{site:?}");
        assert!(!matches!(site.state, SiteState::Probing), "{site:?}");
    }
}
