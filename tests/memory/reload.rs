//! Another configuration while sessions run: those that wait already go by it.

use std::time::Duration;

use crate::common::memory::MemoryServer;

#[test]
fn a_shorter_timeout_holds_for_those_who_wait_already() {
    let mut server = MemoryServer::start(&["--idle-timeout", "300"]);
    let client = server.connect();
    server.advance(Duration::from_secs(20));
    assert!(client.text().starts_with("220 "));
    server.reconfigure(&["--idle-timeout", "30"]);
    server.advance(Duration::from_secs(9));
    assert_eq!(client.text(), "");
    server.advance(Duration::from_secs(2));
    assert!(client.text().starts_with("421 ") && client.is_closed());
}

#[test]
fn a_longer_timeout_too() {
    let mut server = MemoryServer::start(&["--idle-timeout", "30"]);
    let client = server.connect();
    server.reconfigure(&["--idle-timeout", "300"]);
    server.advance(Duration::from_secs(299));
    assert!(client.text().starts_with("220 ") && !client.is_closed());
    server.advance(Duration::from_secs(2));
    assert!(client.text().starts_with("421 "));
}

#[test]
fn fewer_messages_than_were_stored_already_end_the_server() {
    let mut server = MemoryServer::start(&[]);
    let client = server.connect();
    for _ in 0..2 {
        server.send(
            &client,
            b"HELO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<a@b.example>\r\n",
        );
        server.send(&client, b"DATA\r\n");
        server.send(&client, b"x\r\n.\r\n");
    }
    assert!(!client.is_closed());
    server.reconfigure(&["--exit-after", "3"]);
    assert!(!client.is_closed());
    server.reconfigure(&["--exit-after", "1"]);
    assert!(client.is_closed() && client.text().contains("\n421 "));
}
