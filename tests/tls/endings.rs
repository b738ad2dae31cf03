//! Good-byes: TLS says so before the connection is closed, as far as the peer takes it.

use super::common::memory::{Client, MemoryServer, seconds};
use super::{WAYS, in_tls, server};

/// What ends a session, the options that it takes, and the last it says.
type Ending = (
    &'static str,
    &'static [&'static str],
    fn(&mut MemoryServer, &Client),
);

const ENDINGS: [Ending; 4] = [
    ("221 2.0.0 Bye\r\n", &[], |server, client| {
        server.send(client, b"QUIT\r\n");
    }),
    (
        "421 4.4.2 mail.example.org Error: timeout exceeded\r\n",
        &[],
        |server, _| server.advance(seconds(300)),
    ),
    (
        "421 4.7.0 Error: too many errors\r\n",
        &["--max-errors", "1"],
        |server, client| server.send(client, b"WHAT\r\n"),
    ),
    (
        "421 4.3.2 Service shutting down, try again later\r\n",
        &[],
        |server, _| server.drain(),
    ),
];

#[test]
fn every_last_reply_is_followed_by_a_farewell_of_tls() {
    for way in WAYS {
        for (last, options, end) in ENDINGS {
            let mut server = server(way, options);
            let client = in_tls(&mut server, way);
            end(&mut server, &client);
            assert!(client.text().ends_with(last), "{last}");
            assert!(client.has_farewell() && client.is_closed(), "{last}");
            server.send_raw(&client, &client.sealed_farewell());
            server.close(&client);
            assert!(client.is_gone() && server.is_empty());
        }
    }
}

#[test]
fn the_farewell_waits_for_room_as_replies_do() {
    for (last, options, end) in ENDINGS {
        for room in 0..200 {
            let mut server = server(super::Way::FromTheStart, options);
            let client = in_tls(&mut server, super::Way::FromTheStart);
            server.make_room(&client, room);
            end(&mut server, &client);
            server.make_room(&client, usize::MAX);
            assert!(client.text().ends_with(last), "{room} octets, {last}");
            assert!(client.has_farewell(), "{room} octets, {last}");
            assert!(client.is_closed());
        }
    }
}

#[test]
fn who_says_farewell_first_is_answered_by_one() {
    for (way, short_reads_drain) in WAYS.into_iter().flat_map(|way| [(way, false), (way, true)]) {
        let mut server = server(way, &[]);
        if short_reads_drain {
            server.trust_short_reads();
        }
        let client = in_tls(&mut server, way);
        let last = [client.sealed(b"NOOP\r\n"), client.sealed_farewell()].concat();
        server.send_raw(&client, &last);
        assert_eq!(client.text(), "250 2.0.0 Ok\r\n");
        assert!(client.has_farewell() && client.is_gone());
    }
}

#[test]
fn what_comes_behind_the_last_reply_is_thrown_away() {
    let mut server = server(super::Way::FromTheStart, &["--max-errors", "1"]);
    let client = in_tls(&mut server, super::Way::FromTheStart);
    server.send(&client, b"WHAT\r\n");
    assert!(client.is_closed() && !client.is_gone());
    for _ in 0..10 {
        server.send(&client, &b"NOOP\r\n".repeat(10_000));
    }
    assert!(!server.has_unread(&client) && !client.is_gone());
    assert!(
        client
            .text()
            .ends_with("421 4.7.0 Error: too many errors\r\n")
    );
    server.advance(seconds(1));
    assert!(client.is_gone() && server.is_empty());
}
