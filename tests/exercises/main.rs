//! The exercises of `docs/exercises`: a test for each, which passes as the code is and fails once its defect is planted.
//!
//! The server is the real one over sockets that are held in memory ([`MemoryServer`]). A test plays the kernel: it says what has
//! arrived, and tells of it once, as an edge-triggered poll does. Read the page of an exercise first: the tests are the answers.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;

use mailoop::net::connections::READ_BYTES_MAX;

use common::memory::{MemoryServer, greeted, in_data, seconds};

/// 01: an edge tells once of all that has arrived, so all of it is read before the next wait.
#[test]
fn not_drained() {
    let mut server = MemoryServer::start(&[]);
    let client = in_data(&mut server);
    let text = b"a line of a long message\r\n".repeat(10_000);
    assert!(text.len() > READ_BYTES_MAX, "one read does not take it all");
    server.send(&client, &text);
    assert_eq!(
        server.unread(&client),
        0,
        "the rest waits for an edge that never comes"
    );
}

/// 02: a client that does not read its replies is not read either, or they pile up in memory.
#[test]
fn unbounded_output() {
    let mut server = MemoryServer::start(&[]);
    let client = greeted(&mut server);
    // Its receive window is closed from now on.
    server.make_room(&client, 0);
    let commands = b"NOOP\r\n".repeat(100_000);
    server.send(&client, &commands);
    let read = commands.len() - server.unread(&client);
    assert!(
        read <= READ_BYTES_MAX,
        "the replies to {read} octets are kept for a client that does not read"
    );
    // Nothing is lost by that: as soon as the client reads, the server goes on.
    server.make_room(&client, usize::MAX);
    assert_eq!(client.text(), "250 Ok\r\n".repeat(100_000));
}

/// 03: a turn has an end, also for a client that never stops sending.
#[test]
fn starvation() {
    let mut server = MemoryServer::start(&[]);
    let busy = in_data(&mut server);
    let other = greeted(&mut server);
    server.queue(&busy, &b"a line of a long message\r\n".repeat(100_000));
    server.queue(&other, b"NOOP\r\n");
    server.tick();
    assert_eq!(other.text(), "250 Ok\r\n");
    // Time stands still here, so what the other had to wait for is counted in octets.
    assert!(
        server.has_unread(&busy),
        "the other was served after all that the busy client had sent"
    );
}

/// 04: a FIN ends what the client says, and nothing that it has said before.
#[test]
fn half_close() {
    let mut server = MemoryServer::start(&[]);
    let client = greeted(&mut server);
    // Commands and FIN arrive before the server looks: one event tells of both.
    server.send_raw_and_close(&client, b"NOOP\r\nQUIT\r\n");
    assert_eq!(
        client.text(),
        "250 Ok\r\n221 Bye\r\n",
        "what came before the FIN is not answered"
    );
}

/// 05: `250` is a promise, and is given only once the store says that the message is durable.
#[test]
fn promise_before_commit() {
    let mut server = MemoryServer::start(&[]);
    let client = in_data(&mut server);
    // The disk takes its time.
    server.shelf().put_off = true;
    server.send(&client, b"text\r\n.\r\n");
    assert!(server.shelf().stored.is_empty());
    assert_eq!(
        client.text(),
        "",
        "the client may forget a message that no disk has"
    );
    server.release_commits();
    assert_eq!(server.shelf().stored, [b"\r\ntext\r\n"]);
    assert_eq!(client.text(), "250 Ok: queued as TEST0001\r\n");
}

/// 06: a socket is written to at once; an edge is waited for only after it has said that it is full.
#[test]
fn interest_by_hand() {
    let mut server = MemoryServer::start(&[]);
    let client = in_data(&mut server);
    server.shelf().put_off = true;
    server.send(&client, b"text\r\n.\r\n");
    // This reply is caused by the store: no event of this socket comes with it. The socket has room, as it always had.
    server.release_commits();
    assert_eq!(
        client.text(),
        "250 Ok: queued as TEST0001\r\n",
        "the reply waits for an edge of a socket that was never full"
    );
}

/// 07: a deadline that has moved back is still a deadline.
#[test]
fn forgotten_deadline() {
    let mut server = MemoryServer::start(&["--idle-timeout", "10"]);
    let client = greeted(&mut server);
    server.advance(seconds(9));
    server.send(&client, b"NOOP\r\n");
    assert_eq!(client.text(), "250 Ok\r\n");
    // The alarm of the first ten seconds goes off. The command has put the deadline off to 19 s.
    server.advance(seconds(1));
    assert_eq!(
        server.rest(),
        Some(seconds(9)),
        "poll sleeps and nothing will wake it"
    );
    server.advance(seconds(9));
    assert!(client.text().starts_with("421 ") && client.is_closed());
}

/// 08: the last reply is not on its way for sure before the client has closed its side.
#[test]
fn lost_reply() {
    let mut server = MemoryServer::start(&[]);
    let client = greeted(&mut server);
    let pipelined = [&b"QUIT\r\n"[..], &b"NOOP\r\n".repeat(100_000)].concat();
    server.send(&client, &pipelined);
    assert_eq!(client.text(), "221 Bye\r\n");
    assert!(client.is_closed(), "our side is shut");
    assert!(
        !client.is_gone(),
        "closing a socket with unread input resets the connection"
    );
    server.close(&client);
    assert!(client.is_gone());
}

/// 09: a read that did not fill the buffer has emptied the socket, but not read the FIN behind that.
#[test]
fn short_read() {
    let mut server = MemoryServer::start(&[]);
    // On Linux a short read saves the second one, which would only hear `WouldBlock`.
    server.trust_short_reads();
    let client = greeted(&mut server);
    server.send_raw_and_close(&client, b"NOOP\r\n");
    assert_eq!(client.text(), "250 Ok\r\n");
    assert!(client.is_gone(), "nobody reads the FIN");
}

/// 10: a key is free only after the batch of events that may still name it.
#[test]
fn reused_key() {
    let mut server = MemoryServer::start(&[]);
    let gone = greeted(&mut server);
    let other = greeted(&mut server);
    // The first client has replies waiting that it does not read, and hangs up.
    server.make_room(&gone, 0);
    server.send(&gone, &b"NOOP\r\n".repeat(10_000));
    server.break_pipe(&gone);
    // One poll brings events of both. A loop that accepts between events lets a newcomer in now.
    server.queue(&gone, b"");
    server.queue(&other, b"NOOP\r\n");
    let newcomer = server.accept_one();
    assert!(
        !newcomer.is_in_place_of(&gone),
        "a late event of the one that is gone would reach the newcomer"
    );
    // After the batch nothing can speak of it any more.
    server.tick();
    assert!(gone.is_gone());
    assert!(server.accept_one().is_in_place_of(&gone));
}
