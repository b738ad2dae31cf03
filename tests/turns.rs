//! Turns: how much of one a connection gets, what it may keep, and that nobody who has work left is forgotten.

#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::memory::{MemoryServer, greeted, in_data, seconds};

#[test]
fn who_does_not_read_is_not_read_either() {
    let mut server = MemoryServer::start(&[]);
    let client = greeted(&mut server);
    server.make_room(&client, 0);
    let commands = b"NOOP\r\n".repeat(100_000);
    server.send(&client, &commands);
    let read = commands.len() - server.unread(&client);
    assert!(read <= 64 << 10, "{read} octets were read");
    // Some room lets the session go on, but only so far.
    server.make_room(&client, 128 << 10);
    let read_then = commands.len() - server.unread(&client);
    assert!(
        read_then > read && read_then <= 192 << 10,
        "{read_then} octets were read"
    );
    server.make_room(&client, usize::MAX);
    assert_eq!(client.text(), "250 Ok\r\n".repeat(100_000));
}

#[test]
fn who_waits_for_the_store_is_not_read() {
    let mut server = MemoryServer::start(&[]);
    server.shelf().put_off = true;
    let client = in_data(&mut server);
    server.send(&client, b".\r\n");
    let commands = b"NOOP\r\n".repeat(100_000);
    server.send(&client, &commands);
    assert_eq!(server.unread(&client), commands.len());
    server.release_commits();
    assert_eq!(
        client.text(),
        format!(
            "250 Ok: queued as TEST0001\r\n{}",
            "250 Ok\r\n".repeat(100_000)
        )
    );
}

#[test]
fn an_event_gives_no_second_turn_to_who_waits_for_one() {
    let mut server = MemoryServer::start(&[]);
    let busy = in_data(&mut server);
    let text = b"a line of a very long message\r\n".repeat(100_000);
    server.queue(&busy, &text);
    let left = server.unread(&busy);
    let turn = text.len() - left;
    assert!(0 < turn && turn < text.len());
    server.queue(&busy, b"");
    server.queue(&busy, b"");
    assert_eq!(server.unread(&busy), left);
    server.tick();
    assert_eq!(server.unread(&busy), left - turn, "one turn a tick");
    server.send(&busy, b".\r\n");
    assert_eq!(busy.text(), "250 Ok: queued as TEST0001\r\n");
    assert_eq!(server.shelf().stored, [text]);
}

#[test]
fn messages_sent_at_once_are_stored_without_another_event() {
    let mut server = MemoryServer::start(&["--bare-newline", "accept"]);
    let client = greeted(&mut server);
    let message = "MAIL FROM:<a@example.com>\nRCPT TO:<b@example.org>\nDATA\ntext\n.\n";
    server.send(
        &client,
        format!("HELO c\n{}QUIT\n", message.repeat(3)).as_bytes(),
    );
    let said = client.text();
    assert_eq!(said.matches("250 Ok: queued as ").count(), 3, "{said}");
    assert!(said.ends_with("221 Bye\r\n"), "{said}");
    assert_eq!(server.shelf().stored.len(), 3);
}

#[test]
fn a_message_is_not_read_while_the_store_takes_no_more() {
    let mut server = MemoryServer::start(&["--idle-timeout", "10"]);
    let client = in_data(&mut server);
    let other = greeted(&mut server);
    server.shelf().congested = true;
    server.send(&client, &b"a line of text\r\n".repeat(10_000));
    assert!(server.has_unread(&client));
    server.send(&other, b"NOOP\r\n");
    assert_eq!(other.text(), "250 Ok\r\n");
    server.send(&other, b"QUIT\r\n");
    for _ in 0..3 {
        server.advance(seconds(10));
    }
    assert_eq!(client.text(), "", "it is not to blame");

    server.shelf().congested = false;
    server.advance(seconds(0));
    server.send(&client, b".\r\n");
    assert!(client.text().starts_with("250 Ok: queued as"));
    assert_eq!(server.shelf().stored[0].len(), 160_000);
    assert!(!server.has_unread(&client));
}
