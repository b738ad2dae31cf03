//! Disks that take their time: only who waits for the disk notices.
//!
//! A few sessions store messages all the time; others ask what has nothing to do with those messages ([`crate::questions`]).
//! Once the whole disk is slow, where every call that changes anything may have to wait; once only the calls are that
//! make something durable.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::TestServer;
use crate::common::client::Client;
use crate::common::program::installed;
use crate::messages::Messages;
use crate::mount::{Disk, FileSystem};
use crate::questions::{KNOWN, Over, QUESTIONS, noop};
use crate::senders::Sender;
use crate::{alone, number};

/// How long the disk is used.
const TIME: Duration = Duration::from_secs(8);
/// How many sessions store messages meanwhile.
const SENDERS: u64 = 3;
/// More than they come to.
const MESSAGES: u64 = 1000;
/// The second is [`crate::questions::SOCKET`].
const LISTEN: [&str; 4] = ["--listen", "127.0.0.1:0", "--listen", "unix:socket"];
/// How long each write and each flush takes, unless `MAILOOP_DISK_DELAY` says otherwise. ext4 needs a handful of them
/// for one fsync.
const DELAY_MS: u64 = 100;
/// How long each call takes that syncs.
const SYNC_MS: u64 = 500;

#[test]
fn nobody_else_waits_for_a_slow_disk() {
    let _alone = alone();
    let file_system = FileSystem::chosen();
    if !file_system.is_possible() {
        return;
    }
    let delay = Duration::from_millis(number("MAILOOP_DISK_DELAY").unwrap_or(DELAY_MS));
    let disk = Disk::new(file_system.make());
    let maildir = disk.path().join("mail");
    let options = [&LISTEN[..], &["--maildir", maildir.to_str().unwrap()]].concat();
    let mut server = TestServer::start(&options);
    make_known(&server);
    disk.device.delay(delay);
    compare(&server, delay);
    disk.device.delay(Duration::ZERO);
    server.stop();
}

#[test]
fn nobody_else_waits_for_a_slow_sync() {
    let _alone = alone();
    if !installed(&["strace"]) {
        return;
    }
    let inject = format!("inject=syncfs,fsync,fdatasync:delay_enter={SYNC_MS}ms");
    let tracer = [
        "strace",
        // The tracer is the grandchild, so that signals for the server reach the server.
        "-D",
        "-f",
        // What is not named here goes at full speed.
        "--seccomp-bpf",
        "-o/dev/null",
        "-e",
        "trace=syncfs,fsync,fdatasync",
        "-e",
        &inject,
    ];
    let mut server = TestServer::start_under(&tracer, &LISTEN);
    make_known(&server);
    compare(&server, Duration::from_millis(SYNC_MS));
    server.stop();
}

fn make_known(server: &TestServer) {
    let mut client = Client::connect(server.address());
    client.begin_message(KNOWN);
    client.ask("text\r\n.", "250");
}

/// Uses a server on a disk that makes nothing durable in less than `delay`: who stores waits for it, nobody else does.
/// A machine that was busy with something else gets another chance or two; a loop that waits does not get by with that.
fn compare(server: &TestServer, delay: Duration) {
    const TRIES: usize = 3;
    for attempt in 1..=TRIES {
        match measure(server, delay) {
            Ok(()) => return,
            Err(waited) => assert!(attempt < TRIES, "{TRIES} times: {waited}"),
        }
    }
}

/// Tells of the first question that waited.
///
/// What the machine itself makes of a question that needs no disk, a second server shows, which has none.
fn measure(server: &TestServer, delay: Duration) -> Result<(), String> {
    let diskless = TestServer::start(&["--discard"]);
    let over = Over::default();
    let messages = Messages::new(1, MESSAGES);
    let next = AtomicU64::new(0);
    let (mut stored, asked, machine) = thread::scope(|scope| {
        let (messages, next, over) = (&messages, &next, &over);
        let store = |index| scope.spawn(move || store(server, index, messages, next, over));
        let senders: Vec<_> = (0..SENDERS).map(store).collect();
        let probes = QUESTIONS.map(|ask| scope.spawn(move || ask(server, over)));
        let machine = scope.spawn(|| noop(&diskless, over));
        thread::sleep(TIME);
        over.set();
        let stored = senders.into_iter().map(|sender| sender.join().unwrap());
        let stored: Vec<_> = stored.flatten().collect();
        let asked = probes.map(|probe| probe.join().unwrap());
        (stored, asked, machine.join().unwrap())
    });
    stored.sort_unstable();
    let (count, least, most) = (stored.len(), stored[0], stored[stored.len() - 1]);
    println!("a disk that takes {delay:?}: {count} messages in {least:.1?} to {most:.1?} each");
    asked.iter().for_each(|latencies| println!("{latencies}"));
    println!("{machine}, no disk");
    assert!(least >= delay, "stored without the disk");
    // Far less than a wait for the disk.
    let bound = delay / 5 + 3 * machine.percentile(99);
    match asked.iter().find(|asked| asked.percentile(99) >= bound) {
        Some(latencies) => Err(format!("not within {bound:.1?}: {latencies}")),
        None => Ok(()),
    }
}

/// Stores messages one after another; how long each took.
fn store(
    server: &TestServer,
    index: u64,
    messages: &Messages,
    next: &AtomicU64,
    over: &Over,
) -> Vec<Duration> {
    let mut sender = Sender::connect(index, server.address());
    let mut times = Vec::new();
    while !over.is_set() {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let start = Instant::now();
        sender.send(messages.get(number).unwrap());
        times.push(start.elapsed());
    }
    times
}
