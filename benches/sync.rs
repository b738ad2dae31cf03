//! What the ways take to make a round of messages durable: the data of some, and the names that the same number got
//! in the round before. It is why `src/store/maildir/sync.rs` does it as it does.
//!
//! `cargo bench --bench sync`, with the folder to be tried in `MAILOOP_BENCH_DIR` if that is not the target folder.

#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

use std::fs::{self, File, rename};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};
use std::{env, mem};

use rustix::fs::syncfs;

const ROUNDS: usize = 100;
const MESSAGE: [u8; 1024] = [b'x'; 1024];

/// A way to make files and the folder of names durable.
type Way = fn(&Path, &[File], Option<&File>);

const WAYS: [(&str, Way); 2] = [("syncfs", together), ("one by one", one_by_one)];

fn together(root: &Path, _: &[File], _: Option<&File>) {
    syncfs(File::open(root).unwrap()).unwrap();
}

fn one_by_one(_: &Path, files: &[File], names: Option<&File>) {
    for file in files {
        file.sync_data().unwrap();
    }
    if let Some(names) = names {
        names.sync_all().unwrap();
    }
}

struct Folders<'a> {
    root: &'a Path,
    new: File,
    count: usize,
    written: Vec<usize>,
}

impl Folders<'_> {
    /// Writes files, and names those of the round before.
    fn write(&mut self, files: usize, names: bool) -> Vec<File> {
        let written = mem::take(&mut self.written);
        for number in written.into_iter().filter(|_| names) {
            let number = number.to_string();
            let (tmp, new) = (self.root.join("tmp"), self.root.join("new"));
            rename(tmp.join(&number), new.join(&number)).unwrap();
        }
        let create = |count| {
            let path = self.root.join("tmp").join(format!("{count}"));
            let mut file = File::create_new(path).unwrap();
            file.write_all(&MESSAGE).unwrap();
            file
        };
        self.written = (self.count..self.count + files).collect();
        self.count += files;
        self.written.iter().map(create).collect()
    }
}

fn median(mut times: Vec<Duration>) -> u128 {
    times.sort();
    times[times.len() / 2].as_micros()
}

/// What each way takes for rounds of so many files, and with names or without; by turns, so that all meet the same disk.
fn measure(root: &Path, files: usize, names: bool) -> [u128; WAYS.len()] {
    let mut folders = Folders {
        root,
        new: File::open(root.join("new")).unwrap(),
        count: 0,
        written: Vec::new(),
    };
    let mut times = WAYS.map(|_| Vec::new());
    // Names alone: the data of the round before is durable.
    let alone = names && files == 0;
    for _ in 0..ROUNDS {
        for (way, times) in WAYS.iter().zip(&mut times) {
            if alone {
                let written = folders.write(1, false);
                one_by_one(root, &written, None);
            }
            let written = folders.write(files, names);
            let begin = Instant::now();
            way.1(root, &written, names.then_some(&folders.new));
            times.push(begin.elapsed());
        }
    }
    times.map(median)
}

fn main() {
    let folder = env::var("MAILOOP_BENCH_DIR").unwrap_or(env!("CARGO_TARGET_TMPDIR").to_owned());
    println!("what a round takes in {folder}, median in µs, {ROUNDS} of each");
    println!("| messages in the round | {} | {} |", WAYS[0].0, WAYS[1].0);
    println!("|---|---|---|");
    let rounds = [
        ("1, data only", 1, false),
        ("1, names only", 0, true),
        ("1 and 1", 1, true),
        ("4 and 4", 4, true),
        ("16 and 16", 16, true),
        ("64 and 64", 64, true),
    ];
    for (name, files, names) in rounds {
        let root = tempfile::tempdir_in(&folder).unwrap();
        fs::create_dir(root.path().join("tmp")).unwrap();
        fs::create_dir(root.path().join("new")).unwrap();
        let [first, second] = measure(root.path(), files, names);
        println!("| {name} | {first} | {second} |");
    }
}
