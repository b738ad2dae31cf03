//! Runs that are made from one number each, on all processors.
//!
//! `MAILOOP_SIM_SEEDS=100000` runs more of them than is usual, `MAILOOP_SIM_SEED=17` only one.

use std::env;
use std::panic::{self, AssertUnwindSafe};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// The place of a worker that has ended.
const DONE: u64 = u64::MAX;
/// A seed that takes longer is one whose run turns round and round within one call.
const SEED_TIME_MAX: Duration = Duration::from_secs(300);

/// The only seed that is to be run, if there is one.
pub fn only() -> Option<u64> {
    number("MAILOOP_SIM_SEED")
}

fn number(variable: &str) -> Option<u64> {
    let value = env::var(variable).ok()?;
    Some(value.parse().expect("a number"))
}

/// Runs as many seeds as is `usual`, or wanted, for the test program `test`. Returns how many.
///
/// # Panics
/// If one of them does.
pub fn run_all(test: &str, usual: u64, run: impl Fn(u64) + Sync) -> u64 {
    let last = number("MAILOOP_SIM_SEEDS").unwrap_or(usual);
    run_up_to(test, last, run);
    last
}

/// Runs the seeds up to `last` for the test program `test`.
///
/// # Panics
/// If one of them does.
pub fn run_up_to(test: &str, last: u64, run: impl Fn(u64) + Sync) {
    let start = Instant::now();
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicU64::new(1);
    // The seed each worker is at.
    let places: Vec<AtomicU64> = (0..workers).map(|_| AtomicU64::new(0)).collect();
    let failure = thread::scope(|scope| {
        let (run, next) = (&run, &next);
        let work = |place| scope.spawn(move || run_seeds(run, next, last, place));
        let threads: Vec<_> = places.iter().map(work).collect();
        let mut watch = Watch::new(test, &places);
        while threads.iter().any(|thread| !thread.is_finished()) {
            thread::sleep(Duration::from_millis(10));
            watch.look();
        }
        let ended = threads.into_iter().map(|thread| thread.join().unwrap());
        ended.flatten().min()
    });
    if let Some((seed, what)) = failure {
        panic!("seed {seed}: {what}\n{}", how_to_repeat(test, seed));
    }
    println!("{last} seeds in {:.1} s", start.elapsed().as_secs_f64());
}

fn how_to_repeat(test: &str, seed: u64) -> String {
    format!("to see it again: MAILOOP_SIM_SEED={seed} cargo test --test {test} -- --nocapture")
}

/// Runs seeds up to `last` as long as all is well; the first that is not, and why.
fn run_seeds(
    run: &impl Fn(u64),
    next: &AtomicU64,
    last: u64,
    place: &AtomicU64,
) -> Option<(u64, String)> {
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed > last {
            place.store(DONE, Ordering::Relaxed);
            return None;
        }
        place.store(seed, Ordering::Relaxed);
        if let Err(what) = attempt(|| run(seed)) {
            next.store(last + 1, Ordering::Relaxed);
            place.store(DONE, Ordering::Relaxed);
            return Some((seed, what));
        }
    }
}

/// Runs something, and tells why it panicked.
pub fn attempt<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    panic::catch_unwind(AssertUnwindSafe(run)).map_err(|panic| {
        let what = panic.downcast_ref::<String>().cloned();
        what.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
            .unwrap_or_default()
    })
}

/// Sees to it that no worker stays at one seed for ever.
struct Watch<'a> {
    test: &'a str,
    places: &'a [AtomicU64],
    since: Vec<(u64, Instant)>,
}

impl<'a> Watch<'a> {
    fn new(test: &'a str, places: &'a [AtomicU64]) -> Self {
        let since = vec![(0, Instant::now()); places.len()];
        Self {
            test,
            places,
            since,
        }
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
                    how_to_repeat(self.test, *seed)
                );
                process::abort();
            }
        }
    }
}
