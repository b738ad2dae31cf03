//! Runs that are recorded: they replay without any filter, all together and each connection alone.

use std::cell::RefCell;
use std::fs;
use std::path::Path;
use std::rc::Rc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use mailoop::config::Config;
use mailoop::net::driver::ConnectionId;
use mailoop::observe::codec::RecordValue;
use mailoop::observe::file::FrameReader;
use mailoop::observe::frame::{FilterFrame, Frame};
use mailoop::observe::outcome::{GivenCode, ReadCode, VerdictCode};
use mailoop::observe::record::{CoreRecorder, RecordOptions, Recorder};
use mailoop::replay::replay;
use mailoop::server::probe::CoreProbe;

use super::world::{Sum, run_watched};
use super::{BASE, world};
use crate::garble::Garbled;
use crate::prng::Prng;
use crate::record::{replay_by_file, temporary, wanted};
use crate::seeds::{self, attempt};

/// Seeds whose records are replayed.
const RECORDS: u64 = 100;
/// One record of so many is replayed connection by connection as well.
const RECORDS_PER_CUT: u64 = 4;
/// Changes that are tried of each record.
const CHANGES: u64 = 300;
/// The size of a record that is short.
const SHORT_BYTES_MAX: usize = 60_000;
/// The frames of the longest run are a few MiB.
const RECORD_BYTES_MAX: u64 = 1 << 30;

/// Runs a seed; one that fails is run again with a record, which is left for `mailoop replay` and `mailoop trace`.
///
/// # Panics
/// As [`world::run`], with the path of the record.
pub fn run(seed: u64, base: &Config, is_traced: bool) -> Sum {
    attempt(|| world::run(seed, base, is_traced)).unwrap_or_else(|what| {
        let (_, record) = run_recorded(seed, base, true);
        let path = temporary(&format!("filters-seed-{seed}.record"));
        fs::write(&path, record).unwrap();
        panic!("{what}\nits record: {}", path.display())
    })
}

/// Runs a seed, and records it.
fn run_recorded(seed: u64, base: &Config, with_text: bool) -> (Result<Sum, String>, Vec<u8>) {
    let sink = Rc::new(RefCell::new(Vec::new()));
    let options = RecordOptions {
        command: "serve",
        with_text,
        peers: Vec::new(),
        bytes_max: RECORD_BYTES_MAX,
    };
    let result = attempt(|| {
        // What is timed within a tick has nothing to do with the time of the simulation.
        let recorder = Recorder::start(options, Box::new(Rc::clone(&sink)), Instant::now);
        let probe = Box::new(CoreRecorder::new(recorder)) as Box<dyn CoreProbe>;
        run_watched(seed, base, false, Some(probe))
    });
    (result, sink.take())
}

/// What filters have decided in records, and how the hold has answered.
#[derive(Debug, Default)]
struct Recorded {
    asked: usize,
    passed: usize,
    refused: usize,
    discarded: usize,
    changed: usize,
    replaced: usize,
    read: usize,
    read_later: usize,
    lost: usize,
}

impl Recorded {
    fn count(&mut self, record: &[u8]) {
        let mut frames = FrameReader::new(record).unwrap();
        while let Some(frame) = frames.next_frame().unwrap() {
            let Frame::Filter { frame } = frame else {
                continue;
            };
            let count = match frame {
                FilterFrame::Asked { .. } => &mut self.asked,
                FilterFrame::Decided { verdict, .. } => match verdict {
                    VerdictCode::Pass(_) => &mut self.passed,
                    VerdictCode::Refuse(_) => &mut self.refused,
                    VerdictCode::Discard => &mut self.discarded,
                    VerdictCode::Store(message) if message.body.is_some() => &mut self.replaced,
                    VerdictCode::Store(message) if message.header.is_some() => &mut self.changed,
                    VerdictCode::Store(_) => &mut self.passed,
                },
                FilterFrame::Read {
                    result: ReadCode::Now,
                    ..
                } => &mut self.read,
                FilterFrame::ReadDone { result: Ok(_), .. } => &mut self.read_later,
                FilterFrame::Text { result: Err(_), .. }
                | FilterFrame::ReadDone { result: Err(_), .. } => &mut self.lost,
                _ => continue,
            };
            *count += 1;
        }
    }

    /// Records in which so little is show nothing.
    fn check(&self, records: usize) {
        println!("{self:?}");
        let usual = [self.asked, self.passed, self.refused, self.read];
        assert!(usual.iter().all(|count| *count > records), "{self:?}");
        let others = [self.changed, self.replaced, self.read_later];
        assert!(others.iter().all(|count| *count > records / 10), "{self:?}");
        assert!(self.discarded > 0 && self.lost > 0, "{self:?}");
    }
}

