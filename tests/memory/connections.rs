//! Connections in memory: what the loop must do right whatever the network and the store do.

use crate::common::memory::{
    Call, ENVELOPE, ENVELOPE_REPLIES, GREETING, MemoryServer, START_DATA, greeted, in_data,
    in_transaction, seconds,
};

#[test]
fn others_go_on_while_a_message_waits_for_the_store() {
    let mut server = MemoryServer::start(&[]);
    server.shelf().put_off = true;
    let sender = in_data(&mut server);
    server.send(&sender, b"text\r\n.\r\nNOOP\r\nNOOP\r\n");
    assert_eq!(
        sender.text(),
        "",
        "nothing may be said before the message is durable"
    );
    let other = greeted(&mut server);
    server.send(&other, b"NOOP\r\n");
    assert_eq!(other.text(), "250 Ok\r\n");
    server.send(&sender, b"NOOP\r\n");
    server.advance(seconds(1000));
    assert_eq!(sender.text(), "", "a commit has no deadline");
    server.release_commits();
    assert_eq!(
        sender.text(),
        format!("250 Ok: queued as TEST0001\r\n{}", "250 Ok\r\n".repeat(3))
    );
}

#[test]
fn a_client_that_hangs_up_while_its_message_is_stored_gets_it_stored() {
    let mut server = MemoryServer::start(&[]);
    server.shelf().put_off = true;
    let client = in_data(&mut server);
    server.send(&client, b"text\r\n.\r\n");
    server.close(&client);
    assert!(!client.is_gone());
    server.release_commits();
    assert_eq!(client.text(), "250 Ok: queued as TEST0001\r\n");
    assert!(client.is_gone());
    assert_eq!(server.shelf().stored, [b"\r\ntext\r\n"]);
}

#[test]
fn a_client_that_reads_late_gets_every_reply_and_one_that_never_does_is_left() {
    let mut server = MemoryServer::start(&["--idle-timeout", "10"]);
    let client = greeted(&mut server);
    server.make_room(&client, 0);
    for _ in 0..100 {
        server.send(&client, &b"NOOP\r\n".repeat(1000));
    }
    server.make_room(&client, usize::MAX);
    assert_eq!(
        client.text(),
        "250 Ok\r\n".repeat(100_000),
        "it reads in the end, and gets every reply"
    );

    server.make_room(&client, 0);
    server.send(&client, &b"NOOP\r\n".repeat(100_000));
    server.advance(seconds(11));
    assert!(client.is_gone(), "who never reads is not waited for");
    assert!(server.is_empty());
}

#[test]
fn a_busy_client_does_not_keep_another_waiting() {
    let mut server = MemoryServer::start(&[]);
    let busy = in_data(&mut server);
    let other = greeted(&mut server);
    server.queue(&busy, &b"a line of a very long message\r\n".repeat(100_000));
    server.queue(&other, b"NOOP\r\n");
    server.tick();
    assert_eq!(other.text(), "250 Ok\r\n");
    assert!(
        server.has_unread(&busy),
        "one turn took more than its share"
    );
    server.send(&busy, b".\r\n");
    assert_eq!(busy.text(), "250 Ok: queued as TEST0001\r\n");
}

#[test]
fn what_was_complete_before_a_half_close_is_answered() {
    let mut server = MemoryServer::start(&[]);
    let client = greeted(&mut server);
    server.queue(&client, b"NOOP\r\nNOOP\r\nNOO");
    server.close(&client);
    assert_eq!(client.text(), "250 Ok\r\n250 Ok\r\n");
    assert!(client.is_gone());
}

#[test]
fn a_probe_that_has_closed_its_side_gets_the_greeting() {
    let mut server = MemoryServer::start(&[]);
    let client = server.connect_and_close();
    assert_eq!(client.text(), GREETING);
    assert!(client.is_gone());
}

#[test]
fn who_leaves_at_any_octet_leaves_nothing() {
    let session = [
        ENVELOPE,
        b"DATA\r\n",
        b"Subject: x\r\n\r\n..text\r\n.\r\n",
        b"QUIT\r\n",
    ]
    .concat();
    let complete = session.len() - b"QUIT\r\n".len();
    for octets in 0..=session.len() {
        let mut server = MemoryServer::start(&[]);
        let client = greeted(&mut server);
        for octet in &session[..octets] {
            server.send(&client, &[*octet]);
        }
        server.close(&client);
        assert!(client.is_gone() && server.is_empty(), "left at {octets}");
        assert_eq!(server.shelf().unfinished, 0, "left at {octets}");
        assert_eq!(
            server.shelf().stored.len(),
            usize::from(octets >= complete),
            "left at {octets}"
        );
    }
}

