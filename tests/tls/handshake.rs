//! Handshakes: slow ones, such as never come to an end, and what is no handshake at all.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use rustls::ClientConnection;

use super::common::client::read_some;
use super::common::dialogue::Way;
use super::common::memory::{Client, MemoryServer, seconds};
use super::common::pauses::undisturbed;
use super::common::{TestServer, tls, wait_until};
use super::{EARLY, GREETING, WAYS, before_tls, ends, hello, in_tls, server};

/// A record that says good-bye, in the clear as long as there are no keys.
const CLOSE_NOTIFY: &[u8] = b"\x15\x03\x03\0\x02\x01\0";
const FATAL_ALERT: &[u8] = b"\x15\x03\x03\0\x02\x02\x28";
const WARNING: &[u8] = b"\x15\x03\x03\0\x02\x01\x5A";
const CHANGE_CIPHER_SPEC: &[u8] = b"\x14\x03\x03\0\x01\x01";

/// What no server begins TLS with.
fn no_hellos() -> Vec<Vec<u8>> {
    let hello = hello(&mut tls::client());
    let mut broken = hello.clone();
    broken[9] ^= 0xFF;
    let far_too_long = b"\x16\x03\x01\x40\0\x01\xFF\xFF\xFF";
    vec![
        b"EHLO client\r\n".to_vec(),
        b"\r\n".to_vec(),
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        b"\xFF".repeat(100_000),
        b"\0".repeat(100),
        // SSL 2.
        b"\x80\x2E\x01\x03\x01\0\x15\0\0\0\x10".to_vec(),
        b"\x16\x03\x01\0\0".repeat(10_000),
        // A hello that is said to be longer than any may be.
        [&far_too_long[..], &[0; 0x3FFC]].concat(),
        CLOSE_NOTIFY.to_vec(),
        [CLOSE_NOTIFY, &hello].concat(),
        FATAL_ALERT.to_vec(),
        WARNING.repeat(10_000),
        CHANGE_CIPHER_SPEC.repeat(10_000),
        broken,
        hello.repeat(2),
        [&hello[..], b"EHLO client\r\n"].concat(),
        [&hello[..], FATAL_ALERT].concat(),
    ]
}

#[test]
fn what_is_no_handshake_ends_the_connection_at_once() {
    for way in WAYS {
        for octets in no_hellos() {
            let shown = octets.escape_ascii().to_string();
            let shown = &shown[..shown.len().min(60)];
            for piece in [1, 7, usize::MAX] {
                let mut server = server(way, &["--idle-timeout", "10"]);
                let client = before_tls(&mut server, way);
                for part in octets.chunks(piece.min(octets.len())) {
                    if !client.is_gone() {
                        server.send_raw(&client, part);
                    }
                }
                if !client.is_gone() {
                    // It may yet have become one.
                    assert!(client.reads() < 2 * octets.len() + 10, "{shown}");
                    server.advance(seconds(10));
                }
                assert!(client.is_gone() && server.is_empty(), "{way:?}: {shown}");
                // Handshake and alerts only, no text.
                let said = client.received_raw();
                assert!(said.len() < 4096, "{way:?}: {shown}");
                assert!(!said.starts_with(b"220") && !said.windows(4).any(|part| part == b"554 "));
            }
        }
    }
}

#[test]
fn a_handshake_has_a_deadline_of_its_own() {
    for way in WAYS {
        for (options, limit) in [(&[][..], 30), (&["--idle-timeout", "10"], 10)] {
            let hello = hello(&mut tls::client());
            let mut server = server(way, options);
            let silent = before_tls(&mut server, way);
            let half = before_tls(&mut server, way);
            server.send_raw(&half, &hello[..hello.len() / 2]);
            let hurried = before_tls(&mut server, way);
            server.send_raw(&hurried, &hello);
            let slow = before_tls(&mut server, way);
            let mut octets = hello.iter();
            for _ in 0..limit {
                assert!(
                    ![&silent, &half, &hurried, &slow].map(Client::is_gone)[..].contains(&true)
                );
                server.send_raw(&slow, &[*octets.next().unwrap()]);
                server.advance(seconds(1));
            }
            for client in [&silent, &half, &slow] {
                assert!(client.is_gone(), "{way:?}, {limit} s");
                assert_eq!(client.received_raw(), b"");
            }
            assert!(hurried.is_gone() && server.is_empty());
        }
    }
}

