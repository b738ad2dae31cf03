//! Connections behind a proxy, in memory: who must send a header and who is not believed, and what becomes of those
//! that send none.

use std::time::Duration;

use crate::common::memory::{Client, MemoryServer, ip, origin};
use mailoop::smtp::envelope::Peer;

const GREETING: &str = "220 mail.example.org ESMTP mailoop\r\n";
const EARLY: &str = "554 Error: you talk before it is your turn\r\n";
const PROXY: &str = "10.1.2.3:40000";
const CLIENT: &str = "PROXY TCP4 192.0.2.1 198.51.100.2 56324 25\r\n";
const CLIENT_V2: &[u8] =
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0C\xC0\x00\x02\x01\xC6\x33\x64\x02\xDC\x04\x00\x19";

/// A server that trusts the proxies in 10.0.0.0/8.
fn server(options: &[&str]) -> MemoryServer {
    let mut server = MemoryServer::start(options);
    server.trust(&["10.0.0.0/8", "fd00::/8"]);
    server
}

#[track_caller]
fn gone_without_a_word(client: &Client) {
    assert_eq!(client.text(), "");
    assert!(client.is_gone());
}

#[test]
fn a_header_is_awaited_cut_at_every_octet() {
    for header in [CLIENT.as_bytes(), CLIENT_V2] {
        for cut in 0..header.len() {
            let mut server = server(&[]);
            let client = server.connect_from(PROXY, &header[..cut]);
            assert_eq!(client.text(), "", "greeted after {cut} octets");
            server.send(&client, &header[cut..]);
            assert_eq!(client.text(), GREETING, "cut at {cut}");
            assert_eq!(origin(&mut server, &client), ip("192.0.2.1"));
        }
    }
}

#[test]
fn who_the_client_is_the_header_says() {
    let unix = [b"\r\n\r\n\0\r\nQUIT\n\x21\x31\x00\xD8", &[b'/'; 216][..]].concat();
    let local = b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00";
    for (proxy, header, peer) in [
        (PROXY, CLIENT.as_bytes(), ip("192.0.2.1")),
        (
            PROXY,
            b"PROXY TCP6 2001:db8::1 ::1 1 25\r\n",
            ip("2001:db8::1"),
        ),
        // HAProxy with a listener for both families says so of every IPv4 client.
        (
            PROXY,
            b"PROXY TCP6 ::ffff:192.0.2.1 ::ffff:198.51.100.2 1 25\r\n",
            ip("192.0.2.1"),
        ),
        (PROXY, b"PROXY UNKNOWN\r\n", ip("10.1.2.3")),
        (PROXY, local, ip("10.1.2.3")),
        (PROXY, &unix, Peer::Local),
        ("[fd00::1]:1", CLIENT.as_bytes(), ip("192.0.2.1")),
        ("[::ffff:10.1.2.3]:1", CLIENT.as_bytes(), ip("192.0.2.1")),
    ] {
        let mut server = server(&[]);
        let client = server.connect_from(proxy, header);
        assert_eq!(client.text(), GREETING, "{header:x?}");
        assert_eq!(origin(&mut server, &client), peer, "{header:x?}");
    }
}

#[test]
fn who_is_no_proxy_is_not_believed() {
    let mut server = server(&[]);
    let early = server.connect_from("192.0.2.9:1", CLIENT.as_bytes());
    assert_eq!(early.text(), EARLY);
    let late = server.connect_from("192.0.2.9:2", b"");
    server.send(&late, CLIENT.as_bytes());
    assert_eq!(
        late.text(),
        format!("{GREETING}500 Error: command not recognized\r\n")
    );
    assert_eq!(origin(&mut server, &late), ip("192.0.2.9"));
    let on_this_machine = server.connect_and_say(CLIENT.as_bytes());
    assert_eq!(on_this_machine.text(), EARLY);
}

#[test]
fn a_second_header_is_no_header() {
    let mut server = server(&[]);
    let client = server.connect_from(PROXY, CLIENT.as_bytes());
    server.send(&client, b"PROXY TCP4 203.0.113.1 198.51.100.2 1 25\r\n");
    assert_eq!(
        client.text(),
        format!("{GREETING}500 Error: command not recognized\r\n")
    );
    assert_eq!(origin(&mut server, &client), ip("192.0.2.1"));
}