#[test]
fn a_command_has_one_deadline_however_it_trickles_in() {
    let mut server = MemoryServer::start(&["--idle-timeout", "10"]);
    let client = greeted(&mut server);
    for octet in b"NOOP NOOP " {
        server.send(&client, &[*octet]);
        server.advance(seconds(1));
    }
    assert_eq!(
        client.text(),
        "421 mail.example.org Error: timeout exceeded\r\n"
    );
    assert!(
        client.is_closed() && !client.is_gone(),
        "it has a second to read that"
    );
    server.advance(seconds(2));
    assert!(client.is_gone());
}

#[test]
fn message_bytes_and_commands_put_the_deadline_off() {
    let mut server = MemoryServer::start(&["--idle-timeout", "10"]);
    let client = greeted(&mut server);
    for _ in 0..5 {
        server.advance(seconds(9));
        server.send(&client, b"NOOP\r\n");
    }
    assert_eq!(client.text(), "250 Ok\r\n".repeat(5));
    server.send(&client, ENVELOPE);
    server.send(&client, b"DATA\r\n");
    for _ in 0..5 {
        server.advance(seconds(9));
        server.send(&client, &[b'x'; 5000]);
    }
    assert_eq!(client.text(), format!("{ENVELOPE_REPLIES}{START_DATA}"));
    server.advance(seconds(11));
    assert_eq!(
        client.text(),
        "421 mail.example.org Error: timeout exceeded\r\n"
    );
    assert_eq!(server.shelf().unfinished, 0);
}

#[test]
fn bytes_of_a_message_that_is_refused_put_the_deadline_off_as_well() {
    let mut server = MemoryServer::start(&["--idle-timeout", "10", "--max-message-size", "1000"]);
    let client = in_data(&mut server);
    for _ in 0..5 {
        server.send(&client, &[b'x'; 6000]);
        server.advance(seconds(9));
    }
    server.send(&client, b"\r\n.\r\n");
    assert_eq!(
        client.text(),
        "552 Error: message exceeds the size limit\r\n"
    );
}

#[test]
fn a_drain_does_not_wait_for_who_does_not_read() {
    let mut server = MemoryServer::start(&["--drain-timeout", "10"]);
    let client = greeted(&mut server);
    server.make_room(&client, 0);
    server.send(&client, b"NOOP\r\nQUIT\r\n");
    assert_eq!(server.open(), 1, "its last reply is not out: it counts");
    server.drain();
    server.advance(seconds(10));
    server.advance(seconds(1));
    assert!(server.is_empty());
}

#[test]
fn a_drain_cuts_no_reply_of_who_reads_it_in_time() {
    let mut server = MemoryServer::start(&["--drain-timeout", "10"]);
    server.shelf().put_off = true;
    let client = in_data(&mut server);
    server.make_room(&client, 0);
    server.send(&client, b"text\r\n.\r\n");
    server.drain();
    server.advance(seconds(9));
    server.release_commits();
    server.make_room(&client, 10);
    server.make_room(&client, usize::MAX);
    assert_eq!(
        client.text(),
        "250 Ok: queued as TEST0001\r\n421 Service shutting down, try again later\r\n"
    );
    server.advance(seconds(1));
    assert!(server.is_empty());
}

#[test]
fn an_extended_session_times_out_with_its_status_code() {
    let mut server = MemoryServer::start(&["--idle-timeout", "10"]);
    let client = greeted(&mut server);
    server.send(&client, b"EHLO c\r\n");
    client.received();
    server.advance(seconds(10));
    assert_eq!(
        client.text(),
        "421 4.4.2 mail.example.org Error: timeout exceeded\r\n"
    );
}

#[test]
fn a_session_ends_between_transactions_when_its_time_is_up() {
    let mut server = MemoryServer::start(&["--idle-timeout", "10", "--session-timeout", "15"]);
    let client = in_data(&mut server);
    for _ in 0..4 {
        server.advance(seconds(5));
        server.send(&client, &[b'x'; 6000]);
    }
    server.send(&client, b"\r\n.\r\n");
    let timeout = "421 mail.example.org Error: timeout exceeded\r\n";
    let stored = "250 Ok: queued as TEST0001\r\n";
    assert_eq!(
        client.text(),
        format!("{stored}{timeout}"),
        "no transaction is cut short"
    );
}

