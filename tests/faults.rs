//! A disk that fails: at every call by which a message is stored, once, and it is refused; the next one is stored.
//! strace plants the faults.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;
// It is made for tests/clients; not all of it is used here.
#[allow(dead_code)]
#[path = "clients/program.rs"]
mod program;

use std::fs::File;
use std::process::{Child, Command, Stdio};

use common::client::Client;
use common::{TestServer, files, wait_until};
use program::installed;
use rustix::process::{Pid, Signal, kill_process};

/// The call that fails, how, and what the client is told.
const FAULTS: &[(&str, &str, &str)] = &[
    ("mkdirat", "EROFS", "451 4.3.0"),
    ("mkdirat", "EDQUOT", "452 4.3.1"),
    ("fdatasync", "EIO", "451 4.3.0"),
    ("fdatasync", "ENOSPC", "452 4.3.1"),
    ("linkat", "EACCES", "451 4.3.0"),
    ("linkat", "EDQUOT", "452 4.3.1"),
    ("renameat", "EIO", "451 4.3.0"),
    ("renameat", "ENOSPC", "452 4.3.1"),
    ("fsync", "EIO", "451 4.3.0"),
];

/// A tracer that lets the first call of a name fail.
struct Tracer(Child);

impl Tracer {
    fn attach(server: &TestServer, call: &str, errno: &str) -> Self {
        let said = server.folder().join("strace");
        let process = server.pid().to_string();
        let inject = format!("inject={call}:error={errno}:when=1");
        let child = Command::new("strace")
            .args([
                "-p",
                &process,
                "-e",
                &format!("trace={call}"),
                "-e",
                &inject,
            ])
            .stderr(File::create(&said).unwrap())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        wait_until("strace to attach", || {
            std::fs::read_to_string(&said).unwrap().contains("attached")
        });
        Self(child)
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.0), Signal::INT);
        let _ = self.0.wait();
    }
}

/// Sends a message for two recipients; returns the first reply that is not the expected one, or the last.
fn send(server: &TestServer) -> String {
    let mut client = Client::connect(server.address());
    client.hello();
    let (from, to) = (
        "MAIL FROM:<a@example.com>",
        ["RCPT TO:<b@example.org>", "RCPT TO:<c@example.org>"],
    );
    for (words, code) in [
        (from, "250"),
        (to[0], "250"),
        (to[1], "250"),
        ("DATA", "354"),
        ("text\r\n.", "250"),
    ] {
        client.say(&format!("{words}\r\n"));
        let said = client.hear();
        if !said.starts_with(code) {
            client.ask("NOOP", "250 2.0.0 Ok");
            return said;
        }
        if words.ends_with('.') {
            return said;
        }
    }
    unreachable!()
}

/// Every file in a mailbox.
fn everything(server: &TestServer) -> usize {
    let mailboxes = ["b@example.org", "c@example.org"].map(|address| server.mailbox(address));
    let folders = mailboxes
        .iter()
        .flat_map(|mailbox| ["tmp", "new", "cur"].map(|name| mailbox.join(name)));
    folders.map(|folder| files(&folder).len()).sum()
}

#[test]
fn a_call_that_fails_once_costs_one_message_and_leaves_nothing() {
    if !installed(&["strace"]) {
        return;
    }
    for (call, errno, told) in FAULTS {
        let mut server = TestServer::start(&[]);
        let tracer = Tracer::attach(&server, call, errno);
        let said = send(&server);
        assert!(said.starts_with(told), "{call} {errno}: {said}");
        assert_eq!(everything(&server), 0, "{call} {errno}: something is left");
        assert!(
            send(&server).starts_with("250 2.0.0 Ok: queued as"),
            "{call} {errno}: the next message"
        );
        assert_eq!(everything(&server), 2, "{call} {errno}: the next message");
        drop(tracer);
        server.stop();
    }
}

#[test]
fn a_store_that_cannot_tell_what_is_left_takes_what_comes() {
    if !installed(&["strace"]) {
        return;
    }
    let mut server = TestServer::start(&[]);
    let tracer = Tracer::attach(&server, "fstatfs", "EIO");
    assert!(send(&server).starts_with("250 2.0.0 Ok: queued as"));
    drop(tracer);
    server.stop();
    let log = server.log();
    assert!(log.contains("free=unknown error="), "{log}");
}

#[test]
fn a_call_of_the_loop_that_fails_once_costs_nobody_the_connection() {
    if !installed(&["strace"]) {
        return;
    }
    let calls = [
        "accept4:error=ECONNABORTED",
        "accept4:error=EINTR",
        "accept4:error=ENOBUFS",
        "accept4:error=EMFILE",
    ];
    for call in calls.into_iter().chain([
        "epoll_wait:error=EINTR",
        "recvfrom:error=EINTR",
        "sendto:error=EINTR",
    ]) {
        let (name, errno) = call.split_once(":error=").unwrap();
        let mut server = TestServer::start(&[]);
        let tracer = Tracer::attach(&server, name, errno);
        let mut first = Client::connect(server.address());
        let said = first.hear();
        // The reserve takes a client only to send it away.
        let expected = if errno == "EMFILE" { "421 " } else { "220 " };
        assert!(said.starts_with(expected), "{call}: {said}");
        Client::connect(server.address()).expect("220 ");
        drop(tracer);
        server.stop();
    }
}
