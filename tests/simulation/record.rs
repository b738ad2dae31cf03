//! Runs that are recorded: what a seed that fails leaves behind, and records that are replayed.

use std::cell::RefCell;
use std::env;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use mailoop::config::Config;
use mailoop::observe::file::FrameReader;
use mailoop::observe::frame::Frame;
use mailoop::observe::record::{CoreRecorder, RecordOptions, Recorder};
use mailoop::replay::{Replayed, replay};

use super::BASE;
use super::common::memory::config;
use super::seeds::{self, attempt};
use super::world::{self, Sum};

/// Seeds whose record is replayed.
const RECORDS: u64 = 100;
/// The frames of the longest run are a few MiB.
const RECORD_BYTES_MAX: u64 = 1 << 30;

/// Runs a seed; one that fails is run again with a record, which is left for `mailoop replay` and `mailoop trace`.
///
/// # Panics
/// As [`world::run`], with the path of the record.
pub fn run(seed: u64, base: &Config, tracing: bool) -> Sum {
    attempt(|| world::run(seed, base, tracing)).unwrap_or_else(|what| {
        let (_, record) = run_recorded(seed, base, true);
        let path = temporary(&format!("seed-{seed}.record"));
        fs::write(&path, record).unwrap();
        panic!("{what}\nits record: {}", path.display())
    })
}

/// Runs a seed, and records it.
pub fn run_recorded(seed: u64, base: &Config, with_text: bool) -> (Result<Sum, String>, Vec<u8>) {
    run_recorded_to(seed, base, with_text, RECORD_BYTES_MAX)
}

/// The same to this size.
fn run_recorded_to(
    seed: u64,
    base: &Config,
    with_text: bool,
    bytes_max: u64,
) -> (Result<Sum, String>, Vec<u8>) {
    let sink = Rc::new(RefCell::new(Vec::new()));
    let options = RecordOptions {
        command: "serve",
        with_text,
        peers: Vec::new(),
        bytes_max,
    };
    let result = attempt(|| {
        // What is timed within a tick has nothing to do with the time of the simulation.
        let recorder = Recorder::start(options, Box::new(Rc::clone(&sink)), Instant::now);
        let probe = Box::new(CoreRecorder::new(recorder));
        world::run_watched(seed, base, false, Some(probe))
    });
    (result, sink.take())
}

/// As many records as are usual, or as `MAILOOP_SIM_RECORDS` says.
pub fn wanted(usual: u64) -> u64 {
    let wanted = env::var("MAILOOP_SIM_RECORDS").ok();
    wanted.map_or(usual, |wanted| wanted.parse().unwrap())
}

/// A path for a file that a test writes.
pub fn temporary(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// Replays a record by way of a file, which is kept where something was not as it is to be.
pub fn replay_by_file(name: &str, record: &[u8]) -> Replayed {
    let path = temporary(name);
    fs::write(&path, record).unwrap();
    let replayed =
        replay(&path, None).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    if let Some(difference) = &replayed.difference {
        panic!("{}: {difference}", path.display());
    }
    match fs::remove_file(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => panic!("{error}"),
        _ => replayed,
    }
}

/// The ticks, connections and octets of text that a record tells of.
fn contents(record: &[u8]) -> (u64, u64, u64) {
    let mut frames = FrameReader::new(record).unwrap();
    let (mut ticks, mut connections, mut octets) = (0, 0, 0);
    while let Some(frame) = frames.next_frame().unwrap() {
        match frame {
            Frame::Tick { .. } => ticks += 1,
            Frame::Added { .. } => connections += 1,
            Frame::Closed { bytes_out, .. } => octets += bytes_out,
            _ => {}
        }
    }
    (ticks, connections, octets)
}

#[test]
fn records_of_seeds_are_replayed_octet_for_octet() {
    let said = AtomicU64::new(0);
    let check = |seed| {
        for with_text in [true, false] {
            let run = |base: &_| run_recorded(seed, base, with_text);
            let (sum, record) = BASE.with(run);
            let sum = sum.unwrap();
            let replayed = replay_by_file(&format!("seed-{seed}-{with_text}.record"), &record);
            assert!(!replayed.is_cut_short);
            let same = (replayed.ticks, replayed.connections, replayed.octets);
            assert_eq!(same, contents(&record));
            assert_eq!(replayed.connections, sum.connections);
            said.fetch_add(replayed.octets, Ordering::Relaxed);
        }
    };
    match seeds::only() {
        Some(seed) => check(seed),
        None => {
            let last = wanted(RECORDS);
            seeds::run_up_to("simulation", last, check);
            assert!(said.into_inner() > last * 100, "too little was said");
        }
    }
}

#[test]
fn a_record_that_reaches_its_largest_size_ends_cleanly_wherever_that_is() {
    let check = |seed| {
        let bytes_max = 1000 + 397 * seed;
        let run = |base: &_| run_recorded_to(seed, base, seed.is_multiple_of(2), bytes_max);
        let (sum, record) = BASE.with(run);
        sum.unwrap();
        assert!(record.len() as u64 <= bytes_max);
        let replayed = replay_by_file(&format!("full-{seed}.record"), &record);
        assert!(!replayed.is_cut_short);
    };
    seeds::run_up_to("simulation", wanted(RECORDS), check);
}

#[test]
fn a_run_that_fails_leaves_a_record() {
    let mut base = config(&[]);
    // No client expects this name.
    "elsewhere.example.net".clone_into(&mut base.policy.hostname);
    let mut seeds = 1..100;
    let what = seeds.find_map(|seed| attempt(|| run(seed, &base, false)).err());
    let what = what.unwrap();
    let (_, path) = what.split_once("\nits record: ").unwrap();
    let replayed = replay(Path::new(path), None).unwrap();
    assert!(replayed.difference.is_none() && replayed.connections > 0);
    fs::remove_file(path).unwrap();
}