#[test]
fn whoever_talks_behind_the_header_at_once_talks_early() {
    for header in [CLIENT.as_bytes(), CLIENT_V2] {
        let early = [header, b"EHLO c\r\n"].concat();
        for cut in 0..header.len() {
            let mut server = server(&[]);
            let client = server.connect_from(PROXY, &early[..cut]);
            server.send(&client, &early[cut..]);
            assert_eq!(client.text(), EARLY, "cut at {cut}");
            assert!(client.is_closed());
        }
    }
    let mut by_hand = server(&["--bare-newline", "accept"]);
    let client = by_hand.connect_from(PROXY, format!("{CLIENT}NOOP\n").as_bytes());
    assert_eq!(client.text(), format!("{GREETING}250 Ok\r\n"));
}

#[test]
fn what_is_no_header_ends_the_connection_at_its_first_octet() {
    for (octets, wrong) in [
        (&b""[..], b'E'),
        (b"", 0x16),
        (b"PROXY TCP4 25", b'6'),
        (&CLIENT.as_bytes()[..CLIENT.len() - 2], b'\n'),
        (&CLIENT_V2[..12], 0x11),
    ] {
        let mut server = server(&[]);
        let client = server.connect_from(PROXY, octets);
        assert!(!client.is_gone());
        server.send(&client, &[wrong]);
        gone_without_a_word(&client);
        assert!(server.is_empty());
    }
}

#[test]
fn an_end_within_the_header_ends_the_connection() {
    for cut in 0..CLIENT.len() {
        let mut server = server(&[]);
        let client = server.connect_from(PROXY, &CLIENT.as_bytes()[..cut]);
        server.close(&client);
        gone_without_a_word(&client);
    }
    let mut server = server(&[]);
    let client = server.connect_from(PROXY, CLIENT.as_bytes());
    server.close(&client);
    assert_eq!(client.text(), GREETING);
    assert!(client.is_gone());
}

#[test]
fn the_header_has_a_deadline_of_its_own() {
    let tenths = |tenths: u64| Duration::from_millis(100 * tenths);
    for (options, limit) in [
        (&[][..], tenths(50)),
        (&["--idle-timeout", "2"], tenths(20)),
    ] {
        let mut server = server(options);
        let slow = server.connect_from(PROXY, b"");
        let silent = server.connect_from(PROXY, b"");
        server.advance(limit - tenths(1));
        server.send(&slow, b"PROXY ");
        assert!(!slow.is_gone() && !silent.is_gone());
        server.advance(tenths(1));
        gone_without_a_word(&slow);
        gone_without_a_word(&silent);
    }
}

#[test]
fn the_time_of_the_client_begins_behind_the_header() {
    let mut server = server(&["--idle-timeout", "3"]);
    let client = server.connect_from(PROXY, b"");
    server.advance(Duration::from_secs(2));
    server.send(&client, CLIENT.as_bytes());
    server.advance(Duration::from_secs(2));
    assert_eq!(client.text(), GREETING);
    server.advance(Duration::from_secs(1));
    assert_eq!(
        client.text(),
        "421 mail.example.org Error: timeout exceeded\r\n"
    );
}

#[test]
fn over_its_limit_a_client_hears_that_in_place_of_the_greeting() {
    const MESSAGE: &str = "HELO c\nMAIL FROM:<>\nRCPT TO:<b@example.org>\nDATA\ntext\n.\n";
    let limit = ["--max-connections-per-ip", "1"];
    let by_hand = [&limit[..], &["--bare-newline", "accept"]].concat();
    let mapped = CLIENT
        .replace("TCP4", "TCP6")
        .replace("192.0.2.1", "::ffff:192.0.2.1")
        .replace("198.51.100.2", "::1");
    for (options, behind) in [(&limit[..], ""), (&by_hand, MESSAGE)] {
        for header in [CLIENT, &mapped] {
            let mut server = server(options);
            let first = server.connect_from(PROXY, CLIENT.as_bytes());
            assert_eq!(first.text(), GREETING);
            let second = server.connect_from(PROXY, format!("{header}{behind}").as_bytes());
            assert_eq!(
                second.text(),
                "421 Too many connections, try again later\r\n"
            );
            assert!(second.is_closed());
            assert_eq!(server.open(), 1);
            assert!(server.shelf().stored.is_empty());
        }
    }
}

#[test]
fn a_drain_waits_for_no_header() {
    let mut server = server(&[]);
    let client = server.connect_from(PROXY, b"PROXY ");
    server.drain();
    gone_without_a_word(&client);
    assert!(server.is_empty());
}
