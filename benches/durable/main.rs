//! What durability costs, over loopback: `cargo bench --bench durable`, two minutes, or more where the disk is slow.
//!
//! Each server gets the same load: sessions that keep their connections and send 1 KiB messages, waiting for every
//! reply. mailoop with groups of one pays for each message what mailoop as it is pays for all messages of a
//! group. A plain loop makes the same calls in groups of the same size, half of the sessions, without any mail. These
//! three run by turns, since a disk is not the same from one second to the next. Postfix, where it is installed and we
//! are root, is a private one that drops what it has accepted. In front of every run of a server stands what the disk
//! does for a plain loop of new files of 1 KiB and `fdatasync`; where that differs, so do the servers. Every figure is
//! the median over all turns, and a ratio is that of two turns of the same number.
//!
//! - `MAILOOP_BENCH_RUNS` is how often each server is started, with fresh folders.
//! - `MAILOOP_BENCH_SECONDS` is the length of a run, of some turns.
//! - `MAILOOP_BENCH_MAILBOXES` is how many mailboxes the sessions send to, by themselves one.
//! - `MAILOOP_BENCH_DIR` is where folders are made, otherwise the target directory: `/tmp` is in memory on many
//!   machines, where durability would cost nothing.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout
)]

mod load;
mod plain;
mod servers;

use std::collections::HashMap;
use std::env;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::str::FromStr;
use std::time::{Duration, Instant};

use load::{Load, Report};
use plain::Plain;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use servers::{Kind, Server};
use tempfile::TempDir;

/// How many sessions, and turns a second: the more messages are under way, the longer it takes until none is.
const SESSIONS: [(usize, u32); 3] = [(100, 2), (1, 20), (1000, 2)];
const RUNS: usize = 3;
const SECONDS: u32 = 2;
/// How long the disk alone is measured.
const DISK_TIME: Duration = Duration::from_millis(200);
/// Those that have the load by turns stand together.
const SERVERS: [&[Kind]; 3] = [
    &[Kind::Discard],
    &[Kind::GroupsOfOne, Kind::Groups, Kind::Loop],
    &[Kind::Postfix],
];

/// What load there is.
struct Shape {
    sessions: usize,
    mailboxes: usize,
    turn: Duration,
    /// How many turns a server has in one run.
    turns: u32,
}

/// What has turns.
enum Subject {
    /// A server, and the sessions with it. In this order they are dropped.
    Server(Load, #[allow(dead_code)] Server),
    Loop(Plain),
}

impl Subject {
    fn new(kind: Kind, folder: &Path, shape: &Shape) -> Self {
        match kind.start(folder, shape.sessions) {
            Some(server) => {
                let load = Load::connect(server.address, shape.sessions, shape.mailboxes);
                Self::Server(load, server)
            }
            None => Self::Loop(Plain::new(folder, shape.sessions)),
        }
    }