#[test]
fn no_transaction_begins_once_the_session_timeout_has_passed() {
    let mut server = MemoryServer::start(&["--idle-timeout", "10", "--session-timeout", "20"]);
    let client = in_transaction(&mut server);
    let again = b"RSET\r\nMAIL FROM:<a@example.com>\r\n";
    for _ in 0..2 {
        server.advance(seconds(9));
        server.send(&client, again);
        assert_eq!(client.text(), "250 Ok\r\n250 Ok\r\n");
    }
    server.advance(seconds(9));
    server.send(&client, again);
    assert_eq!(
        client.text(),
        "250 Ok\r\n421 mail.example.org Error: timeout exceeded\r\n"
    );
    assert!(client.is_closed());
}

#[test]
fn what_may_yet_be_the_end_of_a_message_is_heard_as_well() {
    let mut server = MemoryServer::start(&["--idle-timeout", "10", "--min-rate", "0"]);
    let client = in_data(&mut server);
    for octet in [b".", b"\r"] {
        server.advance(seconds(9));
        server.send(&client, octet);
    }
    server.advance(seconds(9));
    assert_eq!(client.text(), "");
    server.advance(seconds(1));
    assert!(client.text().starts_with("421 "));
}

#[test]
fn chunks_of_nothing_are_no_message_that_keeps_its_rate() {
    let mut server = MemoryServer::start(&["--idle-timeout", "10", "--min-rate", "5"]);
    let client = greeted(&mut server);
    server.send(
        &client,
        b"EHLO c\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.org>\r\nBDAT 0\r\n",
    );
    for _ in 0..20 {
        server.advance(seconds(1));
        if !client.is_closed() {
            server.send(&client, &b"BDAT 0\r\nNOOP\r\n".repeat(10));
        }
    }
    assert!(
        client
            .text()
            .ends_with("421 4.4.2 mail.example.org Error: timeout exceeded\r\n")
    );
}

#[test]
fn a_message_has_to_keep_the_least_rate() {
    let mut server = MemoryServer::start(&[
        "--idle-timeout",
        "10",
        "--min-rate",
        "100",
        "--session-timeout",
        "20",
    ]);
    let quick = in_data(&mut server);
    let slow = in_data(&mut server);
    for second in 1..100 {
        server.send(&quick, &[b'x'; 100]);
        server.send(&slow, &[b'x'; 99]);
        server.advance(seconds(1));
        let said = if second == 10 {
            "421 mail.example.org Error: timeout exceeded\r\n"
        } else {
            ""
        };
        assert_eq!(slow.text(), said, "after {second} seconds");
    }
    assert_eq!(
        quick.text(),
        "",
        "whoever keeps the rate is not cut, however long it takes"
    );
    server.send(&quick, b"\r\n.\r\n");
    assert!(quick.text().starts_with("250 Ok: queued as TEST0001\r\n"));
    assert_eq!(server.shelf().unfinished, 0);
}

#[test]
fn a_transaction_without_a_message_does_not_last_beyond_the_session() {
    let mut server = MemoryServer::start(&["--idle-timeout", "10", "--session-timeout", "20"]);
    let client = greeted(&mut server);
    for _ in 0..2 {
        server.advance(seconds(9));
        server.send(&client, b"NOOP\r\n");
    }
    server.send(&client, ENVELOPE);
    client.received();
    server.advance(seconds(9));
    server.send(&client, b"NOOP\r\n");
    assert_eq!(
        client.text(),
        "250 Ok\r\n",
        "it has time for its commands, though it began late"
    );
    server.advance(seconds(1));
    assert_eq!(
        client.text(),
        "421 mail.example.org Error: timeout exceeded\r\n"
    );
}

#[test]
fn a_lingering_peer_that_closes_is_let_go_at_once() {
    let mut server = MemoryServer::start(&["--max-errors", "1"]);
    let client = greeted(&mut server);
    server.send(&client, b"WHAT\r\nNOOP\r\nNOOP\r\n");
    assert_eq!(
        client.text(),
        "500 Error: command not recognized\r\n421 Error: too many errors\r\n"
    );
    assert!(client.is_closed() && !client.is_gone());
    server.send(&client, b"more, that nobody reads\r\n");
    server.close(&client);
    assert!(client.is_gone());
}

