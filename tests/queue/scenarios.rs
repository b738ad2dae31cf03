//! Hours and days that a queue lives through, in little time: what is promised in figures.

use std::collections::BTreeMap;

use mailoop::outbound::queue::{QueueLimits, RetrySchedule, SiteId};

use crate::ledger::{KnownState, wait};
use crate::peers::Manner;
use crate::world::{BEGIN, DAY, HOUR, SECOND, World};

fn world(seed: u64) -> World {
    println!("seed {seed}");
    World::new(seed, RetrySchedule::default(), QueueLimits::default())
}

#[test]
fn five_days_of_a_schedule() {
    let mut world = world(1);
    let site = world.add_site(Manner::Defers, 20);
    let mails: Vec<_> = (0..50)
        .map(|_| world.add_mail(&[(site, 1)], 0, false, false))
        .collect();
    let bounce = world.add_mail(&[(site, 1)], 0, false, true);
    world.run_until(BEGIN + 6 * DAY);
    for (mail, lifetime) in mails
        .iter()
        .map(|mail| (mail, 5 * DAY))
        .chain([(&bounce, 2 * DAY)])
    {
        let known = &world.ledger.mails[mail];
        let tries = &known.recipients[&0].tried_at;
        assert!(tries[0] <= BEGIN + 10 * SECOND);
        for pair in tries.windows(2) {
            let nominal = wait(&world.schedule, pair[0] - BEGIN) as f64;
            let waited = (pair[1] - pair[0]) as f64 / nominal;
            // A little more for connections and the ticks of timers.
            assert!(
                (1.0..1.21).contains(&waited),
                "{mail:?}: {waited} of {nominal}"
            );
        }
        assert!(tries.last().unwrap() + 150 * 60 * SECOND >= BEGIN + lifetime);
        assert!(*tries.last().unwrap() <= BEGIN + lifetime);
        let noticed = known.noticed_at.map(|at| (at - BEGIN) / SECOND);
        assert_eq!(noticed, (lifetime == 5 * DAY).then_some(4 * 3600));
        assert_ne!(known.recipients[&0].state, KnownState::Queued);
    }
    let tries = world.ledger.mails[&mails[0]].recipients[&0].tried_at.len();
    assert!((50..=66).contains(&tries), "{tries} tries");
    assert_eq!(world.ledger.expired, 51);
}

#[test]
fn a_site_that_is_down_for_two_hours_is_left_alone() {
    let mut world = world(2);
    let site = world.add_site(Manner::Up, 50);
    world.add_mail(&[(site, 1)], 0, false, false);
    world.run_until(BEGIN + SECOND);
    world.peers.get_mut(&site).unwrap().manner = Manner::Refuses;
    world.connects.clear();
    let mut mails = Vec::new();
    for second in 0..1000 {
        for _ in 0..100 {
            mails.push(world.add_mail(&[(site, 1)], 0, false, false));
        }
        world.run_until(BEGIN + (2 + second) * SECOND);
    }
    world.run_until(BEGIN + 2 * HOUR);
    let connects = world.connects.len();
    assert!((5..=12).contains(&connects), "{connects} connections");
    let tried = mails
        .iter()
        .map(|mail| u32::from(world.ledger.mails[mail].recipients[&0].tries));
    // Besides what a connection was opened for, two kept ones were found dead.
    let tried: u32 = tried.sum();
    assert!(tried as usize <= connects + 2, "{tried} tries");

    world.peers.get_mut(&site).unwrap().manner = Manner::Up;
    world.answers.clear();
    world.run_until(BEGIN + 5 * HOUR);
    assert_eq!(world.ledger.sent, 100_001);
    // From a window of two upwards, and evenly then. World::connect has looked at the window all the time.
    let begin = world.answers[0].0;
    let mut tens: BTreeMap<u64, u32> = BTreeMap::new();
    for (time, ..) in &world.answers {
        *tens.entry((time - begin) / (10 * SECOND)).or_default() += 1;
    }
    let mean = world.answers.len() as f64 / tens.len() as f64;
    let most = f64::from(*tens.values().max().unwrap());
    assert!(most <= 2.0 * mean, "{tens:?}");
    let at_first = world.answers.iter().filter(|(time, ..)| time - begin < 250);
    assert!(at_first.count() < 40, "a slow start");
}

#[test]
fn a_restart_with_much_mail_that_is_due_is_no_stampede() {
    let mut world = world(3);
    let sites: Vec<SiteId> = (0..1000)
        .map(|site| {
            let manner = [
                Manner::Up,
                Manner::Up,
                Manner::Refuses,
                Manner::Defers,
                Manner::Silent,
            ][site % 5];
            world.add_site(manner, 100)
        })
        .collect();
    for count in 0..100_000 {
        let age = DAY + (count % 1000) as u64 * 1000;
        world.add_mail(&[(sites[count % 1000], 1)], age, true, false);
    }
    world.run_until(BEGIN + 60 * SECOND);
    let mut at: BTreeMap<SiteId, usize> = BTreeMap::new();
    for (_, site) in &world.connects {
        *at.entry(*site).or_default() += 1;
    }
    // Those that are down are not asked again and again.
    for (site, count) in at {
        let limit = match world.peers[&site].manner {
            Manner::Refuses | Manner::Silent => 3,
            _ => 60,
        };
        assert!(count <= limit, "{site:?}: {count} connections");
    }
    world.run_until(BEGIN + HOUR);
    assert_eq!(world.ledger.sent, 40_000);
}

