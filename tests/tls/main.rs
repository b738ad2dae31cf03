//! TLS: by STARTTLS and from the first octet, with peers that do as they should and with others. What is said in it is in
//! `tests/dialogues`, which are played in TLS as well.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg(feature = "tls")]

mod certificates;
#[path = "../common/mod.rs"]
mod common;
mod crowd;
mod cuts;
mod endings;
mod floods;
mod handshake;
mod options;
mod proxied;
mod starttls;

use common::dialogue::Way;
use common::memory::{Client, MemoryServer};
use rustls::ClientConnection;

const WAYS: [Way; 2] = [Way::ByStartTls, Way::FromTheStart];

const GREETING: &str = "220 mail.example.org ESMTP mailoop\r\n";
const READY: &str = "220 2.0.0 Ready to start TLS\r\n";
const EARLY: &str = "554 Error: you talk before it is your turn\r\n";

/// A server with a certificate, and with these options.
fn server(way: Way, options: &[&str]) -> MemoryServer {
    let mut all = vec!["--tls-self-signed"];
    if way == Way::FromTheStart {
        all.extend(["--listen-tls", "127.0.0.1:0"]);
    }
    all.extend(options);
    MemoryServer::start(&all)
}

/// A client that is to begin TLS now.
fn before_tls(server: &mut MemoryServer, way: Way) -> Client {
    let client = server.connect();
    if way == Way::ByStartTls {
        server.send(&client, b"EHLO earlier.example\r\n");
        assert!(client.text().contains("250-STARTTLS\r\n"));
        server.send(&client, b"STARTTLS\r\n");
        assert_eq!(client.text(), READY);
    }
    client
}

/// A client that has said EHLO in TLS, and heard the answer.
fn in_tls(server: &mut MemoryServer, way: Way) -> Client {
    let client = before_tls(server, way);
    server.begin_tls(&client, usize::MAX);
    if way == Way::FromTheStart {
        assert_eq!(client.text(), GREETING);
    }
    server.send(&client, b"EHLO client\r\n");
    assert!(client.text().ends_with("250 HELP\r\n"));
    client
}

/// The first flight of a client.
fn hello(tls: &mut ClientConnection) -> Vec<u8> {
    let mut hello = Vec::new();
    tls.write_tls(&mut hello).unwrap();
    hello
}

/// The lines of a log that tell how connections ended.
fn ends(log: &str) -> impl Iterator<Item = &str> {
    log.lines()
        .filter(|line| line.contains("conn=") && line.contains(" closed="))
}
