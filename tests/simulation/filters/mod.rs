//! A simulation of mail filters that misbehave, each run made from one number.
//!
//! Sessions, filters' exchanges, the hold and the loop's bookkeeping are the real ones, in a real [`ServerCore`]. Around them everything
//! is made up and moves as a seed wants: clients, the [network] with a [filter] at the end of each connection that [acts](acts) as it
//! likes, the process of the hold, which is lost now and then, the clock, a drain. At the end of a run the [model] goes through what
//! filters were told and did, and has each reply and each stored message as it is to be.
//!
//! `cargo test --test simulation filters` runs 200 seeds. `MAILOOP_SIM_SEEDS` and `MAILOOP_SIM_SEED` are as for the other world.
//!
//! [`ServerCore`]: mailoop::server::core::ServerCore

mod acts;
mod check;
mod client;
mod filter;
mod message;
mod model;
mod network;
mod profile;
#[cfg(feature = "record")]
mod record;
mod store;
mod wire;
mod world;

use std::sync::Mutex;

use log::LevelFilter;
use mailoop::config::Config;

use super::{Trace, common, seeds};
#[cfg(feature = "record")]
use record::run;
use world::Sum;
#[cfg(not(feature = "record"))]
use world::run;

const SEEDS: u64 = 200;
/// One seed of so many is run twice, and has to go the same way.
const SEEDS_PER_REPETITION: u64 = 16;

thread_local! {
    /// What all worlds of a thread begin with.
    static BASE: Config = common::memory::config(&[]);
}

#[test]
fn every_seed_of_the_filters_ends_well() {
    if let Some(seed) = seeds::only() {
        let _ = log::set_logger(&Trace);
        log::set_max_level(LevelFilter::Debug);
        let sum = BASE.with(|base| run(seed, base, true));
        println!("{sum:?}");
        return;
    }
    let counts = Mutex::new(Counts::default());
    let seeds = seeds::run_all("simulation", SEEDS, |seed| {
        let sum = BASE.with(|base| run(seed, base, false));
        if seed.is_multiple_of(SEEDS_PER_REPETITION) {
            let again = BASE.with(|base| run(seed, base, false));
            assert_eq!(again.heard, sum.heard, "it went another way");
            assert_eq!(again.time, sum.time, "it took another time");
        }
        counts.lock().unwrap().add(&sum);
    });
    let counts = counts.into_inner().unwrap();
    println!("{counts:?}");
    if seeds >= SEEDS {
        counts.check(seeds as usize);
    }
}

/// What happened in all seeds together.
#[derive(Debug, Default)]
struct Counts {
    steps: usize,
    stored: usize,
    changed: usize,
    discarded: usize,
    refused: usize,
    unknown: usize,
    faults: usize,
    losses: usize,
    moves: usize,
}

impl Counts {
    fn add(&mut self, sum: &Sum) {
        for seen in &sum.seen {
            self.steps += seen.steps;
            self.stored += seen.stored;
            self.changed += seen.changed;
            self.discarded += seen.discarded;
            self.refused += seen.refused;
            self.unknown += usize::from(seen.is_unknown);
        }
        self.faults += sum.faults;
        self.losses += sum.losses;
        self.moves += sum.moves;
    }

    /// A simulation in which so little happens shows nothing.
    fn check(&self, seeds: usize) {
        assert!(self.stored > seeds, "{self:?}");
        let rare = [self.changed, self.refused, self.faults, self.moves];
        assert!(rare.iter().all(|count| *count > seeds / 10), "{self:?}");
        assert!(self.discarded > 0 && self.losses > 0, "{self:?}");
    }
}