#[test]
fn a_tarpit_slows_nobody_else() {
    let p99 = |has_tarpit: bool| {
        let mut world = world(4);
        let tarpit = world.add_site(Manner::Up, 600 * SECOND);
        if has_tarpit {
            for _ in 0..100_000 {
                world.add_mail(&[(tarpit, 1)], 0, false, false);
            }
            world.run_until(BEGIN + 100 * SECOND);
        }
        let sites: Vec<SiteId> = (0..1000).map(|_| world.add_site(Manner::Up, 10)).collect();
        let begin = world.time;
        let mut came = BTreeMap::new();
        for round in 0..10 {
            for site in &sites {
                came.insert(world.add_mail(&[(*site, 1)], 0, false, false), world.time);
                world.run_until(world.time + 2);
            }
            world.run_until(begin + (round + 1) * 3000);
        }
        world.run_until(world.time + 60 * SECOND);
        let answers = world.answers.iter().filter(|(_, site, _)| *site != tarpit);
        let mut latencies: Vec<u64> = answers.map(|(time, _, mail)| time - came[mail]).collect();
        assert_eq!(latencies.len(), 10_000);
        latencies.sort_unstable();
        latencies[9900]
    };
    let (without, with) = (p99(false), p99(true));
    println!("p99 {without} ms without, {with} ms with");
    assert!(
        with as f64 <= 1.2 * without as f64,
        "{without} ms, {with} ms"
    );
}

#[test]
fn more_busy_sites_than_connections_take_turns() {
    let mut world = world(5);
    let sites: Vec<SiteId> = (0..1000).map(|_| world.add_site(Manner::Up, 20)).collect();
    for count in 0..100_000 {
        world.add_mail(&[(sites[count % 1000], 1)], 0, false, false);
    }
    world.run_until(BEGIN + 5 * SECOND);
    let mut at: BTreeMap<SiteId, u32> = BTreeMap::new();
    for (_, site, _) in &world.answers {
        *at.entry(*site).or_default() += 1;
    }
    assert_eq!(at.len(), 1000, "everybody had a turn");
    let (least, most) = (at.values().min().unwrap(), at.values().max().unwrap());
    assert!(*most <= 3 * least, "{least} to {most}");
    // And connections are kept for a while.
    assert!(
        world.connects.len() * 5 < world.answers.len(),
        "{} connections",
        world.connects.len()
    );
}

#[test]
fn a_few_sites_leave_room_for_others() {
    let mut world = world(6);
    let crowds: Vec<SiteId> = (0..10).map(|_| world.add_site(Manner::Up, 100)).collect();
    for count in 0..50_000 {
        world.add_mail(&[(crowds[count % 10], 1)], 0, false, false);
    }
    world.run_until(BEGIN + 20 * SECOND);
    assert_eq!(world.open_connections(), 200);
    let newcomer = world.add_site(Manner::Up, 100);
    let begin = world.time;
    world.add_mail(&[(newcomer, 1)], 0, false, false);
    world.run_until(begin + 3 * SECOND);
    let answer = world.answers.iter().find(|(_, site, _)| *site == newcomer);
    assert!(
        answer.is_some_and(|(time, ..)| time - begin < 2500),
        "{answer:?}"
    );
}

#[test]
fn a_list_and_a_backlog_hold_up_nobody() {
    let mut world = world(7);
    let site = world.add_site(Manner::Up, 100);
    // 20,000 mails from yesterday, then a list of 5,000 recipients, then somebody's mail.
    for _ in 0..20_000 {
        world.add_mail(&[(site, 1)], DAY, true, false);
    }
    let list = world.add_mail(&[(site, 5000)], 0, false, false);
    let mail = world.add_mail(&[(site, 1)], 0, false, false);
    let next = world.add_mail(&[(site, 120)], 0, false, false);
    world.run_until(BEGIN + HOUR);
    let order: Vec<_> = world.answers.iter().map(|(_, _, mail)| *mail).collect();
    let place = |id| order.iter().position(|mail| *mail == id).unwrap();
    assert!(place(mail) < 8, "{}", place(mail));
    // Batches of both take turns.
    let last = order.iter().rposition(|mail| *mail == next).unwrap();
    assert!(last < 24, "{last}");
    assert_eq!(order.iter().filter(|mail| **mail == list).count(), 100);
    // The lane of those that were tried goes on meanwhile.
    let tried = order[..200]
        .iter()
        .filter(|id| ![list, mail, next].contains(id));
    assert!(tried.count() >= 95);
}
