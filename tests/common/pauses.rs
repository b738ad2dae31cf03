//! A machine that does not give a test its time: it is busy, or is halted for seconds with all that runs on it.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How long the watch rests between two looks, and what rest is so long that the machine has paused.
const REST: Duration = Duration::from_millis(10);
const PAUSE_MIN: Duration = Duration::from_millis(100);

/// How often a test is begun anew for a pause.
const TRIES_MAX: usize = 20;

/// Runs a test of times so short that a pause spoils it: one that fails although the machine has paused meanwhile is run again. One that
/// fails without a pause fails, as does one that goes wrong every time.
pub fn undisturbed<T>(test: impl Fn() -> T) -> T {
    for _ in 1..TRIES_MAX {
        let (outcome, longest) = watched(|| catch_unwind(AssertUnwindSafe(&test)));
        match outcome {
            Ok(outcome) => return outcome,
            Err(panic) if longest < PAUSE_MIN => resume_unwind(panic),
            Err(_) => eprintln!("the machine paused for {longest:?}: again"),
        }
    }
    test()
}

/// Whether something holds that a pause spoils, by looking again where it does not and the machine has paused.
pub fn holds_undisturbed(test: impl Fn() -> bool) -> bool {
    for _ in 0..TRIES_MAX {
        let (holds, longest) = watched(&test);
        if holds || longest < PAUSE_MIN {
            return holds;
        }
    }
    false
}

/// What this returns, and the longest time for which a thread beside it had no turn.
fn watched<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let has_ended = AtomicBool::new(false);
    thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let (mut longest, mut last) = (Duration::ZERO, Instant::now());
            while !has_ended.load(Ordering::Relaxed) {
                thread::sleep(REST);
                longest = longest.max(last.elapsed());
                last = Instant::now();
            }
            longest
        });
        let outcome = work();
        has_ended.store(true, Ordering::Relaxed);
        (outcome, watch.join().unwrap())
    })
}
