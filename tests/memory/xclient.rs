//! XCLIENT: what comes of a client that a trusted peer names, beside what `tests/dialogues` has.

use std::time::Duration;

use crate::common::memory::{Client, GREETING, MemoryServer, ip, origin};
use mailoop::smtp::envelope::Peer;

const FILTER: &str = "10.1.2.3:40000";
const TRUSTING: [&str; 2] = ["--xclient-from", "10.0.0.0/8"];
const NOT_OFFERED: &str = "502 Error: command not implemented\r\n";
const TOO_MANY: &str = "421 Too many connections, try again later\r\n";
const OFFER: &str = "XCLIENT NAME ADDR PORT PROTO HELO LOGIN";

fn server(options: &[&str]) -> MemoryServer {
    MemoryServer::start(&[&TRUSTING, options].concat())
}

/// Says for whom it speaks, and is greeted.
#[track_caller]
fn introduces(server: &mut MemoryServer, client: &Client, attributes: &str) {
    client.text();
    server.send(client, format!("XCLIENT {attributes}\r\n").as_bytes());
    assert_eq!(client.text(), GREETING, "{attributes}");
}

#[test]
fn mail_comes_from_the_client_that_was_named_last() {
    let mut server = server(&[]);
    let client = server.connect_from(FILTER, b"");
    for (attributes, peer) in [
        ("HELO=c", ip("10.1.2.3")),
        ("PORT=1", ip("10.1.2.3")),
        ("ADDR=10.1.2.4", ip("10.1.2.4")),
        ("ADDR=IPV6:::ffff:10.1.2.5", ip("10.1.2.5")),
        ("ADDR=IPV6:2001:db8::1", ip("2001:db8::1")),
    ] {
        introduces(&mut server, &client, attributes);
        assert_eq!(origin(&mut server, &client), peer, "{attributes}");
    }
    server.send(&client, b"XCLIENT ADDR=10.1.2.3\r\n");
    assert_eq!(client.text(), NOT_OFFERED);
    let nowhere = server.connect_from(FILTER, b"");
    introduces(&mut server, &nowhere, "ADDR=[UNAVAILABLE]");
    assert_eq!(origin(&mut server, &nowhere), Peer::Unknown);
}

#[test]
fn the_address_that_a_proxy_names_counts() {
    for (header, trusted) in [
        (&b"PROXY TCP4 10.1.2.3 192.0.2.2 1 25\r\n"[..], true),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 25\r\n", false),
        (b"PROXY UNKNOWN\r\n", false),
    ] {
        let mut server = server(&[]);
        server.trust(&["172.16.0.1"]);
        let client = server.connect_from("172.16.0.1:1", header);
        assert_eq!(client.text(), GREETING);
        server.send(&client, b"EHLO c\r\n");
        assert_eq!(client.text().contains(OFFER), trusted);
        server.send(&client, b"XCLIENT ADDR=192.0.2.7\r\n");
        assert_eq!(client.text() == GREETING, trusted);
        assert_eq!(origin(&mut server, &client) == ip("192.0.2.7"), trusted);
    }
    let mut server = server(&[]);
    server.trust(&["10.0.0.0/8"]);
    let client = server.connect_from(FILTER, b"PROXY TCP4 192.0.2.1 192.0.2.2 1 25\r\n");
    client.text();
    server.send(&client, b"XCLIENT ADDR=192.0.2.7\r\n");
    assert_eq!(client.text(), NOT_OFFERED);
}

#[test]
fn the_client_that_is_named_is_counted_with_others_of_its_address() {
    let mut server = server(&["--max-connections-per-ip", "2"]);
    let first = server.connect_from(FILTER, b"");
    introduces(&mut server, &first, "ADDR=192.0.2.1");
    let direct = server.connect_from("192.0.2.1:1", b"");
    assert_eq!(direct.text(), GREETING);
    // Room for the filter itself is as it was.
    let second = server.connect_from(FILTER, b"");
    let third = server.connect_from(FILTER, b"");
    assert_eq!(
        (second.text(), third.text()),
        (GREETING.into(), GREETING.into())
    );
    server.send(&second, b"XCLIENT ADDR=192.0.2.1\r\n");
    assert_eq!(second.text(), TOO_MANY);
    assert!(second.is_closed());
    server.close(&direct);
    introduces(&mut server, &third, "ADDR=192.0.2.1");
    server.close(&first);
    server.close(&second);
    server.close(&third);
    server.advance(Duration::from_secs(2));
    assert!(server.is_empty());
    for _ in 0..2 {
        let again = server.connect_from("192.0.2.1:1", b"");
        assert_eq!(again.text(), GREETING);
    }
}

#[test]
fn a_mapped_address_is_the_ipv4_address() {
    let mut server = server(&["--max-connections-per-ip", "1"]);
    let direct = server.connect_from("[::ffff:192.0.2.1]:25", b"");
    assert_eq!(origin(&mut server, &direct), ip("192.0.2.1"));
    let named = server.connect_from(FILTER, b"");
    named.text();
    server.send(&named, b"XCLIENT ADDR=IPV6:::ffff:192.0.2.1\r\n");
    assert_eq!(named.text(), TOO_MANY);
    server.close(&direct);
    let filter = server.connect_from("[::ffff:10.0.0.1]:25", b"");
    introduces(&mut server, &filter, "ADDR=IPV6:::ffff:192.0.2.1");
    assert_eq!(origin(&mut server, &filter), ip("192.0.2.1"));
}

#[test]
fn a_client_that_was_named_meets_a_drain_as_any_other() {
    let mut server = server(&[]);
    let client = server.connect_from(FILTER, b"");
    introduces(&mut server, &client, "ADDR=192.0.2.1");
    server.drain();
    assert!(client.text().starts_with("421 "));
}

#[test]
fn an_end_right_behind_it_ends_the_connection() {
    let mut server = server(&[]);
    let client = server.connect_from(FILTER, b"");
    introduces(&mut server, &client, "ADDR=192.0.2.1");
    server.close(&client);
    assert!(client.is_gone() && server.is_empty());
}

#[test]
fn errors_are_counted_on() {
    let mut server = server(&["--max-errors", "2"]);
    let client = server.connect_from(FILTER, b"");
    introduces(&mut server, &client, "PORT=1");
    server.send(&client, b"NOPE\r\n");
    introduces(&mut server, &client, "PORT=1");
    server.send(&client, b"NOPE\r\n");
    assert!(client.text().contains("421 "));
}

#[test]
fn a_reload_changes_who_is_trusted() {
    let mut server = server(&[]);
    let before = server.connect_from(FILTER, b"");
    server.reconfigure(&["--xclient-from", "192.0.2.0/24"]);
    introduces(&mut server, &before, "ADDR=192.0.2.1");
    introduces(&mut server, &before, "ADDR=10.1.2.3");
    let after = server.connect_from(FILTER, b"");
    for client in [&before, &after] {
        client.text();
        server.send(client, b"XCLIENT ADDR=192.0.2.1\r\n");
        assert_eq!(client.text(), NOT_OFFERED);
    }
}
