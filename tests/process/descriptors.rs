//! Descriptors that run out, and come back.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::client::Client;
use crate::common::{TestServer, wait_until, without_times};
use rustix::process::{Pid, Resource, Rlimit, prlimit};

/// Sets how many descriptors the server may have, and returns how many it might before.
fn allow_descriptors(server: &TestServer, count: u64) -> u64 {
    let process = Pid::from_raw(i32::try_from(server.pid()).unwrap());
    let limit = prlimit(
        process,
        Resource::Nofile,
        Rlimit {
            current: Some(count),
            maximum: maximum(server),
        },
    );
    limit.unwrap().current.unwrap()
}

/// The hard limit on the server's descriptors.
fn maximum(server: &TestServer) -> Option<u64> {
    let limits = fs::read_to_string(format!("/proc/{}/limits", server.pid())).unwrap();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    line.unwrap()
        .split_whitespace()
        .nth(4)
        .unwrap()
        .parse()
        .ok()
}

/// The descriptor that the server would get next.
fn next_descriptor(server: &TestServer) -> u64 {
    let taken =
        |number: &u64| fs::symlink_metadata(format!("/proc/{}/fd/{number}", server.pid())).is_ok();
    (0..).find(|number| !taken(number)).unwrap()
}

#[test]
fn where_not_even_the_reserve_helps_accepting_is_tried_again_in_peace() {
    let mut server = TestServer::start(&[]);
    let before = allow_descriptors(&server, 3);
    let mut client = Client::connect(server.address());
    wait_until("a failure to accept", || {
        server.log().contains("cannot accept")
    });
    let tries = || server.log().matches("cannot accept").count();
    let (start, before_rest) = (Instant::now(), tries());
    thread::sleep(Duration::from_millis(500));
    let more = tries() - before_rest;
    // However long the machine took for that.
    let seconds = start.elapsed().as_secs_f64();
    assert!(more as f64 / seconds < 100.0, "{more} tries in {seconds} s");
    allow_descriptors(&server, before);
    client.expect("220 ");
    client.ask("QUIT", "221 ");
    server.stop();
}

#[test]
fn connections_are_as_many_as_descriptors_allow() {
    for (soft, hard, option, logged) in [
        (100, 200, "10000", "connections_max=68 descriptors_allow=68"),
        (100, 200, "5", "connections_max=5 descriptors_allow=68"),
        (40, 40, "10000", "connections_max=1 descriptors_allow=1"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let limits = format!("ulimit -Sn {soft} && ulimit -Hn {hard} && exec \"$0\" \"$@\"");
        let mut child = Command::new("sh")
            .args(["-c", &limits, env!("CARGO_BIN_EXE_mailoop")])
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(["--max-connections", option])
            .current_dir(&folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let line = lines.find_map(|line| {
            let line = without_times(&line.ok()?);
            line.starts_with("connections_max=").then_some(line)
        });
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(line.as_deref(), Some(logged));
    }
}

#[test]
fn the_reserve_is_there_again_once_descriptors_are() {
    let server = TestServer::start(&[]);
    let before = allow_descriptors(&server, 3);
    let mut client = Client::connect(server.address());
    wait_until("a failure to accept", || {
        server.log().contains("cannot accept")
    });
    allow_descriptors(&server, before);
    client.expect("220 ");
    allow_descriptors(&server, next_descriptor(&server));
    Client::connect(server.address()).expect("421 ");
}

#[test]
fn clients_that_are_sent_away_and_do_not_close_take_no_descriptor_from_others() {
    let server = TestServer::start_with_descriptors(200, &[]);
    let sent_away: Vec<_> = (0..300)
        .map(|_| {
            let mut client = Client::connect(server.address());
            client.expect("220 ");
            client.ask("GET / HTTP/1.1", "554 ");
            client
        })
        .collect();
    Client::connect(server.address()).expect("220 ");
    drop(sent_away);
}
