//! A service over servers that fail in all ways, each run made from one number.
//!
//! Whatever happens: what was acknowledged is in the stream once, the store is told of one connection at a time, and of none while a
//! promise is broken for long; once all is well again, so is the service, and all that was to be published is there.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use log::{LevelFilter, Log, Metadata, Record};

use crate::model::cluster::{Cluster, NodeState};
use crate::model::{Model, Names};
use crate::prng::Prng;
use crate::seeds;
use crate::world::World;

const SEEDS: u64 = 400;
/// Time until all is well again.
const TROUBLE: usize = 90;
/// Time from then until the service has to be well.
const RECOVERY: Duration = Duration::from_secs(75);

/// Time after which a stream that breaks its promise takes no mail, connected or not.
const BROKEN_MAX: Duration = Duration::from_secs(21);

/// Complaints of servers.
const COMPLAINTS: [&str; 7] = [
    "-ERR 'Permissions Violation for Publish to \"mail.x\"'\r\n",
    "-ERR 'Maximum Payload Violation'\r\n",
    "-ERR 'Stale Connection'\r\n",
    "-ERR 'Slow Consumer'\r\n",
    "-ERR 'Authorization Violation'\r\n",
    "-ERR 'Unknown Protocol Operation'\r\n",
    "-ERR\r\n",
];
/// What no server says, and what it says at a wrong time.
const GARBAGE: [&[u8]; 9] = [
    b"\0\xff\r\n",
    b"MSG a\r\n",
    b"HMSG a 1 9 3\r\nabc\r\n",
    b"MSG a 1 99999999999\r\n",
    b"HTTP/1.1 400 Bad Request\r\n\r\n",
    b"INFO {\r\n",
    b"PING\r\nPONG\r\n+OK\r\n",
    b"msg _INBOX.x.1\t1  3\r\nabc\r\n",
    b"MSG _INBOX.x.1 1 100000\r\nx",
];

#[test]
fn every_seed_ends_well() {
    if let Some(seed) = seeds::only() {
        let _ = log::set_logger(&Trace);
        log::set_max_level(LevelFilter::Debug);
        run(seed, true);
        return;
    }
    let (connections, losses) = (AtomicU64::new(0), AtomicU64::new(0));
    let seeds = seeds::run_all("stream", SEEDS, |seed| {
        let (made, lost) = run(seed, false);
        connections.fetch_add(made, Ordering::Relaxed);
        losses.fetch_add(lost, Ordering::Relaxed);
    });
    let (connections, losses) = (connections.into_inner(), losses.into_inner());
    println!("{connections} connections, lost {losses} times");
    assert!(connections > 2 * seeds, "so little trouble shows nothing");
    assert!(losses > seeds / 4, "so little trouble shows nothing");
}

/// Runs one seed; the numbers of connections, and of times that mail was not taken any more.
fn run(seed: u64, is_traced: bool) -> (u64, u64) {
    let mut prng = Prng::new(seed);
    let wanted = prng.size(2000) as u64;
    let octets = prng.pick(&[0, 10, 1000, 60_000]);
    let delay = prng.pick(&[1, 10, 100, 1500]);
    let is_slow = octets > 1000 || delay > 1000;
    let wanted = if is_slow { wanted.min(100) } else { wanted };
    let url = prng.pick(&[
        "nats://n0,n1,n2/MAIL",
        "nats://n1/MAIL?monitor=n0:8222,n1:8222,n2:8222",
        "nats://10.0.0.1,10.0.0.2/MAIL?durability=replicated",
    ]);
    let mut world = World::new(seed, url, true, wanted, octets);
    {
        let mut model = world.model.borrow_mut();
        model.delay_max = Duration::from_millis(delay);
        // One octet at a time is for runs with few of them.
        let is_short = wanted * (octets as u64 + 200) < 30_000;
        model.octets_max = match prng.below(4) {
            0 if is_short => 1,
            1 => prng.between(100, 3000),
            _ => usize::MAX,
        };
    }
    let end = world.start + Duration::from_secs(TROUBLE as u64);
    while world.now < end {
        world.run_for(Duration::from_millis(prng.size(16_000) as u64));
        let is_broken = world.model.borrow().is_broken_for(BROKEN_MAX);
        assert!(
            !is_broken || !world.witness.is_ready(),
            "a broken promise is none"
        );
        let mut model = world.model.borrow_mut();
        let trouble = trouble(&mut model, &mut prng);
        if is_traced {
            println!("{:?} {trouble}", world.now - world.start);
        }
    }
    heal(&mut world.model.borrow_mut());
    if is_traced {
        println!("{:?} all is well", world.now - world.start);
    }
    let is_well = world.run_while(RECOVERY, |world| world.is_well() && world.witness.is_done());
    let (acknowledged, state) = (world.witness.acknowledged.len(), &world.witness.state);
    assert!(
        is_well,
        "{acknowledged} of {wanted} are acknowledged: {state:?}"
    );
    check(&world);
    (
        world.witness.connections as u64,
        world.witness.losses as u64,
    )
}

