//! A server that sends mail on, recorded: what is in the record, how it is shown, and that it replays.

use std::fs;
use std::process::{Command, Output};

use crate::common::client::Client;
use crate::mail::{give, long, send};
use crate::sink::{Answer, Sink};
use crate::site::{Site, await_log, route_to};

const ADA: &str = "ada@here.example";

/// Runs mailoop on a record.
fn run(arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mailoop"));
    let Output { status, stdout, .. } = command.args(arguments).env_clear().output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap())
}

/// A hop that defers one recipient, refuses another, and takes all else.
fn hop() -> Sink {
    Sink::with(|_, said| match said {
        _ if said.starts_with("RCPT TO:<later") => Answer::Say("450 4.2.1 Later"),
        _ if said.starts_with("RCPT TO:<never") => Answer::Say("550 5.1.1 Nobody"),
        _ => Answer::Usual,
    })
}

#[test]
fn a_record_tells_of_hops_and_of_the_spool_and_of_no_text() {
    let hop = hop();
    let site = Site::recorded();
    let mut server = site.start(&["--route", &route_to("*", hop.address())]);
    let text = b"Subject: secret\r\n\r\n.secret\r\nsecret\r\n";
    let to = [
        "bob@there.example",
        "later@there.example",
        "never@there.example",
        "carl@here.example",
    ];
    let id = send(server.address(), ADA, &to, text);
    let mut client = Client::connect(server.address());
    client.hello();
    give(&mut client, ADA, &["dora@there.example"], &long(300_000));
    await_log(&server, &[&format!("id={id}"), "status=deferred"]);
    await_log(&server, &["to=<dora@there.example>", "status=sent"]);
    await_log(&server, &["to=<ada@here.example>", "status=sent"]);
    let listed = site.queue_says(&["list"]);
    assert!(listed.contains("450 4.2.1 Later"), "{listed}");
    for command in ["hold", "release", "retry", "delete"] {
        site.queue_says(&[command, &id]);
    }
    site.await_empty();
    server.stop();

    let record = site.records().remove(0);
    let record = record.to_str().unwrap();
    let octets = fs::read(record).unwrap();
    assert!(!String::from_utf8_lossy(&octets).contains("secret"));
    let (code, told) = run(&["replay", record]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.starts_with("same: "), "{told}");
    let (code, trace) = run(&["trace", record]);
    assert_eq!(code, Some(0));
    for expected in [
        &*format!("dials {}", hop.address()),
        "C: MAIL FROM:<ada@here.example>",
        "S: 550 5.1.1 Nobody",
        "spool: a name for a report",
        "is deleted",
        " out-1  closed: ",
    ] {
        assert!(trace.contains(expected), "no {expected} in {trace}");
    }
    let (code, trace) = run(&["trace", "--connection", "out-1", record]);
    assert_eq!(code, Some(0));
    assert!(!trace.contains("S: 220 mx.example.org"), "{trace}");
    // One connection of a client replays by itself, and none to a hop.
    assert_eq!(run(&["replay", "--connection", "1", record]).0, Some(0));
    assert_eq!(
        run(&["replay", "--connection", "out-1", record]).0,
        Some(65)
    );
}