    fn turn(&mut self, time: Duration) -> Report {
        match self {
            Self::Server(load, _) => load.turn(time),
            Self::Loop(plain) => plain.turn(time),
        }
    }
}

/// One turn of a server.
struct Turn {
    report: Report,
    /// New files of 1 KiB that the disk alone made durable in a second, before this run.
    disk: f64,
}

type Table = HashMap<Kind, Vec<Turn>>;

fn main() {
    let runs = setting("MAILOOP_BENCH_RUNS", RUNS);
    let seconds = setting("MAILOOP_BENCH_SECONDS", SECONDS);
    let mailboxes = setting("MAILOOP_BENCH_MAILBOXES", 1);
    let parent = env::var("MAILOOP_BENCH_DIR").unwrap_or(env!("CARGO_TARGET_TMPDIR").into());
    // Removed at the very end: to remove many files slows the disk for a while.
    let folder = TempDir::new_in(parent).unwrap();
    raise_descriptor_limit();
    println!("{runs} runs of {seconds} s; times are from the end of a message to its 250\n");
    print_heading();
    for (sessions, turns_per_second) in SESSIONS {
        let shape = Shape {
            sessions,
            mailboxes,
            turn: Duration::from_secs(1) / turns_per_second,
            turns: seconds * turns_per_second,
        };
        let mut table = Table::new();
        for run in 0..runs {
            for kinds in SERVERS {
                let is_measured = |kind: &&Kind| kind.missing(sessions).is_none();
                let kinds: Vec<Kind> = kinds.iter().filter(is_measured).copied().collect();
                let folder = folder.path().join(format!("{sessions}-{run}"));
                measure(&kinds, &folder, &shape, &mut table);
            }
        }
        print_rows(&table, sessions);
    }
}

/// Starts these servers and gives them the load by turns.
fn measure(kinds: &[Kind], folder: &Path, shape: &Shape, table: &mut Table) {
    if kinds.is_empty() {
        return;
    }
    // What others wrote is not to be paid for here.
    rustix::fs::sync();
    let disk = disk(&folder.join(format!("disk for {}", kinds[0].name())));
    let subject = |kind: &Kind| {
        let folder = folder.join(kind.name());
        (*kind, Subject::new(*kind, &folder, shape))
    };
    let mut subjects: Vec<_> = kinds.iter().map(subject).collect();
    for _ in 0..shape.turns {
        for (kind, subject) in &mut subjects {
            let report = subject.turn(shape.turn);
            table.entry(*kind).or_default().push(Turn { report, disk });
        }
        // Forth and back, so that nobody always follows the same one.
        subjects.reverse();
    }
}

/// How many new files a second can be made durable one after the other, without their names.
fn disk(folder: &Path) -> f64 {
    fs::create_dir_all(folder).unwrap();
    let start = Instant::now();
    let mut count: u32 = 0;
    while start.elapsed() < DISK_TIME {
        let mut file = File::create(folder.join(count.to_string())).unwrap();
        file.write_all(&[b'x'; 1024]).unwrap();
        file.sync_data().unwrap();
        count += 1;
    }
    f64::from(count) / start.elapsed().as_secs_f64()
}

fn print_heading() {
    println!(
        "{:<23} {:>8} {:>10} {:>8} {:>8} {:>8} {:>8} {:>10} {:>10} {:>11}",
        "server",
        "sessions",
        "messages/s",
        "p50 ms",
        "p99 ms",
        "vs one",
        "vs loop",
        "vs Postfix",
        "client µs",
        "fdatasync/s"
    );
}

fn print_rows(table: &Table, sessions: usize) {
    let ratio = |turns: &[Turn], to: Kind| {
        let pairs = turns.iter().zip(table.get(&to)?);
        Some(median(pairs.map(|(turn, other)| {
            turn.report.messages_per_second / other.report.messages_per_second
        })))
    };
    let shown = |ratio: Option<f64>| ratio.map_or("-".into(), |ratio| format!("{ratio:.2}"));
    for kind in SERVERS.into_iter().flatten() {
        let Some(turns) = table.get(kind) else {
            let why = kind.missing(sessions).unwrap_or_default();
            println!("{:<23} {sessions:>8} {why}", kind.name());
            continue;
        };
        let of = |figure: fn(&Turn) -> f64| median(turns.iter().map(figure));
        println!(
            "{:<23} {sessions:>8} {:>10.0} {:>8.2} {:>8.2} {:>8} {:>8} {:>10} {:>10.1} {:>11.0}",
            kind.name(),
            of(|turn| turn.report.messages_per_second),
            of(|turn| turn.report.p50.as_secs_f64() * 1e3),
            of(|turn| turn.report.p99.as_secs_f64() * 1e3),
            shown(ratio(turns, Kind::GroupsOfOne)),
            shown(ratio(turns, Kind::Loop)),
            shown(ratio(turns, Kind::Postfix)),
            of(|turn| turn.report.cpu_per_message.as_secs_f64() * 1e6),
            of(|turn| turn.disk),
        );
    }
}

/// The one in the middle; of two, the mean.
fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    let half = figures.len() / 2;
    if figures.len() % 2 == 1 {
        figures[half]
    } else {
        f64::midpoint(figures[half - 1], figures[half])
    }
}

/// What the environment says, or else this.
fn setting<T: FromStr>(name: &str, otherwise: T) -> T {
    let value = env::var(name).ok();
    value.map_or(otherwise, |value| {
        let number = value.parse();
        number.unwrap_or_else(|_| panic!("{name} is no such number: {value}"))
    })
}

/// A thousand sessions need more than the usual limit, in the servers too.
fn raise_descriptor_limit() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let limit = Rlimit {
        current: maximum,
        maximum,
    };
    setrlimit(Resource::Nofile, limit).unwrap();
}
