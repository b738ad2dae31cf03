//! A simulation of many sessions, each run made from one number.
//!
//! The connections, sessions and the loop's bookkeeping are the real ones. Around them everything is made up
//! and moves as a seed wants: the network ([`wire`]), the store ([`store`]), the clock, the clients
//! ([`behaviours`]) and what poll tells ([`server`]). What must hold whatever happens is checked by whoever
//! sees it: below the server by [`witness`] and [`store`], above it by [`client`], around it by [`server`].
//!
//! `cargo test` runs 2,000 seeds. `MAILOOP_SIM_SEEDS=100000` runs more, `MAILOOP_SIM_SEED=17` one, with a trace.
//! A seed that fails leaves its [`record`] for `mailoop replay` and `mailoop trace`, and its path is printed.
//! `MAILOOP_SIM_RECORDS=1000` replays and garbles the records of as many seeds.
//! `MAILOOP_SIM_DIGEST=FILE` writes digests of what clients received ([`digest`]).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::print_stdout, clippy::cast_possible_truncation)]
#![allow(unreachable_pub)]

mod behaviours;
mod client;
#[path = "../common/mod.rs"]
mod common;
mod dialogue;
mod digest;
#[cfg(feature = "milter")]
mod filters;
#[cfg(feature = "record")]
mod garble;
#[cfg(feature = "http")]
mod http;
mod journal;
mod network;
mod prng;
mod profile;
#[cfg(feature = "record")]
mod record;
#[cfg(feature = "relay")]
mod relay;
#[path = "../common/seeds.rs"]
mod seeds;
mod server;
mod states;
mod store;
mod text;
mod tls;
mod wire;
mod witness;
mod world;

use std::sync::atomic::{AtomicU64, Ordering};

use log::{LevelFilter, Log, Metadata, Record};
use mailoop::config::Config;

use digest::Digests;
#[cfg(feature = "record")]
use record::run;
use states::STATES;
#[cfg(not(feature = "record"))]
use world::run;

const SEEDS: u64 = 2000;

thread_local! {
    /// What all worlds of a thread begin with.
    static BASE: Config = common::memory::config(&[]);
}

#[test]
fn every_seed_ends_well() {
    if let Some(seed) = seeds::only() {
        let _ = log::set_logger(&Trace);
        log::set_max_level(LevelFilter::Debug);
        BASE.with(|base| run(seed, base, true));
        return;
    }
    let _ = log::set_logger(&STATES);
    log::set_max_level(LevelFilter::Trace);
    let sums = Sums::default();
    let digests = Digests::from_environment();
    let seeds = seeds::run_all("simulation", SEEDS, |seed| {
        let sum = BASE.with(|base| run(seed, base, false));
        STATES.begin();
        digests.add(seed, &sum.heard);
        sums.add(&sum);
    });
    digests.write();
    println!("{sums:?}");
    let (undrawn, unseen) = STATES.differences();
    assert_eq!(undrawn, [], "these are missing in docs/architecture.md");
    let features = cfg!(all(feature = "auth", feature = "tls"));
    if cfg!(debug_assertions) && features && seeds >= SEEDS {
        assert_eq!(unseen, [], "docs/architecture.md draws too much");
    }
    let messages = sums.messages.load(Ordering::Relaxed);
    assert!(messages >= seeds, "a simulation of so little shows nothing");
    let secured = sums.secured.load(Ordering::Relaxed);
    assert!(
        secured > seeds / 4 || cfg!(not(feature = "tls")),
        "{secured} in TLS are too few"
    );
}

/// What all seeds did together.
#[derive(Debug, Default)]
struct Sums {
    connections: AtomicU64,
    secured: AtomicU64,
    replies: AtomicU64,
    messages: AtomicU64,
}

impl Sums {
    fn add(&self, sum: &world::Sum) {
        self.connections
            .fetch_add(sum.connections, Ordering::Relaxed);
        self.secured.fetch_add(sum.secured, Ordering::Relaxed);
        self.replies.fetch_add(sum.replies, Ordering::Relaxed);
        self.messages.fetch_add(sum.messages, Ordering::Relaxed);
    }
}

/// The server's log, among the trace.
struct Trace;

impl Log for Trace {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        println!("{:>12} {}", record.level(), record.args());
    }

    fn flush(&self) {}
}