#[test]
fn a_drain_lets_a_transaction_finish_and_begins_none() {
    let mut server = MemoryServer::start(&["--drain-timeout", "10"]);
    let idle = greeted(&mut server);
    let sender = in_data(&mut server);
    let slow = in_data(&mut server);
    server.drain();
    assert_eq!(
        idle.text(),
        "421 Service shutting down, try again later\r\n"
    );
    server.send(&sender, b"text\r\n.\r\nMAIL FROM:<a@example.com>\r\n");
    assert_eq!(
        sender.text(),
        "250 Ok: queued as TEST0001\r\n421 Service shutting down, try again later\r\n"
    );
    server.advance(seconds(5));
    assert_eq!(slow.text(), "");
    server.advance(seconds(5));
    assert_eq!(
        slow.text(),
        "421 Service shutting down, try again later\r\n"
    );
    assert_eq!(server.shelf().unfinished, 0);
    server.advance(seconds(2));
    assert!(server.is_empty());
}

#[test]
fn after_enough_messages_no_new_one_begins() {
    let mut server = MemoryServer::start(&["--exit-after", "1"]);
    let idle = greeted(&mut server);
    let second = in_data(&mut server);
    let first = in_data(&mut server);
    server.send(&first, b"first\r\n.\r\nMAIL FROM:<>\r\n");
    assert_eq!(
        first.text(),
        "250 Ok: queued as TEST0002\r\n421 Service shutting down, try again later\r\n"
    );
    assert_eq!(
        idle.text(),
        "421 Service shutting down, try again later\r\n"
    );
    server.send(&second, b"second\r\n.\r\n");
    assert_eq!(
        second.text(),
        "250 Ok: queued as TEST0001\r\n421 Service shutting down, try again later\r\n"
    );
}

#[test]
fn what_the_store_cannot_do_is_said_and_the_session_goes_on() {
    let failed = "451 Error: cannot store the message, try again later\r\n";
    for call in [
        Call::Admit,
        Call::Check,
        Call::Begin,
        Call::Trace,
        Call::Write,
        Call::Commit,
    ] {
        let mut server = MemoryServer::start(&[]);
        let client = greeted(&mut server);
        server.shelf().fail = Some(call);
        server.send(&client, ENVELOPE);
        server.send(&client, b"DATA\r\n");
        let expected = match call {
            Call::Admit => format!(
                "250 Hello c, pleased to meet you.\r\n{failed}{0}{0}",
                "503 Error: need MAIL command\r\n"
            ),
            Call::Check => format!(
                "250 Hello c, pleased to meet you.\r\n250 Ok\r\n{failed}503 Error: need RCPT command\r\n"
            ),
            Call::Begin | Call::Trace => format!("{ENVELOPE_REPLIES}{failed}"),
            Call::Write | Call::Commit => format!("{ENVELOPE_REPLIES}{START_DATA}"),
        };
        assert_eq!(client.text(), expected, "{call:?}");
        if matches!(call, Call::Write | Call::Commit) {
            server.send(&client, b"text\r\n");
            server.send(&client, b"more\r\n.\nHELP\r\n.\r\n");
            assert_eq!(client.text(), failed, "{call:?}");
        }
        assert_eq!(server.shelf().unfinished, 0, "{call:?}");
        assert!(server.shelf().stored.is_empty(), "{call:?}");
        server.send(
            &client,
            b"RSET\r\nMAIL FROM:<>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n",
        );
        server.send(&client, b"next\r\n.\r\n");
        assert!(client.text().contains("250 Ok: queued as"), "{call:?}");
        assert_eq!(server.shelf().stored, [b"\r\nnext\r\n"], "{call:?}");
    }
}

#[test]
fn a_place_that_is_used_again_is_another_connection() {
    let mut server = MemoryServer::start(&[]);
    let first = in_data(&mut server);
    // It has a place on the runnable list when it goes.
    server.queue(
        &first,
        &b"a line of a very long message\r\n".repeat(100_000),
    );
    server.tick();
    server.reset(&first);
    assert!(first.is_gone());
    let second = server.connect();
    assert_eq!(second.text(), GREETING);
    server.send(&second, b"NOOP\r\n");
    assert_eq!(second.text(), "250 Ok\r\n");
    assert_eq!(server.shelf().unfinished, 0);
}
