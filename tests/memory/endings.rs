//! How connections end, one by one and all together, and what must not be left of them: in memory.

use std::time::Duration;

use crate::common::memory::{
    Call, Client, MemoryServer, START_DATA, greeted, in_data, in_transaction, seconds,
};
use mailoop::net::connections::LINGERING_MAX;

const TIMEOUT: &str = "421 mail.example.org Error: timeout exceeded\r\n";
const DRAIN: &str = "421 Service shutting down, try again later\r\n";

/// A client that made one error too many and lingers, its side still open.
fn lingering(server: &mut MemoryServer, behind: &[u8]) -> Client {
    let client = greeted(server);
    server.send(&client, &[b"WHAT\r\n", behind].concat());
    assert_eq!(
        client.text(),
        "500 Error: command not recognized\r\n421 Error: too many errors\r\n"
    );
    assert!(client.is_closed() && !client.is_gone());
    client
}

#[test]
fn replies_for_a_broken_socket_are_told_to_nobody_else() {
    let mut server = MemoryServer::start(&[]);
    let broken = greeted(&mut server);
    let other = greeted(&mut server);
    server.break_pipe(&broken);
    server.send(&broken, b"HELO secret.example\r\n");
    assert!(broken.is_gone());
    server.send(&other, b"NOOP\r\n");
    assert_eq!(other.text(), "250 Ok\r\n");
    greeted(&mut server);
}

#[test]
fn who_resets_is_gone_whatever_is_unsent() {
    let mut server = MemoryServer::start(&[]);
    let client = greeted(&mut server);
    server.make_room(&client, 0);
    server.send(&client, b"NOOP\r\n");
    server.reset(&client);
    assert!(client.is_gone() && server.is_empty());
}

#[test]
fn who_leaves_takes_its_alarm_along() {
    let mut server = MemoryServer::start(&["--idle-timeout", "10"]);
    let stays = greeted(&mut server);
    let leaves = greeted(&mut server);
    server.close(&leaves);
    assert!(leaves.is_gone());
    server.advance(seconds(10));
    assert_eq!(stays.text(), TIMEOUT);
    let next = greeted(&mut server);
    server.advance(seconds(9));
    assert_eq!(next.text(), "", "an alarm of the last one in its place");
    server.advance(seconds(1));
    assert_eq!(next.text(), TIMEOUT);
}

#[test]
fn a_deadline_counts_from_the_answer_to_a_message() {
    let mut server = MemoryServer::start(&["--idle-timeout", "10"]);
    server.shelf().put_off = true;
    let client = in_transaction(&mut server);
    server.send(&client, b"DATA\r\n");
    server.send(&client, b".\r\n");
    server.advance(seconds(1000));
    server.release_commits();
    assert_eq!(
        client.text(),
        format!("{START_DATA}250 Ok: queued as TEST0001\r\n")
    );
    server.advance(seconds(9));
    assert_eq!(client.text(), "", "it waited for the store, not for itself");
    server.advance(seconds(1));
    assert_eq!(client.text(), TIMEOUT);
}

#[test]
fn a_deadline_that_was_put_off_comes_without_another_event() {
    let mut server = MemoryServer::start(&["--idle-timeout", "10"]);
    let client = greeted(&mut server);
    server.advance(seconds(6));
    server.send(&client, b"NOOP\r\n");
    // Here the first alarm goes off, for nothing.
    server.advance(seconds(6));
    assert_eq!(client.text(), "250 Ok\r\n");
    server.advance(seconds(3));
    assert_eq!(client.text(), "");
    server.advance(seconds(1));
    assert_eq!(client.text(), TIMEOUT);
}

#[test]
fn however_much_a_client_says_it_wakes_the_server_once_and_when_its_time_is_up() {
    let mut server = MemoryServer::start(&["--idle-timeout", "10"]);
    let client = greeted(&mut server);
    for _ in 0..50 {
        server.advance(Duration::from_millis(100));
        server.send(&client, b"NOOP\r\n");
    }
    client.text();
    let mut wakes = 0;
    while client.text() != TIMEOUT {
        server.advance(server.rest().unwrap());
        wakes += 1;
        assert!(wakes <= 2, "it wakes up for nothing");
    }
    assert_eq!(wakes, 2);
}

#[test]
fn who_quits_is_gone_at_once_only_if_all_replies_are_on_their_way() {
    for (noops, at_once) in [(10, true), (1000, false)] {
        let mut server = MemoryServer::start(&[]);
        server.trust_short_reads();
        let client = greeted(&mut server);
        server.send(
            &client,
            &[&b"NOOP\r\n".repeat(noops)[..], b"QUIT\r\n"].concat(),
        );
        assert!(client.text().ends_with("221 Bye\r\n"));
        assert!(client.is_closed());
        assert_eq!(client.is_gone(), at_once, "after {noops} replies");
        server.close(&client);
        assert!(client.is_gone() && server.is_empty());
    }
}

#[test]
fn of_too_many_that_linger_the_oldest_goes_first() {
    let mut server = MemoryServer::start(&["--max-connections", "5"]);
    let more = 3;
    let clients: Vec<_> = (0..LINGERING_MAX + more)
        .map(|_| {
            let client = greeted(&mut server);
            server.send(&client, b"GET / HTTP/1.1\r\n");
            assert!(client.text().starts_with("554 ") && client.is_closed());
            client
        })
        .collect();
    assert_eq!(server.open(), 0);
    for (index, client) in clients.iter().enumerate() {
        assert_eq!(client.is_gone(), index < more, "client {index}");
    }
    // Who closes by itself makes room for another.
    server.close(&clients[more]);
    let next = greeted(&mut server);
    server.send(&next, b"GET / HTTP/1.1\r\n");
    assert!(!clients[more + 1].is_gone() && !next.is_gone());
    server.advance(seconds(1));
    assert!(server.is_empty());
}

