//! Power cuts of a server that sends mail on: what is in its spool then goes to the hop of another server, and all must have
//! arrived that was acknowledged, nothing that was refused, and nothing once more that was noted as done.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

use crate::common::client::Client;
use crate::common::{TestServer, files, happens, wait_until};
use crate::cut::Replay;
use crate::device::{Device, Request};
use crate::image::Image;
use crate::mount::{Disk, FileSystem, MemoryFile, Mounted};
use crate::power_cut::any_seed;
use crate::prng::Prng;
use crate::sink::{Answer, Sink};
use crate::{alone, number};

/// How many cuts there are, unless `MAILOOP_DISK_CUTS` says otherwise.
const CUTS: u64 = 20;
const SESSIONS: usize = 4;
/// How many messages are sent to a server, before the next one; to one whose disk is full, too.
const MESSAGES: usize = 150;
const MESSAGES_WHILE_FULL: usize = 12;
/// Of what the hop took, so many messages at most are noted by no sync.
const UNDER_WAY_MAX: usize = 64;

const ADA: &str = "ada@here.example";
const CARL: &str = "carl@here.example";

/// Whether a message also goes to a mailbox here, and to somebody whom no hop knows.
fn is_local(number: usize) -> bool {
    number % 3 == 1
}

fn is_bad(number: usize) -> bool {
    number % 5 == 2
}

fn text(number: usize) -> String {
    let mut prng = Prng::new(number as u64);
    let lines = if number % 17 == 5 {
        1500
    } else {
        prng.size(100)
    };
    let mut text = format!("Subject: x\r\nX-Number: {number};\r\n\r\n");
    for _ in 0..lines {
        let _ = write!(text, "{:060x}\r\n", prng.below(usize::MAX));
    }
    text
}

/// The number of a message that is whole, or of that which a report is about.
fn number_of(stored: &[u8]) -> Option<usize> {
    let stored = String::from_utf8_lossy(stored).replace("\r\n", "\n");
    let (_, rest) = stored.split_once("X-Number: ")?;
    let number = rest.split(';').next()?.parse().ok()?;
    let is_report = stored.contains("message/delivery-status");
    let is_whole = stored.ends_with(&text(number).replace("\r\n", "\n"));
    (is_report || is_whole).then_some(number)
}

/// What a hop took, by number, and where the diary of the disk was just before it said so.
type Diary = Arc<Mutex<Vec<(usize, usize)>>>;

/// A hop that knows of bad recipients nothing.
fn hop(diary: &Diary, position: impl Fn() -> usize + Send + Sync + 'static) -> Sink {
    let (diary, present) = (Arc::clone(diary), Mutex::new(BTreeMap::new()));
    Sink::with(move |connection, said| {
        if said.starts_with("RCPT TO:<bad") {
            return Answer::Say("550 5.1.1 No such user");
        }
        let mut present = present.lock().unwrap();
        if let Some(rest) = said.strip_prefix("RCPT TO:<bob") {
            let number = rest
                .split('@')
                .next()
                .and_then(|number| number.parse().ok());
            present.insert(connection, number.unwrap());
        } else if said == "." {
            let taken = (present[&connection], position());
            diary.lock().unwrap().push(taken);
        }
        Answer::Usual
    })
}

/// A server on a file system that is mounted at `path`.
fn start(path: &Path, hop: &Sink) -> TestServer {
    let folder = |name| path.join(name).to_str().unwrap().to_owned();
    let (spool, mail) = (folder("spool"), folder("mail"));
    let route = format!("*=smtp://{}", hop.address());
    TestServer::start(&[
        "--domain",
        "here.example",
        "--relay-from",
        "127.0.0.0/8",
        "--retry",
        "1",
        "--max-outgoing-per-site",
        "2",
        // The smallest btrfs has less than is kept free by itself.
        "--min-free",
        "0",
        "--spool",
        &spool,
        "--maildir",
        &mail,
        "--route",
        &route,
    ])
}

/// Whether nothing is left in the queue.
fn is_empty(path: &Path) -> bool {
    let mut queue = Command::new(env!("CARGO_BIN_EXE_mailoop"));
    queue
        .arg("queue")
        .arg("--spool")
        .arg(path.join("spool"))
        .arg("list")
        .env_clear();
    let list = queue.output().unwrap();
    list.status.success() && list.stdout.is_empty()
}

/// What happened before any cut.
struct History {
    diary: Vec<Request>,
    /// Where the diary of the disk was when the first server was ready.
    ready: usize,
    /// What was acknowledged, and how far the diary was then.
    acknowledged: BTreeMap<usize, usize>,
    refused: Vec<usize>,
    taken: Vec<(usize, usize)>,
    /// Where servers had ended in good order, and what the hop had taken by then: how many.
    ends: Vec<(usize, usize)>,
}

