//! What a message costs that is sent on.

use std::fs;

use crate::common::client::Client;
use crate::common::{TestServer, wait_until};

const MESSAGES: u64 = 100;
const TEXT_BYTES: usize = 8 * 1024;

/// Octets that a process has read from files and pipes.
fn octets_read(server: &TestServer) -> u64 {
    let counts = fs::read_to_string(format!("/proc/{}/io", server.pid())).unwrap();
    let read = counts.lines().find_map(|line| line.strip_prefix("rchar: "));
    read.unwrap().parse().unwrap()
}

#[test]
fn mail_that_is_sent_on_at_once_is_not_read_from_the_spool() {
    let hop = TestServer::start(&["--hostname", "next.example.net", "--discard"]);
    let folder = tempfile::tempdir().unwrap();
    let spool = folder.path().join("spool");
    let route = format!("*=smtp://{}?tls=none", hop.address());
    let server = TestServer::start(&[
        "--spool",
        spool.to_str().unwrap(),
        "--relay-from",
        "127.0.0.0/8",
        "--route",
        &route,
    ]);
    let sent = || server.log().matches("status=sent").count() as u64;
    let mut client = Client::connect(server.address());
    client.hello();
    let text = "a line of text\r\n".repeat(TEXT_BYTES / 16);
    let before = octets_read(&server);
    for number in 1..=MESSAGES {
        client.ask("MAIL FROM:<ada@here.example>", "250");
        client.ask("RCPT TO:<bob@there.example>", "250");
        client.ask("DATA", "354");
        client.say(&format!("{text}.\r\n"));
        client.expect("250");
        wait_until("it to be sent on", || sent() == number);
    }
    let each = (octets_read(&server) - before) / MESSAGES;
    // Reports of the spool process are short.
    assert!(each < 1024, "{each} octets a message");
}
