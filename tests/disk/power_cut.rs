//! Power cuts: whatever a disk was not told to flush may be lost, torn, or there after all.
//!
//! A server stores messages on a disk of ours, which keeps a diary. Then the power is cut at places of that diary:
//! what the disk has kept ([`crate::cut`]) is mounted, so that the file system recovers; a server starts on it, so
//! that the store recovers; and what is there then is compared with what clients had been told until the cut.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

#[cfg(feature = "milter")]
use crate::common::filter::ScriptedFilter;
use crate::common::{TestServer, files, happens};
use crate::cut::Replay;
use crate::device::{Device, Request};
use crate::image::Image;
use crate::messages::Messages;
#[cfg(feature = "milter")]
use crate::messages::changes;
use crate::mount::{Disk, FileSystem, MemoryFile, Mounted};
use crate::prng::Prng;
use crate::senders::Sender;
use crate::{alone, number};

/// How many cuts there are, unless `MAILOOP_DISK_CUTS` says otherwise.
const CUTS: u64 = 50;
const SESSIONS: u64 = 8;
/// They fill the smallest disk by half, and the journal of ext4 several times.
const MESSAGES: u64 = 1200;

#[test]
fn what_was_acknowledged_survives_a_power_cut() {
    let _alone = alone();
    let seed = number("MAILOOP_DISK_SEED").unwrap_or_else(any_seed);
    survives(seed, CUTS, Messages::new(seed, MESSAGES), &[]);
}

/// How many messages a filter changes, and cuts there are then.
#[cfg(feature = "milter")]
const CHANGED_MESSAGES: u64 = 300;
#[cfg(feature = "milter")]
const CHANGED_CUTS: u64 = 25;

/// It is there as a filter has changed it, and nothing is left of what the filter looked at.
#[cfg(feature = "milter")]
#[test]
fn what_a_filter_has_changed_survives_a_power_cut() {
    let _alone = alone();
    let seed = number("MAILOOP_DISK_SEED").unwrap_or_else(any_seed);
    let filter = ScriptedFilter::start(changes());
    let options = ["--milter", &filter.address];
    survives(
        seed,
        CHANGED_CUTS,
        Messages::changed(seed, CHANGED_MESSAGES),
        &options,
    );
}

/// Has messages sent to a server with these options, and cuts the power at places.
fn survives(seed: u64, cuts: u64, messages: Messages, options: &[&str]) {
    let file_system = FileSystem::chosen();
    if !file_system.is_possible() {
        return;
    }
    let cuts = number("MAILOOP_DISK_CUTS").unwrap_or(cuts);
    let start = Instant::now();
    let formatted = file_system.make();
    let history = History::new(formatted.clone(), messages, options);
    let seconds = start.elapsed().as_secs_f64();
    println!("seed {seed}: {history}, {seconds:.1} s");

    let mut prng = Prng::new(seed);
    let mut positions: Vec<_> = (0..cuts).map(|_| history.any_position(&mut prng)).collect();
    positions.sort_unstable();
    let mut replay = Replay::new(formatted, &history.diary, file_system.superblock.clone());
    let mut faults = Vec::new();
    for position in positions {
        let found = Found::on(&replay.cut(position, &mut prng), &history.messages);
        let wrong = found.compared_with(&history, position);
        if !wrong.is_empty() {
            faults.push(format!("cut at {position}:\n  {}", wrong.join("\n  ")));
        }
    }
    println!("{cuts} cuts, {:.1} s", start.elapsed().as_secs_f64());
    let (bad, list) = (faults.len(), faults.join("\n"));
    assert!(bad == 0, "seed {seed}: {bad} of {cuts} cuts\n{list}");
}

pub fn any_seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::from(now.subsec_nanos())
}

/// What happened before any cut.
struct History {
    messages: Messages,
    diary: Vec<Request>,
    /// Where the diary was when the server was ready.
    ready: usize,
    acknowledged: Vec<Acknowledged>,
}

/// A message that got its `250`.
struct Acknowledged {
    number: u64,
    /// How far the disk's diary was when the client had read so: no less than when the server knew.
    position: usize,
}

