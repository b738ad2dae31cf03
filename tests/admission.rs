//! Senders and recipients that wait for what the store says: the loop asks the disk nothing.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::client::Client;
use common::memory::{GREETING, MemoryServer, greeted, seconds};
use common::{TestServer, files};
use mailoop::store::maildir::MAILBOXES_PER_MINUTE_MAX;
use rustix::process::{Pid, Signal, kill_process};

#[test]
fn who_waits_for_an_answer_is_neither_read_nor_timed_out_and_goes_on_in_order() {
    let mut server = MemoryServer::start(&["--idle-timeout", "10"]);
    server.shelf().asks = true;
    server.shelf().put_off = true;
    let client = greeted(&mut server);
    let other = greeted(&mut server);
    server.send(&client, b"HELO c\r\n");
    client.text();
    server.send(
        &client,
        b"MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.org>\r\nRCPT TO:<c@example.org>\r\nDATA\r\n",
    );
    assert_eq!(client.text(), "");
    server.send(&other, b"NOOP\r\n");
    assert_eq!(other.text(), "250 Ok\r\n");
    server.release_commits();
    assert_eq!(
        client.text(),
        "250 Ok\r\n250 Ok\r\n250 Ok\r\n354 Enter message, ending with \".\" on a line by itself\r\n"
    );
    server.send(&client, b"text\r\n.\r\nMAIL FROM:<a@example.com>\r\n");
    server.release_commits();
    assert!(client.text().starts_with("250 Ok: queued as"));

    server.send(&client, b"RCPT TO:<b@example.org>\r\n");
    server.advance(seconds(9));
    assert_eq!(client.text(), "", "a recipient is not to blame");
    server.advance(seconds(1));
    assert_eq!(
        client.text(),
        "451 Error: cannot store the message, try again later\r\n"
    );
    server.send(&client, b"RCPT TO:<c@example.org>\r\n");
    server.release_commits();
    assert_eq!(client.text(), "250 Ok\r\n");
}

#[test]
fn a_sender_waits_a_second_at_most() {
    let mut server = MemoryServer::start(&[]);
    server.shelf().asks = true;
    server.shelf().put_off = true;
    let client = greeted(&mut server);
    server.send(&client, b"HELO c\r\nMAIL FROM:<a@example.com>\r\nNOOP\r\n");
    client.text();
    server.advance(seconds(1));
    assert_eq!(client.text(), "250 Ok\r\n250 Ok\r\n");
    // The answer that comes all the same is nobody's.
    server.release_commits();
    assert_eq!(client.text(), "");
}

#[test]
fn whoever_leaves_while_the_store_is_asked_leaves_nothing() {
    for ends in [0, 1, 2] {
        let mut server = MemoryServer::start(&["--drain-timeout", "5"]);
        server.shelf().asks = true;
        server.shelf().put_off = true;
        let client = server.connect();
        assert_eq!(client.text(), GREETING);
        server.send(&client, b"HELO c\r\n");
        server.send(&client, b"MAIL FROM:<a@example.com>\r\n");
        match ends {
            0 => server.reset(&client),
            1 => server.close(&client),
            _ => server.drain(),
        }
        server.advance(seconds(6));
        server.release_commits();
        server.advance(seconds(6));
        assert!(server.is_empty(), "{ends}");
    }
}

/// A server that may make `room` mailboxes more than the one that is there.
fn near_its_limit(room: usize) -> TestServer {
    let server = TestServer::start(&["--max-mailboxes", &(room + 1).to_string()]);
    let mut client = Client::connect(server.address());
    client.begin_message("known@example.org");
    client.ask("text\r\n.", "250");
    server
}

#[test]
fn near_the_limit_a_mailbox_that_is_there_is_accepted_and_no_other() {
    let mut server = near_its_limit(2);
    let mut client = Client::connect(server.address());
    client.hello();
    for _ in 0..2 {
        client.ask("MAIL FROM:<a@example.com>", "250");
        for (to, code) in [
            ("known", "250"),
            ("one", "250"),
            ("two", "250"),
            ("three", "452 4.2.2"),
            ("ONE", "250"),
            ("known", "250"),
        ] {
            client.ask(&format!("RCPT TO:<{to}@example.org>"), code);
        }
        client.ask("RSET", "250");
    }
    // Two sessions that are both accepted: the one that comes later is refused at the end.
    let mut others = [(); 2].map(|()| Client::connect(server.address()));
    for (number, other) in others.iter_mut().enumerate() {
        other.hello();
        other.ask("MAIL FROM:<a@example.com>", "250");
        other.ask(&format!("RCPT TO:<m{number}@example.org>"), "250");
        other.ask(&format!("RCPT TO:<n{number}@example.org>"), "250");
        other.ask("DATA", "354");
    }
    others[1].ask("text\r\n.", "250");
    others[0].ask("text\r\n.", "452 4.2.2");
    assert_eq!(files(&server.maildir().join("example.org")).len(), 3);
    server.stop();
}

#[test]
fn one_address_has_so_many_mailboxes_made_and_no_more() {
    let mut server = TestServer::start(&["--max-recipients", "1000"]);
    let mut client = Client::connect(server.address());
    client.hello();
    client.ask("MAIL FROM:<a@example.com>", "250");
    for number in 0..MAILBOXES_PER_MINUTE_MAX {
        client.ask(&format!("RCPT TO:<m{number}@example.org>"), "250");
    }
    client.ask("RCPT TO:<more@example.org>", "452 4.2.2");
    client.ask("RCPT TO:<m7@example.org>", "250");
    client.ask("DATA", "354");
    client.ask("text\r\n.", "250");
    // Of another connection too, and not where the mailbox is there.
    let mut other = Client::connect(server.address());
    other.hello();
    other.ask("MAIL FROM:<a@example.com>", "250");
    other.ask("RCPT TO:<more@example.org>", "452 4.2.2");
    other.ask("RCPT TO:<m8@example.org>", "250");
    other.ask("DATA", "354");
    other.ask("text\r\n.", "250");
    server.stop();
    let made = files(&server.maildir().join("example.org")).len();
    assert_eq!(made, MAILBOXES_PER_MINUTE_MAX);
}

#[test]
fn a_question_that_nobody_answers_holds_up_nobody_else() {
    let mut server = near_its_limit(1);
    let [_, process] = server.family()[..] else {
        panic!("there is no store process");
    };
    let process = Pid::from_raw(process.cast_signed()).unwrap();
    let mut asking = Client::connect(server.address());
    asking.hello();
    asking.ask("MAIL FROM:<a@example.com>", "250");
    let mut other = Client::connect(server.address());
    other.hello();
    kill_process(process, Signal::STOP).unwrap();
    asking.say("RCPT TO:<one@example.org>\r\nRCPT TO:<two@example.org>\r\n");
    for _ in 0..100 {
        other.ask("NOOP", "250");
    }
    other.ask("MAIL FROM:<a@example.com>", "250");
    kill_process(process, Signal::CONT).unwrap();
    asking.expect("250");
    asking.expect("452 4.2.2");
    // One that is gone answers nothing: what the disk does not take is told at the end.
    kill_process(process, Signal::STOP).unwrap();
    asking.say("RCPT TO:<three@example.org>\r\n");
    other.ask("NOOP", "250");
    kill_process(process, Signal::KILL).unwrap();
    asking.expect("250");
    for mut client in [asking, other] {
        client.ask("RSET", "250");
    }
    server.stop();
}
