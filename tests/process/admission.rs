//! Senders and recipients that the store has no place for, or does not answer for: the loop asks the disk nothing.

use crate::common::client::Client;
use crate::common::{TestServer, files};
use mailoop::store::maildir::MAILBOXES_PER_MINUTE_MAX;
use rustix::process::{Pid, Signal, kill_process};

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