#[test]
fn time_for_commands_begins_behind_the_handshake() {
    let mut server = server(Way::FromTheStart, &["--idle-timeout", "10"]);
    let client = server.connect();
    server.advance(seconds(9));
    server.begin_tls(&client, usize::MAX);
    server.advance(seconds(9));
    assert_eq!(client.text(), GREETING);
    server.advance(seconds(1));
    assert!(client.text().starts_with("421 ") && client.has_farewell());
}

#[test]
fn a_peer_that_leaves_within_the_handshake_is_gone() {
    for way in WAYS {
        let hello = hello(&mut tls::client());
        for length in [0, 1, 5, 6, hello.len() - 1, hello.len()] {
            let mut server = server(way, &[]);
            let client = before_tls(&mut server, way);
            server.send_raw(&client, &hello[..length]);
            server.close(&client);
            assert!(client.is_gone() && server.is_empty());

            let client = before_tls(&mut server, way);
            server.send_raw(&client, &hello[..length]);
            server.reset(&client);
            assert!(client.is_gone() && server.is_empty());
        }
    }
}

#[test]
fn others_are_served_beside_a_handshake() {
    let mut server = server(Way::FromTheStart, &[]);
    let other = in_tls(&mut server, Way::FromTheStart);
    let slow = server.connect();
    let mut tls = tls::client();
    for octet in hello(&mut tls) {
        server.send_raw(&slow, &[octet]);
        server.send(&other, b"NOOP\r\n");
        assert_eq!(other.text(), "250 2.0.0 Ok\r\n");
    }
    assert!(!slow.received_raw().is_empty());
}

/// Ends the handshake of a client that says EHLO in one flight with the end of it.
fn in_a_hurry(server: &mut MemoryServer, way: Way) -> Client {
    let client = before_tls(server, way);
    let mut tls = tls::client();
    tls.writer().write_all(b"EHLO client\r\n").unwrap();
    server.begin_tls_as(&client, tls, usize::MAX);
    client
}

#[test]
fn who_does_not_wait_for_the_greeting_is_sent_away_in_tls_too() {
    let mut server = server(Way::FromTheStart, &[]);
    let client = in_a_hurry(&mut server, Way::FromTheStart);
    assert_eq!(client.text(), EARLY);
    assert!(client.is_closed() && client.has_farewell());
}

#[test]
fn by_hand_nobody_has_to_wait_in_tls_either() {
    let mut server = server(Way::FromTheStart, &["--bare-newline", "accept"]);
    let client = in_a_hurry(&mut server, Way::FromTheStart);
    let said = client.text();
    assert!(said.starts_with(GREETING) && said.ends_with("250 HELP\r\n"));
}

#[test]
fn behind_starttls_there_is_no_greeting_to_wait_for() {
    let mut server = server(Way::ByStartTls, &[]);
    let client = in_a_hurry(&mut server, Way::ByStartTls);
    let said = client.text();
    assert!(said.starts_with("250-mail.example.org Hello client, "));
    assert!(said.ends_with("250 HELP\r\n"));
}

#[test]
fn the_last_flight_and_what_follows_it_may_come_in_one_read_that_drains() {
    for way in WAYS {
        let mut server = server(way, &[]);
        server.trust_short_reads();
        let client = in_a_hurry(&mut server, way);
        assert!(!client.text().is_empty(), "{way:?}");
        let client = in_tls(&mut server, way);
        server.send(&client, b"NOOP\r\nNOOP\r\n");
        assert_eq!(client.text(), "250 2.0.0 Ok\r\n".repeat(2));
    }
}

#[test]
fn the_last_flight_and_the_end_may_come_in_one_read_that_drains() {
    for way in WAYS {
        let mut server = server(way, &[]);
        server.trust_short_reads();
        let client = before_tls(&mut server, way);
        let mut tls = tls::client();
        server.send_raw(&client, &hello(&mut tls));
        if way == Way::ByStartTls {
            tls.writer().write_all(b"NOOP\r\n").unwrap();
        }
        feed(&mut tls, &client.received_raw());
        tls.send_close_notify();
        let mut last = Vec::new();
        while tls.wants_write() {
            last.extend(hello(&mut tls));
        }
        server.send_raw(&client, &last);
        assert!(client.is_gone(), "{way:?}");
    }
}

