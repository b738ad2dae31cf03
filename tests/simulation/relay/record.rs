//! Runs that are recorded: each life of a server has a record of its own, which replays.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use mailoop::config::Config;
use mailoop::observe::record::{CoreRecorder, RecordOptions, Recorder};
use mailoop::server::probe::CoreProbe;

use super::counts::Counts;
use super::{BASE, world};
use crate::record::{replay_by_file, temporary, wanted};
use crate::seeds::{self, attempt};

/// Seeds whose records are replayed.
const RECORDS: u64 = 60;
/// The frames of the longest run are a few MiB.
const RECORD_BYTES_MAX: u64 = 1 << 30;

/// The octets of a record in memory.
type RecordOctets = Rc<RefCell<Vec<u8>>>;

/// Runs a seed; one that fails is run again with records, of which the last is left for `mailoop replay` and `mailoop trace`.
///
/// # Panics
/// As [`world::run`], with the path of the record.
pub fn run(seed: u64, base: &Config, tracing: bool) -> Counts {
    attempt(|| world::run(seed, base, tracing)).unwrap_or_else(|what| {
        let (_, records) = run_recorded(seed, base, true);
        let path = temporary(&format!("relay-seed-{seed}.record"));
        let last = records.last().map(Vec::as_slice);
        std::fs::write(&path, last.unwrap_or_default()).unwrap();
        panic!("{what}\nits record: {}", path.display())
    })
}

/// Runs a seed, and records each life of its server.
fn run_recorded(
    seed: u64,
    base: &Config,
    with_text: bool,
) -> (Result<Counts, String>, Vec<Vec<u8>>) {
    let records: Rc<RefCell<Vec<RecordOctets>>> = Rc::default();
    let begun = Rc::clone(&records);
    let watch: world::Watch = Rc::new(move || {
        let sink = RecordOctets::default();
        begun.borrow_mut().push(Rc::clone(&sink));
        let options = RecordOptions {
            command: "serve",
            with_text,
            peers: Vec::new(),
            bytes_max: RECORD_BYTES_MAX,
        };
        // What is timed within a tick has nothing to do with the time of the simulation.
        let recorder = Recorder::start(options, Box::new(sink), Instant::now);
        Box::new(CoreRecorder::new(recorder)) as Box<dyn CoreProbe>
    });
    let result = attempt(|| world::run_watched(seed, base, false, Some(watch)));
    let records = records.take().iter().map(|record| record.take()).collect();
    (result, records)
}

#[test]
fn records_of_mail_that_is_sent_on_are_replayed() {
    let ticks = AtomicU64::new(0);
    let check = |seed: u64| {
        let run = |base: &_| run_recorded(seed, base, seed.is_multiple_of(2));
        let (counts, records) = BASE.with(run);
        counts.unwrap();
        for (life, record) in records.iter().enumerate() {
            let replayed = replay_by_file(&format!("relay-{seed}-{life}.record"), record);
            assert!(!replayed.is_cut_short);
            ticks.fetch_add(replayed.ticks, Ordering::Relaxed);
        }
    };
    match seeds::only() {
        Some(seed) => check(seed),
        None => {
            let last = wanted(RECORDS);
            seeds::run_up_to("simulation", last, check);
            assert!(ticks.into_inner() > last * 100, "too little happened");
        }
    }
}
