//! Processes that take mail out of the stream, and are killed while it comes in.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::clients::Clients;
use super::kills::is_whole;
use super::{cluster, cluster_with, edge, messages, rounds};
use crate::common::http::HttpClient;
use crate::common::nats::Cluster;
use crate::common::processes::signal;
use crate::common::program::Running;
use crate::common::{happens, wait_until};
use rustix::process::Signal;
use tempfile::{TempDir, tempdir};

/// How long a process may take to end in good order.
const END_MAX: Duration = Duration::from_secs(60);
const KILLS: usize = 6;

fn command(url: &str, maildir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mailoop"));
    command
        .env_clear()
        .args(["deliver", "--ack-wait", "5", "--stream", url, "--maildir"])
        .arg(maildir)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    command
}

fn start(cluster: &Cluster, maildir: &Path) -> Running {
    let mut command = command(&cluster.url(""), maildir);
    Running(command.stderr(Stdio::null()).spawn().unwrap())
}

/// Ends a process by SIGTERM, and checks that it is in good order and in time.
fn end(mut process: Running) {
    let asked = Instant::now();
    signal(process.0.id(), Signal::TERM);
    let status = ended(&mut process.0);
    assert_eq!(status, Some(0));
    assert!(asked.elapsed() <= END_MAX, "{:?}", asked.elapsed());
}

fn ended(process: &mut Child) -> Option<i32> {
    process.wait().unwrap().code()
}

/// The copies of each message in Bob's mailbox, by their queue ids.
fn copies(maildir: &Path) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    for folder in ["new", "cur"] {
        let folder = maildir.join("example.org/bob").join(folder);
        let Ok(files) = fs::read_dir(folder) else {
            continue;
        };
        for file in files {
            let name = file.unwrap().file_name().into_string().unwrap();
            let unique = name.split('.').nth(1).unwrap();
            let (_, id) = unique.split_once('Q').unwrap();
            *found.entry(id.to_owned()).or_default() += 1;
        }
    }
    found
}

/// A reader takes note of what is new.
fn read_some(maildir: &Path) {
    let new = maildir.join("example.org/bob/new");
    let Ok(files) = fs::read_dir(&new) else {
        return;
    };
    for file in files.step_by(2) {
        let name = file.unwrap().file_name().into_string().unwrap();
        let cur = maildir.join(format!("example.org/bob/cur/{name}:2,S"));
        fs::rename(new.join(name), cur).unwrap();
    }
}

fn maildir() -> (TempDir, std::path::PathBuf) {
    // What is synced in memory costs nothing: the servers have the disk.
    let memory = Path::new("/dev/shm");
    let folder = match memory.is_dir() {
        true => TempDir::new_in(memory),
        false => tempdir(),
    };
    let folder = folder.unwrap();
    let maildir = folder.path().join("mail");
    (folder, maildir)
}

#[test]
fn two_that_deliver_and_are_killed_deliver_each_message_once() {
    let Some(cluster) = cluster() else {
        return;
    };
    let edges = [edge(&cluster), edge(&cluster)];
    let addresses = edges.each_ref().map(|edge| edge.address().to_owned());
    let (_folder, maildir) = maildir();
    let mut processes = [0, 1].map(|_| start(&cluster, &maildir));
    let long = "a line of a text that has parts\r\n".repeat(4000);
    let short = Clients::start(&addresses, 6, usize::MAX, "Subject: short\r\n\r\ntext\r\n");
    let long = Clients::start(
        &addresses,
        1,
        usize::MAX,
        &format!("Subject: long\r\n\r\n{long}"),
    );
    for kill in 0..KILLS * rounds() {
        // At whatever point: the time is no condition of anything.
        sleep(Duration::from_millis(200 + 37 * (kill as u64 % 13)));
        let next = start(&cluster, &maildir);
        let old = std::mem::replace(&mut processes[kill % 2], next);
        match kill % 3 {
            2 => end(old),
            _ => drop(old),
        }
        read_some(&maildir);
    }
    let mut acknowledged = short.end(true).acknowledged;
    let count = acknowledged.len();
    acknowledged.extend(long.end(true).acknowledged);
    assert!(count > 0 && acknowledged.len() > count);
    check_each_once(&cluster, &maildir, &acknowledged);
    processes.into_iter().for_each(end);
}

