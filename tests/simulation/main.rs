//! A simulation of many sessions, each run made from one number.
//!
//! The connections, sessions and the loop's bookkeeping are the real ones. Around them everything is made up
//! and moves as a seed wants: the network ([`wire`]), the store ([`store`]), the clock, the clients
//! ([`behaviours`]) and what poll tells ([`server`]). What must hold whatever happens is checked by whoever
//! sees it: below the server by [`witness`] and [`store`], above it by [`client`], around it by [`server`].
//!
//! `cargo test` runs 2,000 seeds. `MAILOOP_SIM_SEEDS=100000` runs more, `MAILOOP_SIM_SEED=17` one, with a trace.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::print_stdout, clippy::cast_possible_truncation)]
#![allow(unreachable_pub)]

mod behaviours;
mod client;
#[path = "../common/mod.rs"]
mod common;
mod dialogue;
mod journal;
mod prng;
mod profile;
mod server;
mod store;
mod text;
mod wire;
mod witness;
mod world;

use std::env;
use std::panic::{self, AssertUnwindSafe};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use log::{LevelFilter, Log, Metadata, Record};
use mailoop::config::Config;

const SEEDS: u64 = 2000;
/// The place of a worker that has ended.
const DONE: u64 = u64::MAX;
/// A seed that takes longer is one whose server turns round and round within one call.
const SEED_TIME_MAX: Duration = Duration::from_secs(60);

fn number(variable: &str) -> Option<u64> {
    let value = env::var(variable).ok()?;
    Some(value.parse().expect("a number"))
}

#[test]
fn every_seed_ends_well() {
    let base = common::memory::config(&[]);
    if let Some(seed) = number("MAILOOP_SIM_SEED") {
        let _ = log::set_logger(&Trace);
        log::set_max_level(LevelFilter::Debug);
        world::run(seed, &base, true);
        return;
    }
    let start = Instant::now();
    let seeds = number("MAILOOP_SIM_SEEDS").unwrap_or(SEEDS);
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicU64::new(1);
    // The seed each worker is at.
    let places: Vec<AtomicU64> = (0..workers).map(|_| AtomicU64::new(0)).collect();
    let sums = Sums::default();
    let failure = thread::scope(|scope| {
        let (base, next, sums) = (&base, &next, &sums);
        let run = |place| scope.spawn(move || run_seeds(base, next, seeds, place, sums));
        let threads: Vec<_> = places.iter().map(run).collect();
        let mut watch = Watch::new(&places);
        while threads.iter().any(|thread| !thread.is_finished()) {
            thread::sleep(Duration::from_millis(10));
            watch.look();
        }
        let ended = threads.into_iter().map(|thread| thread.join().unwrap());
        ended.flatten().min()
    });
    if let Some((seed, what)) = failure {
        panic!("seed {seed}: {what}\n{}", how_to_repeat(seed));
    }
    let seconds = start.elapsed().as_secs_f64();
    println!("{seeds} seeds in {seconds:.1} s: {sums:?}");
    let messages = sums.messages.load(Ordering::Relaxed);
    assert!(messages >= seeds, "a simulation of so little shows nothing");
}

fn how_to_repeat(seed: u64) -> String {
    format!("to see it again: MAILOOP_SIM_SEED={seed} cargo test --test simulation -- --nocapture")
}

/// Runs seeds up to `last` as long as all is well; the first that is not, and why.
fn run_seeds(
    base: &Config,
    next: &AtomicU64,
    last: u64,
    place: &AtomicU64,
    sums: &Sums,
) -> Option<(u64, String)> {
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed > last {
            place.store(DONE, Ordering::Relaxed);
            return None;
        }
        place.store(seed, Ordering::Relaxed);
        let run = AssertUnwindSafe(|| world::run(seed, base, false));
        let panic = match panic::catch_unwind(run) {
            Ok(sum) => {
                sums.add(sum);
                continue;
            }
            Err(panic) => panic,
        };
        next.store(last + 1, Ordering::Relaxed);
        place.store(DONE, Ordering::Relaxed);
        let what = panic.downcast_ref::<String>().cloned();
        let what = what.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        return Some((seed, what.unwrap_or_default()));
    }
}

/// What all seeds did together.
#[derive(Debug, Default)]
struct Sums {
    connections: AtomicU64,
    replies: AtomicU64,
    messages: AtomicU64,
}

impl Sums {
    fn add(&self, sum: world::Sum) {
        self.connections
            .fetch_add(sum.connections, Ordering::Relaxed);
        self.replies.fetch_add(sum.replies, Ordering::Relaxed);
        self.messages.fetch_add(sum.messages, Ordering::Relaxed);
    }
}

/// Sees to it that no worker stays at one seed for ever.
struct Watch<'a> {
    places: &'a [AtomicU64],
    since: Vec<(u64, Instant)>,
}

impl<'a> Watch<'a> {
    fn new(places: &'a [AtomicU64]) -> Self {
        let since = vec![(0, Instant::now()); places.len()];
        Self { places, since }
    }

    fn look(&mut self) {
        for (place, (seed, since)) in self.places.iter().zip(&mut self.since) {
            let present = place.load(Ordering::Relaxed);
            if present != *seed || present == DONE {
                (*seed, *since) = (present, Instant::now());
            } else if since.elapsed() > SEED_TIME_MAX {
                // Nothing but the end of the process stops a thread.
                eprintln!(
                    "seed {seed} does not come to an end\n{}",
                    how_to_repeat(*seed)
                );
                process::abort();
            }
        }
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