impl History {
    fn new(image: Image) -> Self {
        let disk = Disk::new(image);
        let taken = Diary::default();
        let device = Arc::clone(&disk.device);
        let hop = hop(&taken, move || device.position());
        let (next, mut ends) = (AtomicUsize::new(0), Vec::new());
        let (mut acknowledged, mut refused) = (BTreeMap::new(), Vec::new());
        let mut ready = 0;
        for life in 0..3 {
            let mut server = start(disk.path(), &hop);
            if life == 0 {
                ready = disk.device.position();
            }
            send_all(
                server.address(),
                &disk.device,
                &next,
                MESSAGES,
                &mut acknowledged,
            );
            if life == 1 {
                let sent = while_full(disk.path(), &server, &disk.device, &next);
                acknowledged.extend(sent.0);
                refused.extend(sent.1);
            }
            // One leaves mail behind, and one does not.
            if life != 1 {
                wait_until("the queue to be empty", || is_empty(disk.path()));
            }
            server.stop();
            ends.push((disk.device.position(), taken.lock().unwrap().len()));
        }
        let taken = taken.lock().unwrap().clone();
        Self {
            diary: disk.device.take_diary(),
            ready,
            acknowledged,
            refused,
            taken,
            ends,
        }
    }

    /// A place to cut: any, or just when a client was told of its message, or when a server had ended.
    fn any_position(&self, prng: &mut Prng) -> usize {
        let acknowledged: Vec<_> = self.acknowledged.values().copied().collect();
        match prng.below(8) {
            0..4 => acknowledged[prng.below(acknowledged.len())],
            4 => prng.pick(&self.ends).0,
            _ => prng.between(self.ready, self.diary.len()),
        }
    }

    /// How many messages the hop had taken at a place.
    fn taken_until(&self, position: usize) -> usize {
        let taken = self.taken.iter();
        taken.take_while(|(_, at)| *at <= position).count()
    }
}

/// Sends so many messages over several sessions.
fn send_all(
    address: &str,
    device: &Device,
    next: &AtomicUsize,
    messages: usize,
    acknowledged: &mut BTreeMap<usize, usize>,
) {
    let last = next.load(Ordering::Relaxed) + messages;
    let session = || {
        let mut sent = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= last {
                return sent;
            }
            let said = send(address, number);
            assert!(said.starts_with("250 "), "{said}");
            sent.push((number, device.position()));
        }
    };
    thread::scope(|scope| {
        let sessions: Vec<_> = (0..SESSIONS).map(|_| scope.spawn(session)).collect();
        acknowledged.extend(
            sessions
                .into_iter()
                .flat_map(|session| session.join().unwrap()),
        );
    });
}

/// Sends a message, and returns the reply to it, or to what went before where that is refused.
fn send(address: &str, number: usize) -> String {
    let mut client = Client::connect(address);
    client.hello();
    let mut lines = vec![
        format!("MAIL FROM:<{ADA}>"),
        format!("RCPT TO:<bob{number}@there.example>"),
    ];
    lines.extend(is_local(number).then(|| format!("RCPT TO:<{CARL}>")));
    lines.extend(is_bad(number).then(|| "RCPT TO:<bad@there.example>".to_owned()));
    for line in lines.iter().map(String::as_str).chain(["DATA"]) {
        client.say(&format!("{line}\r\n"));
        let said = client.hear();
        if !said.starts_with(['2', '3']) {
            return said;
        }
    }
    client.say(&format!("{}.\r\n", text(number)));
    client.hear()
}

type Sent = (BTreeMap<usize, usize>, Vec<usize>);

/// Sends messages while the disk is full, then until one is taken again.
fn while_full(path: &Path, server: &TestServer, device: &Device, next: &AtomicUsize) -> Sent {
    let (mut acknowledged, mut refused) = Sent::default();
    let mut deliver = || {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let said = send(server.address(), number);
        let is_taken = said.starts_with("250 ");
        if is_taken {
            acknowledged.insert(number, device.position());
        } else {
            assert!(said.starts_with('4'), "{said}");
            refused.push(number);
        }
        is_taken
    };
    let ballast = path.join("ballast");
    fill(&ballast);
    for _ in 0..MESSAGES_WHILE_FULL {
        deliver();
    }
    fs::remove_file(&ballast).unwrap();
    wait_until("a message to be taken", deliver);
    (acknowledged, refused)
}

/// Makes a file as long as there is room.
fn fill(ballast: &Path) {
    let mut file = File::create(ballast).unwrap();
    for bytes in [1 << 20, 4096] {
        while file.write_all(&vec![7; bytes]).is_ok() {}
    }
    let _ = file.sync_all();
}

/// What a server makes of a disk on which the power was cut.
struct Aftermath {
    /// What its hop took.
    taken: BTreeMap<usize, usize>,
    local: BTreeMap<Option<usize>, usize>,
    reports: BTreeMap<Option<usize>, usize>,
}

