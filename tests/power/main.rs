//! What a power cut leaves of the store: its engine works on a model of a file system ([`model`]) that loses all it may
//! lose, fails, and is worked on by others, as a seed wants. What was reported is compared with what is there.
//!
//! The promises are those that [`ledger::Ledger::check`] names.
//!
//! The spool of mail that is sent on has a world of its own, on a model of the same kind ([`spool`]).
//!
//! `cargo test` runs 2,000 seeds. `MAILOOP_SIM_SEEDS=100000` runs more, `MAILOOP_SIM_SEED=17` one, with a trace.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::print_stdout, clippy::cast_possible_truncation)]
#![allow(unreachable_pub)]

mod data;
mod faults;
mod ledger;
mod machine;
mod model;
mod names;
mod outsider;
#[path = "../simulation/prng.rs"]
mod prng;
mod process;
#[path = "../common/seeds.rs"]
mod seeds;
#[cfg(feature = "relay")]
mod spool;
mod tree;
mod world;

use std::panic;
use std::sync::Mutex;

use machine::Trace;
use world::Sum;

const SEEDS: u64 = 2000;

#[test]
fn what_was_promised_survives_every_seed() {
    if let Some(seed) = seeds::only() {
        let (trace, result) = run_traced(seed);
        println!("{trace}\n{result:?}");
        result.unwrap();
        return;
    }
    let sums = Mutex::new(Sum::default());
    let seeds = seeds::run_all("power", SEEDS, |seed| {
        match seeds::attempt(|| world::run(seed, None)) {
            Ok(sum) => sums.lock().unwrap().add(sum),
            Err(what) => {
                let (trace, _) = run_traced(seed);
                // Whoever catches this shows it; the hook for panics would too.
                panic::resume_unwind(Box::new(format!("{what}\n{trace}\n{what}")));
            }
        }
    });
    let sums = sums.into_inner().unwrap();
    println!("{sums:?}");
    let seeds = usize::try_from(seeds).unwrap();
    let enough = [sums.stored, sums.failed, sums.unsettled, sums.cuts];
    assert!(
        enough.into_iter().all(|sum| sum >= seeds),
        "{sums:?} shows nothing"
    );
}

/// Runs one seed, and tells what happened in it.
fn run_traced(seed: u64) -> (String, Result<Sum, String>) {
    let trace = Trace::default();
    let result = seeds::attempt(|| world::run(seed, Some(trace.clone())));
    let trace = trace.borrow().join("\n");
    (trace, result)
}