#[test]
fn a_handshake_goes_on_as_there_is_room() {
    for way in WAYS {
        let mut server = server(way, &[]);
        let client = before_tls(&mut server, way);
        server.make_room(&client, 0);
        let mut tls = tls::client();
        server.send_raw(&client, &hello(&mut tls));
        let mut rooms = 0;
        while tls.is_handshaking() {
            server.make_room(&client, 1);
            assert!(feed(&mut tls, &client.received_raw()) <= 1);
            rooms += 1;
            assert!(rooms < 4096, "it comes to no end");
        }
        server.make_room(&client, usize::MAX);
        server.send_raw(&client, &hello(&mut tls));
        tls.writer().write_all(b"NOOP\r\n").unwrap();
        server.send_raw(&client, &hello(&mut tls));
        feed(&mut tls, &client.received_raw());
        let mut said = [0; 200];
        let count = tls.reader().read(&mut said).unwrap();
        assert!(String::from_utf8_lossy(&said[..count]).contains("250 Ok\r\n"));
    }
}

/// Has a client take what came for it; how much that was.
fn feed(tls: &mut ClientConnection, mut octets: &[u8]) -> usize {
    let count = octets.len();
    while !octets.is_empty() {
        tls.read_tls(&mut octets).unwrap();
        tls.process_new_packets().unwrap();
    }
    count
}

#[test]
fn a_drain_waits_for_no_handshake() {
    for way in WAYS {
        let mut server = server(way, &[]);
        let silent = before_tls(&mut server, way);
        let hurried = before_tls(&mut server, way);
        server.send_raw(&hurried, &hello(&mut tls::client()));
        server.drain();
        assert!(silent.is_gone() && hurried.is_gone() && server.is_empty());
        assert_eq!(silent.received_raw(), b"");
    }
}

#[test]
fn a_certificate_that_is_taken_away_disturbs_no_handshake() {
    for way in WAYS {
        let mut server = server(way, &[]);
        let client = before_tls(&mut server, way);
        server.lose_certificates();
        server.begin_tls(&client, usize::MAX);
        server.send(&client, b"NOOP\r\n");
        assert!(client.text().ends_with("250 Ok\r\n"), "{way:?}");
    }
}

#[test]
fn peers_that_speak_no_tls_cost_nothing_and_have_one_line_in_the_log() {
    // Those that are silent are waited for for half a minute.
    undisturbed(peers_without_tls_cost_nothing);
}

fn peers_without_tls_cost_nothing() {
    let mut server = TestServer::start(&["--listen-tls", "127.0.0.1:0", "--tls-self-signed"]);
    let hello = hello(&mut tls::client());
    let mut silent: Vec<_> = (0..20).map(|_| server.connect()).collect();
    for (number, stream) in silent.iter_mut().enumerate() {
        stream.write_all(&hello[..number * 7]).unwrap();
    }
    wait_until("the server to wait", || server.is_resting());
    let mut strange = 0;
    for octets in no_hellos() {
        let mut stream = server.connect();
        // It may be gone before all is said.
        let _ = stream.write_all(&octets);
        let _ = stream.shutdown(Shutdown::Write);
        while matches!(read_some(&mut stream, &mut [0; 1024]), Ok(1..)) {}
        strange += 1;
    }
    wait_until("the server to rest", || server.is_resting());
    // A second of a processor is 100 ticks, and some processors are slow.
    assert!(server.processor_ticks() < 500);
    assert_eq!(ends(&server.log()).count(), strange, "{}", server.log());
    server.stop();
    let log = server.log();
    let drained = ends(&log).filter(|line| line.contains(" closed=drain "));
    assert_eq!(drained.count(), silent.len(), "{log}");
    assert_eq!(ends(&log).count(), strange + silent.len(), "{log}");
    for stream in &mut silent {
        assert!(
            matches!(read_some(stream, &mut [0; 1]), Ok(0)),
            "no word is said"
        );
    }
}

#[test]
fn a_server_that_is_told_to_end_waits_for_no_handshake() {
    let mut server = TestServer::start(&["--listen-tls", "127.0.0.1:0", "--tls-self-signed"]);
    let mut stream = server.connect();
    stream.write_all(&hello(&mut tls::client())).unwrap();
    let mut other = TcpStream::connect(server.address()).unwrap();
    other
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    // The server's part has come, the client's last has not.
    stream.read_exact(&mut [0; 5]).unwrap();
    server.stop();
    assert_eq!(read_some(&mut other, &mut [0; 1]).unwrap(), 0);
    let log = server.log();
    assert_eq!(
        ends(&log)
            .filter(|line| line.contains(" closed=drain "))
            .count(),
        2,
        "{log}"
    );
}