impl History {
    /// Has messages sent to a server that keeps them on a disk which holds `image`.
    fn new(image: Image, messages: Messages, options: &[&str]) -> Self {
        let disk = Disk::new(image);
        let maildir = maildir(disk.path());
        // The smallest btrfs has less than is kept free by itself.
        let ours = ["--maildir", &maildir, "--min-free", "0"];
        let mut server = TestServer::start(&[&ours, options].concat());
        let ready = disk.device.position();
        let acknowledged = send_all(server.address(), &disk.device, &messages);
        let diary = disk.device.take_diary();
        server.stop();
        Self {
            messages,
            diary,
            ready,
            acknowledged,
        }
    }

    /// A place to cut: any, or just when a client was told of its message, before anything else happens.
    fn any_position(&self, prng: &mut Prng) -> usize {
        if prng.one_in(2) {
            self.acknowledged[prng.below(self.acknowledged.len())].position
        } else {
            prng.between(self.ready, self.diary.len())
        }
    }
}

impl Display for History {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_flush = |request: &&Request| matches!(request, Request::Flush);
        let flushes = self.diary.iter().filter(is_flush).count();
        let writes = self.diary.len() - flushes;
        let messages = self.acknowledged.len();
        write!(
            formatter,
            "{messages} messages, {writes} writes, {flushes} flushes"
        )
    }
}

/// Sends all messages over several sessions, one half of them pipelining.
fn send_all(address: &str, device: &Device, messages: &Messages) -> Vec<Acknowledged> {
    let next = AtomicU64::new(0);
    let session = |index: u64| {
        let mut sender = Sender::connect(index, address);
        let mut acknowledged = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(message) = messages.get(number) else {
                return acknowledged;
            };
            sender.send(message);
            let position = device.position();
            acknowledged.push(Acknowledged { number, position });
        }
    };
    thread::scope(|scope| {
        let session = &session;
        let start = |index| scope.spawn(move || session(index));
        let sessions: Vec<_> = (0..SESSIONS).map(start).collect();
        let ended = sessions.into_iter().map(|session| session.join().unwrap());
        ended.flatten().collect()
    })
}

/// What a server has in its mailboxes.
#[derive(Default)]
struct Found {
    /// How often whole messages are in mailboxes.
    copies: BTreeMap<(u64, String), usize>,
    faults: Vec<String>,
}

impl Found {
    /// What there is once a server has started on a disk which holds `image`.
    fn on(image: &Image, messages: &Messages) -> Self {
        let disk = MemoryFile::new();
        image.put_into(&disk.file).unwrap();
        let mounted = Mounted::new(&disk.path());
        let maildir = maildir(mounted.path());
        let mut server = TestServer::start(&["--maildir", &maildir]);
        let mut found = Self::default();
        for domain in files(Path::new(&maildir)) {
            if domain.is_file() {
                found
                    .faults
                    .push(format!("left over: {}", domain.display()));
                continue;
            }
            for mailbox in files(&domain) {
                found.look_into(&mailbox, messages);
            }
        }
        server.stop();
        found
    }

    fn look_into(&mut self, mailbox: &Path, messages: &Messages) {
        // A server may sweep while it serves.
        if !happens(|| files(&mailbox.join("tmp")).is_empty()) {
            self.faults
                .push(format!("left over in {}/tmp", mailbox.display()));
        }
        let names = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
        let address = format!("{}@{}", names(mailbox), names(mailbox.parent().unwrap()));
        for path in files(&mailbox.join("new")) {
            let stored = fs::read(&path).unwrap();
            if let Some(number) = messages.find(&stored) {
                let copies = self.copies.entry((number, address.clone()));
                *copies.or_default() += 1;
            } else {
                let fault = format!("torn: {}, {} octets", path.display(), stored.len());
                self.faults.push(fault);
            }
        }
    }

    /// All that is wrong if the power was cut at `position`.
    fn compared_with(mut self, history: &History, position: usize) -> Vec<String> {
        let recipients = |number| history.messages.recipients(number);
        for ((number, address), copies) in &self.copies {
            if *copies > 1 || !recipients(*number).contains(address) {
                let fault = format!("message {number} is {copies} times in {address}");
                self.faults.push(fault);
            }
        }
        for told in &history.acknowledged {
            if told.position > position {
                continue;
            }
            for address in recipients(told.number) {
                if !self.copies.contains_key(&(told.number, address.clone())) {
                    let fault = format!("message {} is lost to {address}", told.number);
                    self.faults.push(fault);
                }
            }
        }
        self.faults
    }
}

/// The store on the file system that is mounted at `path`.
fn maildir(path: &Path) -> String {
    path.join("mail").to_str().unwrap().to_owned()
}