#[test]
fn records_of_the_filters_are_replayed_without_them() {
    let (recorded, alone) = (Mutex::new(Recorded::default()), AtomicU64::new(0));
    let check = |seed: u64| {
        let with_text = seed.is_multiple_of(2);
        let (sum, record) = BASE.with(|base| run_recorded(seed, base, with_text));
        let sum = sum.unwrap();
        let name = format!("filters-{seed}.record");
        let replayed = replay_by_file(&name, &record);
        assert!(!replayed.is_cut_short);
        assert_eq!(replayed.connections, sum.heard.len() as u64);
        recorded.lock().unwrap().count(&record);
        if seed.is_multiple_of(RECORDS_PER_CUT) {
            let path = temporary(&name);
            fs::write(&path, &record).unwrap();
            let connections = replay_each(&path, replayed.connections);
            alone.fetch_add(connections, Ordering::Relaxed);
            fs::remove_file(path).unwrap();
        }
    };
    match seeds::only() {
        Some(seed) => check(seed),
        None => {
            let last = wanted(RECORDS);
            seeds::run_up_to("simulation", last, check);
            recorded.into_inner().unwrap().check(last as usize);
            assert!(alone.into_inner() >= last / RECORDS_PER_CUT);
        }
    }
}

/// The short record of a seed in which filters change a message.
fn short_record(seed: u64) -> (String, Vec<u8>) {
    let with_text = seed.is_multiple_of(2);
    let mut seeds = 1000 * seed..1000 * (seed + 1);
    let record = seeds.find_map(|seed| {
        let (sum, record) = BASE.with(|base| run_recorded(seed, base, with_text));
        sum.unwrap();
        let mut recorded = Recorded::default();
        recorded.count(&record);
        let is_wanted = recorded.changed + recorded.replaced > 0 && record.len() < SHORT_BYTES_MAX;
        is_wanted.then_some(record)
    });
    (format!("filters-short-{seed}.record"), record.unwrap())
}

#[test]
fn records_of_filters_that_are_cut_garbled_or_changed_make_no_replay_panic() {
    seeds::run_up_to("simulation", 2, |seed| {
        let (name, record) = short_record(seed);
        let garbled = Garbled::new(&name, record);
        garbled.cut_anywhere();
        garbled.garble_anywhere();
        let mut rng = Prng::new(seed);
        for _ in 0..wanted(CHANGES) {
            garbled.change(&mut rng);
        }
    });
}

#[test]
fn another_verdict_is_a_difference_of_its_connection_at_its_tick() {
    let (name, record) = short_record(0);
    let mut reader = FrameReader::new(&record[..]).unwrap();
    let (mut index, mut tick, mut changes) = (0, 0, Vec::new());
    while let Some(frame) = reader.next_frame().unwrap() {
        match frame {
            Frame::Tick { number, .. } => tick = number,
            Frame::Filter {
                frame:
                    FilterFrame::Decided {
                        connection,
                        verdict,
                    },
            } => {
                let other = match verdict {
                    VerdictCode::Refuse(_) => VerdictCode::Discard,
                    _ => VerdictCode::Refuse(GivenCode {
                        code: 550,
                        lines: b"550 5.7.1 No\r\n",
                    }),
                };
                let decided = FilterFrame::Decided {
                    connection,
                    verdict: other,
                };
                let mut octets = Vec::new();
                Frame::from(decided).put(&mut octets);
                changes.push((index, tick, connection, octets));
            }
            _ => {}
        }
        index += 1;
    }
    assert!(!changes.is_empty());
    let garbled = Garbled::new(&format!("verdict-{name}"), record.clone());
    for (index, tick, connection, octets) in changes {
        let changed = garbled.with(index, index + 1, &[octets]).unwrap();
        let difference = garbled.replay(&changed).unwrap().difference.unwrap();
        let place = (difference.tick, difference.connection);
        assert_eq!(place, (tick, Some(connection)), "{difference}");
    }
}

/// Replays so many connections of a record, each alone. Returns how many there were.
fn replay_each(path: &Path, connections: u64) -> u64 {
    for number in 1..=connections {
        let replayed = replay(path, Some(ConnectionId(number)));
        let replayed = replayed.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        if let Some(difference) = replayed.difference {
            panic!("{}, connection {number}: {difference}", path.display());
        }
    }
    connections
}
