//! A simulation of mail that is sent on, each run made from one number.
//!
//! Queue, dispatcher, connections and the loop's bookkeeping are the real ones, in a real [`ServerCore`]. Around them everything is
//! made up and moves as a seed wants: the [`spool`], the [`internet`] with its [hosts](hosts), names and [peers](peer), the clock,
//! the operator, reloads, drains, crashes. What must hold whatever happens is checked by whoever sees it: most of it in the
//! [`books`], which know each recipient of each mail.
//!
//! `cargo test --test simulation relay` runs 1,000 seeds. `MAILOOP_SIM_SEEDS` and `MAILOOP_SIM_SEED` are as for the other world.
//!
//! [`ServerCore`]: mailoop::server::core::ServerCore

mod books;
mod callers;
mod counts;
mod hosts;
mod internet;
mod mails;
mod names;
mod parts;
mod peer;
mod profile;
#[cfg(feature = "record")]
mod record;
mod rest;
mod server;
mod spool;
mod store;
mod wire;
mod world;

use std::sync::Mutex;

use log::LevelFilter;
use mailoop::config::Config;

use counts::Counts;
#[cfg(feature = "record")]
use record::run;
#[cfg(not(feature = "record"))]
use world::run;

use super::{Trace, common, seeds};

const SEEDS: u64 = 1000;

/// What has to happen in all seeds together.
const KINDS: [&str; 27] = [
    "mails",
    "brought",
    "sent",
    "failed",
    "deleted",
    "held",
    "deferred",
    "uncertain",
    "reports",
    "delay notices",
    "doubles",
    "replies lost",
    "local deliveries",
    "dials",
    "no way",
    "names later",
    "names not found",
    "later reads",
    "pieces",
    "failed reads",
    "gone",
    "moves",
    "lost processes",
    "found",
    "crashes",
    "drains",
    "reloads",
];

thread_local! {
    /// What all worlds of a thread begin with.
    static BASE: Config = common::memory::config(&[
        "--domain",
        mails::OURS,
        "--route",
        "*=smtp://h0.net?tls=none",
        "--relay-from",
        "192.0.2.0/24",
    ]);
}

#[test]
fn every_seed_of_the_relay_ends_well() {
    if let Some(seed) = seeds::only() {
        let _ = log::set_logger(&Trace);
        log::set_max_level(LevelFilter::Debug);
        let counts = BASE.with(|base| world::run(seed, base, true));
        println!("{counts:?}");
        return;
    }
    let sums = Mutex::new(Counts::default());
    let seeds = seeds::run_all("simulation", SEEDS, |seed| {
        let counts = BASE.with(|base| run(seed, base, false));
        sums.lock().unwrap().merge(&counts);
    });
    let Counts(sums) = sums.into_inner().unwrap();
    println!("{sums:?}");
    for kind in KINDS {
        let count = sums.get(kind).copied().unwrap_or(0);
        assert!(
            count > 0 || seeds < SEEDS,
            "a simulation without any {kind} shows too little"
        );
    }
}