/// Checks that each message that was acknowledged is delivered once, and leaves the stream.
#[track_caller]
fn check_each_once(cluster: &Cluster, maildir: &Path, acknowledged: &[String]) {
    let is_all_there = happens(|| {
        let found = copies(maildir);
        acknowledged.iter().all(|id| found.contains_key(id))
    });
    let found = copies(maildir);
    let lost = acknowledged.iter().filter(|id| !found.contains_key(*id));
    let lost: Vec<_> = lost.take(10).collect();
    assert!(is_all_there, "lost, among others: {lost:?}");
    // What was handed out to a process that was killed is handed out again. Parts of one that was killed just before it removed them
    // are there until they are swept.
    wait_until("all messages to leave the stream", || {
        messages(&cluster.everything()).is_empty()
    });
    let twice: Vec<_> = copies(maildir).into_iter().filter(|it| it.1 > 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
}

#[test]
fn servers_that_are_killed_while_two_deliver_cost_no_message() {
    let Some(mut cluster) = cluster() else {
        return;
    };
    let edge = edge(&cluster);
    let (_folder, maildir) = maildir();
    let [first, second] = [0, 1].map(|_| start(&cluster, &maildir));
    let addresses = [edge.address().to_owned()];
    let goes_on = || {
        let before = copies(&maildir).len();
        wait_until("more to be delivered", || {
            copies(&maildir).len() > before + 20
        });
    };
    let mut acknowledged = Vec::new();
    for round in 0..rounds() {
        let clients = Clients::start(&addresses, 2, 200, "a line\r\n");
        goes_on();
        // Often one is both.
        let node = match round % 2 {
            0 => cluster.consumer_leader("mailoop-deliver"),
            _ => cluster.leader(),
        };
        cluster.kill(node);
        acknowledged.extend(clients.end(false).acknowledged);
        cluster.restart(node);
        wait_until("all replicas to be there", || is_whole(&cluster));
    }
    // Amid the work of both.
    let clients = Clients::start(&addresses, 2, 100, "a line\r\n");
    goes_on();
    end(first);
    acknowledged.extend(clients.end(false).acknowledged);
    check_each_once(&cluster, &maildir, &acknowledged);
    end(second);
}

#[test]
fn what_was_delivered_is_counted() {
    let Some(cluster) = cluster() else {
        return;
    };
    let edge = edge(&cluster);
    let (folder, maildir) = maildir();
    let [log, said] = ["log", "said"].map(|name| folder.path().join(name));
    let mut command = command(&cluster.url(""), &maildir);
    command.args(["--http", "127.0.0.1:0"]);
    command.stderr(fs::File::create(&log).unwrap());
    command.stdout(fs::File::create(&said).unwrap());
    let process = Running(command.spawn().unwrap());
    let clients = Clients::start(&[edge.address().to_owned()], 3, 1, "a line\r\n");
    assert_eq!(clients.end(false).acknowledged.len(), 3);
    wait_until("all to be delivered", || copies(&maildir).len() == 3);
    wait_until("all messages to leave the stream", || {
        messages(&cluster.everything()).is_empty()
    });
    let said = fs::read_to_string(said).unwrap();
    let address = said.trim_end().strip_prefix("listening http ").unwrap();
    let metrics = HttpClient::connect_to(address).get("/metrics");
    for sample in [
        "mailoop_stream_ready 1",
        "mailoop_deliver_messages_total{event=\"delivered\"} 3",
        "mailoop_deliver_messages_total{event=\"aside\"} 0",
        "mailoop_deliver_waiting_messages 0",
    ] {
        assert!(metrics.text().contains(sample), "{}", metrics.text());
    }
    end(process);
    let log = fs::read_to_string(log).unwrap();
    assert!(
        log.contains("stream consumer=mailoop-deliver ack_wait=5\n"),
        "{log}"
    );
    let last = log.lines().last().unwrap();
    assert!(last.contains("ended messages=3 "), "{log}");
}

#[test]
fn a_stream_that_keeps_what_was_delivered_is_refused() {
    let Some(cluster) = cluster_with("workqueue", "limits") else {
        return;
    };
    drop(edge(&cluster));
    let (_folder, maildir) = maildir();
    let output = command(&cluster.url(""), &maildir).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(78), "{said}");
    let last = said.lines().last().unwrap_or_default();
    assert!(last.contains("retention set to workqueue"), "{said}");
}

#[test]
fn what_is_wrong_is_told_by_the_exit_code() {
    let Some(cluster) = cluster() else {
        return;
    };
    let (folder, maildir) = maildir();
    let file = folder.path().join("file");
    fs::write(&file, "no folder").unwrap();
    let missing = cluster.url("").replace("/MAIL", "/NONE");
    for (url, maildir, code) in [
        (&*missing, &maildir, 78),
        ("nats://127.0.0.1:1/MAIL", &maildir, 69),
        ("nats://127.0.0.1:1", &maildir, 64),
        (&cluster.url(""), &file, 73),
    ] {
        let output = command(url, maildir).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{url}: {said}");
        let last = said.lines().last().unwrap_or_default();
        assert!(last.starts_with("mailoop: "), "{said}");
    }
}