/// Something happens to the servers.
fn trouble(model: &mut Model, prng: &mut Prng) -> &'static str {
    let node = prng.below(model.cluster.nodes.len());
    match prng.below(19) {
        0 | 1 => {
            model.cluster.nodes[node].state = NodeState::Down;
            model.tell_infos();
            "a server dies"
        }
        2 | 3 => {
            model.cluster.nodes[node].state = NodeState::Frozen;
            "a server freezes"
        }
        4 => {
            model.cut(node);
            "connections are cut"
        }
        5 => {
            model.cluster.leader = None;
            "the leader is lost"
        }
        6 | 7 => {
            let complaint = prng.pick(&COMPLAINTS);
            model.inject(node, complaint.as_bytes());
            "a server complains"
        }
        8 => {
            let garbage = prng.pick(&GARBAGE);
            model.inject(node, garbage);
            "a server talks nonsense"
        }
        9 => {
            model.cluster.nodes[node].syncs_always = false;
            "a server does not sync"
        }
        10 => {
            let now = model.now;
            model.broken_since.get_or_insert(now);
            let config = model.cluster.config.as_mut();
            config.and_then(|config| config.insert("num_replicas", "1".to_owned()));
            "the stream has one replica"
        }
        11 => {
            model.cluster.nodes[node].refuses = true;
            model.cut(node);
            "a server refuses logins"
        }
        12 => {
            model.cluster.nodes[node].is_leaving = true;
            model.tell_infos();
            "a server leaves"
        }
        13 => {
            model.cluster.nodes[node].monitor = NodeState::Frozen;
            "a monitor freezes"
        }
        14 => {
            model.names = prng.pick(&[Names::Later, Names::Broken]);
            "names change"
        }
        15 => {
            model.cluster.nodes[node].is_cut_off = true;
            "a server is cut off from the others"
        }
        16 => {
            model.cluster.unanswered = prng.between(1, 20);
            "answers are lost"
        }
        _ => {
            heal(model);
            "all is well"
        }
    }
}

fn heal(model: &mut Model) {
    for node in &mut model.cluster.nodes {
        if node.state == NodeState::Down {
            node.is_offline = false;
        }
        node.state = NodeState::Up;
        node.monitor = NodeState::Up;
        node.syncs_always = true;
        node.refuses = false;
        node.is_cut_off = false;
        node.is_leaving = false;
    }
    model.cluster.config = Some(Cluster::good_config());
    model.broken_since = None;
    model.cluster.leader = Some(1);
    model.cluster.unanswered = 0;
    model.names = Names::Now;
    model.tell_infos();
}

/// What was acknowledged is in the stream, once, as it was published.
fn check(world: &World) {
    let model = world.model.borrow();
    let messages = &model.cluster.messages;
    assert_eq!(messages.len() as u64, world.witness.wanted);
    for (number, sequence) in &world.witness.acknowledged {
        let stored = &messages[sequence];
        assert_eq!(stored.subject, format!("mail.message.id{number}"));
        assert_eq!(stored.payload.len(), world.witness.octets);
        let octet = b'a' + (number % 26) as u8;
        assert!(stored.payload.iter().all(|other| *other == octet));
    }
}

/// The log, among the trace.
struct Trace;

impl Log for Trace {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        println!("  {}", record.args());
    }

    fn flush(&self) {}
}
