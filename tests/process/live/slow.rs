//! A viewer that reads late, or not at all, and a server that does more in a second than anybody is told.

use std::process::{Command, Stdio};

use super::{Viewer, one_message, start};
use crate::common::TestServer;

/// Messages that pass meanwhile.
const MESSAGES: &str = "10000";

/// Loads the server with messages, all of which it takes.
fn load(server: &TestServer) {
    let status = Command::new(env!("CARGO_BIN_EXE_mailoop"))
        .args([
            "load",
            "--server",
            server.address(),
            "-d",
            "-s",
            "20",
            "-m",
            MESSAGES,
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success(), "{status}");
}

#[test]
fn a_viewer_that_does_not_read_loses_ticks_and_mail_goes_on() {
    let mut server = start(&["--discard"]);
    let mut slow = Viewer::ask(&server);
    load(&server);
    one_message(&server);
    // The kernel holds some, and the server a bounded rest.
    let kib = server.memory_kib("VmHWM");
    assert!(kib < 64 * 1024, "{kib} KiB");
    let (mut ticks, mut lost) = (0, 0);
    loop {
        let event = slow.event();
        match &*event.name {
            "hello" if lost > 0 => break,
            "hello" => {}
            "tick" => ticks += 1,
            "lost" => lost += event.number("ticks"),
            other => panic!("{other}"),
        }
    }
    assert!(ticks > 0 && lost > 0, "{ticks} told, {lost} lost");
    // Once it reads it is told as anybody.
    one_message(&server);
    while slow.event().name != "tick" {}
    server.stop();
    let log = server.log();
    assert!(log.contains("messages=10002"), "{log}");
}

#[test]
fn of_many_ticks_a_bounded_number_is_told_and_all_are_counted() {
    let server = start(&["--discard"]);
    let (mut viewer, _) = Viewer::connect(&server);
    load(&server);
    let (mut told, mut lost) = (Vec::new(), 0);
    loop {
        let event = viewer.event();
        match &*event.name {
            "tick" => {
                assert!(event.list("seen").len() <= 256);
                told.push(event.number("n"));
            }
            "lost" => lost += event.number("ticks"),
            "hello" if event.list("connections").is_empty() => break,
            "hello" => {}
            other => panic!("{other}"),
        }
    }
    assert!(lost > 0, "nothing was skipped");
    let last = told.last().unwrap() - told[0];
    assert!(told.len() as u64 <= last + 1);
    // Ticks that follow each other are told.
    let pairs = told
        .windows(2)
        .filter(|pair| pair[1] == pair[0] + 1)
        .count();
    assert!(2 * pairs > told.len(), "{pairs} of {}", told.len());
}