#[test]
fn a_drain_lets_a_transaction_finish_whose_message_has_not_begun() {
    let mut server = MemoryServer::start(&[]);
    let client = in_transaction(&mut server);
    server.drain();
    assert_eq!(client.text(), "");
    server.send(&client, b"DATA\r\n");
    server.send(&client, b"text\r\n.\r\n");
    assert_eq!(
        client.text(),
        format!("{START_DATA}250 Ok: queued as TEST0001\r\n{DRAIN}")
    );
    assert_eq!(server.shelf().stored, [b"\r\ntext\r\n"]);

    let mut server = MemoryServer::start(&[]);
    let client = in_transaction(&mut server);
    server.drain();
    server.send(&client, b"RSET\r\nMAIL FROM:<>\r\n");
    assert_eq!(client.text(), format!("250 Ok\r\n{DRAIN}"));
}

#[test]
fn a_drain_reaches_every_place() {
    let mut server = MemoryServer::start(&[]);
    let mut clients: Vec<_> = (0..5).map(|_| greeted(&mut server)).collect();
    for gone in clients.drain(..3) {
        server.close(&gone);
    }
    server.drain();
    for client in &clients {
        assert_eq!(client.text(), DRAIN);
    }
}

#[test]
fn a_drain_does_not_wait_for_who_does_not_read() {
    let mut server = MemoryServer::start(&["--idle-timeout", "100"]);
    let client = greeted(&mut server);
    server.make_room(&client, 0);
    server.drain();
    assert!(!client.is_gone());
    server.advance(seconds(1));
    assert!(client.is_gone() && server.is_empty());
}

#[test]
fn a_slow_reader_that_took_leave_has_time_to_read() {
    let mut server = MemoryServer::start(&["--idle-timeout", "10"]);
    let client = greeted(&mut server);
    server.make_room(&client, 0);
    server.send(&client, b"QUIT\r\n");
    server.advance(seconds(9));
    server.make_room(&client, usize::MAX);
    assert_eq!(client.text(), "221 Bye\r\n");

    let client = greeted(&mut server);
    server.make_room(&client, 0);
    server.send(&client, b"QUIT\r\n");
    server.advance(seconds(10));
    assert!(client.is_gone(), "but not for ever");
}

#[test]
fn only_stored_messages_count_towards_the_end() {
    let mut server = MemoryServer::start(&["--exit-after", "1"]);
    let other = greeted(&mut server);
    let client = in_transaction(&mut server);
    server.shelf().fail = Some(Call::Commit);
    server.send(&client, b"DATA\r\n");
    server.send(&client, b".\r\n");
    assert_eq!(
        client.text(),
        format!("{START_DATA}451 Error: cannot store the message, try again later\r\n")
    );
    server.send(&other, b"NOOP\r\n");
    assert_eq!(other.text(), "250 Ok\r\n");
    server.send(
        &client,
        b"MAIL FROM:<>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n",
    );
    server.send(&client, b".\r\n");
    assert!(client.text().ends_with(DRAIN));
    assert_eq!(other.text(), DRAIN);
}

#[test]
fn what_a_lingering_peer_had_sent_already_is_thrown_away_at_once() {
    let mut server = MemoryServer::start(&["--max-errors", "1"]);
    let client = lingering(&mut server, &b"NOOP\r\n".repeat(100_000));
    assert!(!server.has_unread(&client), "a close would reset");
    assert_eq!(client.text(), "");
}

#[test]
fn a_lingering_peer_that_sends_on_takes_no_more_than_its_turn() {
    let mut server = MemoryServer::start(&["--max-errors", "1"]);
    let client = lingering(&mut server, b"");
    server.queue(&client, &b"NOOP\r\n".repeat(1_000_000));
    assert!(server.has_unread(&client));
    server.send(&client, b"");
    assert!(!server.has_unread(&client));
    server.advance(Duration::from_millis(999));
    assert!(!client.is_gone());
    server.send(&client, b"and this does not put it off\r\n");
    server.advance(Duration::from_millis(1));
    assert!(client.is_gone(), "it lingers for a second, not longer");
}

#[test]
fn who_said_quit_and_sent_on_still_gets_its_answer() {
    let mut server = MemoryServer::start(&[]);
    let client = greeted(&mut server);
    server.send(
        &client,
        &[&b"QUIT\r\n"[..], &b"NOOP\r\n".repeat(100_000)].concat(),
    );
    assert_eq!(client.text(), "221 Bye\r\n");
    assert!(client.is_closed() && !server.has_unread(&client));
    assert!(
        !client.is_gone(),
        "a close now could reset what it has not read"
    );
    server.close(&client);
    assert!(client.is_gone());
}

#[test]
fn a_store_that_never_answers_does_not_keep_the_server() {
    let mut server = MemoryServer::start(&["--drain-timeout", "5"]);
    let client = in_data(&mut server);
    let gone = in_data(&mut server);
    server.shelf().put_off = true;
    server.send(&client, b".\r\n");
    server.send(&gone, b".\r\n");
    server.close(&gone);
    server.drain();
    server.advance(seconds(4));
    assert_eq!(client.text(), "");
    server.advance(seconds(1));
    assert_eq!(client.text(), DRAIN);
    server.close(&client);
    assert!(client.is_gone() && gone.is_gone());
    assert!(server.is_empty());
}
