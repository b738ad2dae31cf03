//! What a power cut leaves of the spool: its engine works on a model of a file system ([`disk`]) that loses all it may lose,
//! and fails, as a seed wants. What was reported is compared with what is found.
//!
//! The promises are those of [`ledger`].

mod disk;
mod flips;
mod ledger;
mod rules;
mod world;

use std::panic;
use std::sync::Mutex;

use super::seeds;
use world::{Sum, World};

const SEEDS: u64 = 1000;

#[test]
fn what_the_spool_promised_survives_every_seed() {
    if let Some(seed) = seeds::only() {
        let (trace, result) = run_traced(seed);
        println!("{trace}\n{result:?}");
        result.unwrap();
        return;
    }
    let sums = Mutex::new(Sum::default());
    let seeds = seeds::run_all("power", SEEDS, |seed| {
        let run = || {
            let mut world = World::new(seed, false);
            world.run();
            world.sum
        };
        match seeds::attempt(run) {
            Ok(sum) => sums.lock().unwrap().add(sum),
            Err(what) => {
                let (trace, _) = run_traced(seed);
                panic::resume_unwind(Box::new(format!("{what}\n{trace}\n{what}")));
            }
        }
    });
    let sums = sums.into_inner().unwrap();
    println!("{sums:?}");
    let seeds = usize::try_from(seeds).unwrap();
    let enough = [
        sums.settled,
        4 * sums.refused,
        sums.changes,
        2 * sums.moved,
        sums.retired,
        sums.reports,
        sums.cuts,
    ];
    assert!(
        enough.into_iter().all(|sum| sum >= seeds),
        "{sums:?} shows nothing"
    );
}

/// Runs one seed, and tells what happened in it.
fn run_traced(seed: u64) -> (String, Result<(), String>) {
    let mut world = World::new(seed, true);
    let machine = std::rc::Rc::clone(&world.machine);
    let result = seeds::attempt(move || world.run());
    let trace = machine.borrow().trace();
    (trace, result)
}

#[test]
fn every_flipped_bit_is_found_and_takes_no_more_than_what_it_is_in() {
    flips::run();
}