impl Aftermath {
    /// Lets a server work off what is on the disk, and says what is wrong then.
    fn of(image: &Image, history: &History, position: usize) -> Vec<String> {
        let disk = MemoryFile::new();
        image.put_into(&disk.file).unwrap();
        let mounted = Mounted::new(&disk.path());
        let taken = Diary::default();
        let hop = hop(&taken, || 0);
        let mut server = start(mounted.path(), &hop);
        let mut wrong = Vec::new();
        happens(|| {
            if !server.log().contains("spool=scanned") || !is_empty(mounted.path()) {
                wrong = vec!["it comes to no end".to_owned()];
                return false;
            }
            let mut numbers = BTreeMap::new();
            for (number, _) in &*taken.lock().unwrap() {
                *numbers.entry(*number).or_default() += 1;
            }
            let aftermath = Self {
                taken: numbers,
                local: stored(mounted.path(), "carl"),
                reports: stored(mounted.path(), "ada"),
            };
            wrong = aftermath.compared_with(history, position);
            wrong.is_empty()
        });
        if server.log().contains("spool=damaged") {
            wrong.push(server.log());
        }
        server.stop();
        wrong
    }

    /// All that is wrong if the power was cut at `position`.
    fn compared_with(&self, history: &History, position: usize) -> Vec<String> {
        let mut wrong = Vec::new();
        let before = history.taken_until(position);
        let earlier: BTreeMap<usize, usize> = history.taken[..before]
            .iter()
            .enumerate()
            .map(|(at, (number, _))| (*number, at))
            .collect();
        for (number, at) in &history.acknowledged {
            if *at > position {
                continue;
            }
            let sent =
                usize::from(earlier.contains_key(number)) + self.taken.get(number).unwrap_or(&0);
            let of = |counts: &BTreeMap<Option<usize>, usize>| {
                counts.get(&Some(*number)).copied().unwrap_or(0)
            };
            let (local, reports) = (of(&self.local), of(&self.reports));
            let is_right = sent >= 1
                && local == usize::from(is_local(*number))
                && reports == usize::from(is_bad(*number));
            if !is_right {
                wrong.push(format!(
                    "{number}: sent {sent}, local {local}, reports {reports}"
                ));
            }
        }
        let noted = history
            .ends
            .iter()
            .filter(|(end, _)| *end <= position)
            .map(|(_, taken)| *taken)
            .max()
            .unwrap_or(0);
        let noted = noted.max(before.saturating_sub(UNDER_WAY_MAX));
        for (number, count) in &self.taken {
            if *count > 1 {
                wrong.push(format!("{number} is sent {count} times by one server"));
            }
            if history.refused.contains(number) {
                wrong.push(format!("{number} is sent, though refused"));
            }
            if earlier.get(number).is_some_and(|at| *at < noted) {
                wrong.push(format!("{number} comes back, though it was done"));
            }
        }
        let more = [&self.local, &self.reports].into_iter().flatten();
        for (number, count) in more {
            if number.is_none_or(|number| history.refused.contains(&number)) || *count > 1 {
                wrong.push(format!("{count} of {number:?} in a mailbox"));
            }
        }
        wrong
    }
}

/// How often each message is in a mailbox; under nothing what is no whole one.
fn stored(path: &Path, mailbox: &str) -> BTreeMap<Option<usize>, usize> {
    let mut counts = BTreeMap::new();
    for file in files(&path.join("mail/here.example").join(mailbox).join("new")) {
        *counts
            .entry(number_of(&fs::read(file).unwrap()))
            .or_default() += 1;
    }
    counts
}

#[test]
fn what_a_spool_acknowledged_survives_a_power_cut_and_what_is_done_does_not_come_back() {
    let _alone = alone();
    let file_system = FileSystem::chosen();
    if !file_system.is_possible() {
        return;
    }
    let cuts = number("MAILOOP_DISK_CUTS").unwrap_or(CUTS);
    let seed = number("MAILOOP_DISK_SEED").unwrap_or_else(any_seed);
    let start = Instant::now();
    let formatted = file_system.make();
    let history = History::new(formatted.clone());
    println!(
        "seed {seed}: {} acknowledged, {} refused, {} taken, {} requests, {:.1} s",
        history.acknowledged.len(),
        history.refused.len(),
        history.taken.len(),
        history.diary.len(),
        start.elapsed().as_secs_f64()
    );
    assert!(!history.refused.is_empty(), "the disk was never full");
    let mut prng = Prng::new(seed);
    let mut positions: Vec<_> = (0..cuts).map(|_| history.any_position(&mut prng)).collect();
    positions.sort_unstable();
    let mut replay = Replay::new(formatted, &history.diary, file_system.superblock.clone());
    let mut faults = Vec::new();
    for position in positions {
        let wrong = Aftermath::of(&replay.cut(position, &mut prng), &history, position);
        if !wrong.is_empty() {
            faults.push(format!("cut at {position}:\n  {}", wrong.join("\n  ")));
        }
    }
    println!("{cuts} cuts, {:.1} s", start.elapsed().as_secs_f64());
    let (bad, list) = (faults.len(), faults.join("\n"));
    assert!(bad == 0, "seed {seed}: {bad} of {cuts} cuts\n{list}");
}
