//! Answers with octets changed, lost, repeated and moved: nothing panics, and what is read stays within bounds.

use std::time::Instant;

use mailoop::outbound::dns::answer::{NameKind, NameQuestion};
use mailoop::outbound::dns::config::ResolverConfig;
use mailoop::outbound::dns::host_name::HostName;
use mailoop::outbound::dns::message::{DnsQuery, QueryOptions, Way};
use mailoop::outbound::dns::resolver::{Resolver, ResolverStep};

use crate::prng::Prng;
use crate::script::{Reaction, Script};
use crate::seeds;
use crate::within::{KINDS, check};
use crate::world::{random, server};

/// Answers of each seed, and how often each is changed: to make one takes longer than to read it.
const ANSWERS: usize = 50;
const MUTATIONS: usize = 20;

const RULES: [&str; 17] = [
    "* * = 60 192.0.2.1, 60 192.0.2.2, 60 2001:db8::1",
    "* * = 60 -> a.example, a.example 60 -> b.example, b.example 60 192.0.2.1, b.example 60 ::5",
    "* * = 60 -> a.example",
    "* * = nxdomain 60",
    "* * = 60 -> a.example, nodata 60",
    "* * = servfail",
    "* * = truncated 60 192.0.2.1",
    "* * = pointers",
    "* * = garbage",
    "* * = 60 txt, 60 txt a b, 60 txt *300, 60 192.0.2.1",
    "* * = ad 60 mx 10 mx.example, 60 mx 20 ., 60 mx 5 [192.0.2.1], 60 txt v=STSv1;",
    "* * = ad 60 tlsa 3 1 1 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff, 60 tlsa 2 0 1 ab",
    "* * = ad 60 -> a.example, a.example 60 mx 1 b.example, a.example 60 tlsa 3 0 0 *99, a.example 60 txt x",
    "* * = ad 60 -> a.example",
    "* * = ad nxdomain 60",
    "* * = bare formerr",
    "* * = cut 60 192.0.2.1, 60 ::7",
];

/// Changes a message at a few places.
fn mutate(octets: &mut Vec<u8>, rng: &mut Prng) {
    for _ in 0..rng.between(1, 4) {
        let at = rng.below(octets.len().max(1));
        match rng.below(7) {
            0 if !octets.is_empty() => octets[at] ^= 1 << rng.below(8),
            1 if !octets.is_empty() => octets[at] = rng.pick(&[0, 1, 0x3f, 0x40, 0xc0, 0xff, 12]),
            2 => octets.truncate(at),
            3 => octets.insert(at, rng.below(256) as u8),
            4 if !octets.is_empty() => {
                octets.remove(at);
            }
            5 => {
                let end = (at + rng.below(20)).min(octets.len());
                let part = octets[at.min(end)..end].to_vec();
                let to = rng.below(octets.len() + 1);
                octets.splice(to..to, part);
            }
            // A pointer to some place, also forward.
            _ if at + 1 < octets.len() => {
                octets[at] = 0xc0 | rng.below(2) as u8;
                octets[at + 1] = rng.below(octets.len()) as u8;
            }
            _ => {}
        }
    }
}

fn answer_to(packet: &[u8], rng: &mut Prng) -> Vec<u8> {
    let mut script = Script::new(RULES[rng.below(RULES.len())]);
    match script.react(packet, Way::Datagram).pop() {
        Some(Reaction::Say { octets, .. }) => octets,
        _ => Vec::new(),
    }
}

/// Runs all seeds, or the one that is wanted.
fn run_seeds(usual: u64, run: impl Fn(u64) + Sync) {
    match seeds::only() {
        Some(seed) => run(seed),
        None => {
            seeds::run_all("names", usual, run);
        }
    }
}

#[test]
fn messages_that_were_changed_are_read_or_refused() {
    run_seeds(100, |seed| {
        let rng = &mut Prng::new(seed);
        let name = HostName::parse("mail.example").unwrap();
        for _ in 0..ANSWERS {
            let (kind, case) = (rng.pick(&KINDS), rng.below(1 << 32) as u64);
            let options = QueryOptions {
                has_edns: rng.one_in(2),
                wants_authenticated: rng.one_in(2),
            };
            let query = DnsQuery::new(&name, kind, rng.below(1 << 16) as u16, case, options);
            let answer = answer_to(query.packet(), rng);
            for _ in 0..MUTATIONS {
                let mut octets = answer.clone();
                mutate(&mut octets, rng);
                for way in [Way::Datagram, Way::Stream] {
                    if let Ok(reply) = query.read(&octets, way) {
                        assert_eq!(octets[..2], query.packet()[..2], "the id");
                        check(&reply, &octets, kind, options.wants_authenticated);
                    }
                }
            }
        }
    });
}

#[test]
fn a_resolver_among_servers_that_say_anything_ends_every_look_up() {
    run_seeds(100, |seed| {
        let rng = &mut Prng::new(seed);
        let config = ResolverConfig::new(vec![server(0), server(1)]);
        let mut resolver = Resolver::new(config, random(seed));
        let mut now = Instant::now();
        let names = rng.between(1, 20);
        let kinds = [
            NameKind::Host,
            NameKind::MailHost,
            NameKind::Exchangers,
            NameKind::Associations,
            NameKind::Texts,
        ];
        for number in 0..names {
            let question = NameQuestion::new(rng.pick(&kinds), &format!("n{number}.example"));
            resolver.ask(&question, now);
        }
        let (mut answers, mut open) = (0, Vec::new());
        while answers < names {
            while let Some(step) = resolver.next_step() {
                match step {
                    ResolverStep::Open(exchange) => open.push(exchange),
                    ResolverStep::Close(id) => open.retain(|exchange| exchange.id != id),
                }
            }
            if let Some(exchange) = (!open.is_empty()).then(|| &open[rng.below(open.len())]) {
                let (id, from) = (exchange.id, exchange.server);
                let mut octets = answer_to(&exchange.message, rng);
                match rng.below(8) {
                    0 => resolver.failed(id, now),
                    1 => {
                        now = resolver.next_wake().unwrap();
                        resolver.expire(now);
                    }
                    2 => resolver.received(id, Some(server(9)), &octets, now),
                    _ => {
                        if rng.one_in(2) {
                            mutate(&mut octets, rng);
                        }
                        resolver.received(id, Some(from), &octets, now);
                    }
                }
            }
            for (_, answer) in resolver.take_answers() {
                answers += 1;
                // No server here is trusted.
                assert!(!answer.is_ok_and(|found| found.is_authenticated));
            }
        }
        assert_eq!((resolver.in_flight(), resolver.next_wake()), (0, None));
    });
}
