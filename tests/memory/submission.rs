//! What a session of submission makes of a message, also where the store fails.

use std::rc::Rc;

use crate::common::memory::{Call, Client, MemoryServer, config};
use bytes::BytesMut;
use mailoop::smtp::envelope::{Peer, QueueId};
use mailoop::smtp::event::Event;
use mailoop::smtp::reply;
use mailoop::smtp::service::Service;
use mailoop::smtp::session::Session;
use mailoop::smtp::xclient::XclientAccess;

const OPTIONS: [&str; 4] = [
    "--listen-submission",
    "127.0.0.1:0",
    "--xclient-from",
    "127.0.0.1",
];
const LOGIN: &str = "XCLIENT LOGIN=ada PROTO=ESMTP HELO=client\r\n";
const ENVELOPE: &str = "MAIL FROM:<ada@example.org>\r\nRCPT TO:<b@example.org>\r\n";

/// A session of a user whose message is being received.
fn session_in_data(out: &mut BytesMut) -> Session {
    let policy = Rc::new(config(&OPTIONS).policy);
    let mut session = Session::new(policy, Rc::default(), Service::Submission, Peer::Local);
    session.set_client(Peer::Local, XclientAccess::Granted);
    session.next(&mut LOGIN.as_bytes(), out);
    let mut input = ENVELOPE.as_bytes();
    let Event::CheckRoom(transaction) = session.next(&mut input, out) else {
        panic!("no MAIL");
    };
    session.accept_sender(transaction, out);
    let Event::CheckRecipient(recipient) = session.next(&mut input, out) else {
        panic!("no RCPT");
    };
    session.accept_recipient(recipient, 0, out);
    let begun = session.next(&mut &b"DATA\r\n"[..], out);
    assert!(matches!(begun, Event::BeginMessage));
    session.receive_message(QueueId::new("TEST", 1), "now", out);
    out.clear();
    session
}

#[test]
fn behind_the_header_text_is_given_out_where_it_lies() {
    let mut out = BytesMut::new();
    let mut session = session_in_data(&mut out);
    let header = &b"a: b\r\n\r\n"[..];
    let Event::Text(stored) = session.next(&mut &header[..], &mut out) else {
        panic!("no header");
    };
    assert!(stored.ends_with(b"\r\nMessage-ID: <TEST0001@mail.example.org>\r\n\r\n"));
    let body = &b"body\r\n"[..];
    let Event::Text(stored) = session.next(&mut &body[..], &mut out) else {
        panic!("no body");
    };
    assert!(std::ptr::eq(stored, body));
}

#[test]
fn the_last_text_may_fail_as_any_other() {
    let mut out = BytesMut::new();
    let mut session = session_in_data(&mut out);
    let mut input = &b"a: b\r\n.\r\nNOOP\r\n"[..];
    for stored in ["a: b\r\n", "Date: now\r\nMessage-ID: <TEST0001@"] {
        match session.next(&mut input, &mut out) {
            Event::Text(text) => assert!(text.starts_with(stored.as_bytes())),
            other => panic!("{stored}: {other:?}"),
        }
    }
    session.refuse_message(reply::STORE_FULL);
    let refused = session.next(&mut input, &mut out);
    assert!(matches!(refused, Event::Refused(_, reply::STORE_FULL)));
    session.next(&mut input, &mut out);
    assert_eq!(
        out,
        "452 4.3.1 Error: insufficient system storage\r\n250 2.0.0 Ok\r\n"
    );
}

#[test]
fn who_is_in_the_clear_is_told_of_tls_where_there_is_such() {
    for (tls, text) in [
        (true, "Must issue a STARTTLS command first"),
        (false, "Authentication required"),
    ] {
        let mut policy = config(&OPTIONS).policy;
        policy.tls = tls;
        let mut session = Session::new(
            Rc::new(policy),
            Rc::default(),
            Service::Submission,
            Peer::Local,
        );
        let mut out = BytesMut::new();
        session.next(&mut &b"EHLO c\r\n"[..], &mut out);
        out.clear();
        session.next(&mut &b"MAIL FROM:<>\r\n"[..], &mut out);
        assert_eq!(out, format!("530 5.7.0 {text}\r\n"));
    }
}

/// A client that has logged in, and begun a message.
fn in_data(server: &mut MemoryServer) -> Client {
    let client = server.connect_from("127.0.0.1:40000", b"");
    server.send(&client, LOGIN.as_bytes());
    server.send(&client, format!("{ENVELOPE}DATA\r\n").as_bytes());
    assert!(client.text().contains("354 "));
    client
}

#[test]
fn what_cannot_be_put_in_is_said_and_the_session_goes_on() {
    for (header, ends) in [
        ("DATA\r\n", [&b".\r\n"[..], b"\r\n.\r\n", b"hello\r\n.\r\n"]),
        (
            "BDAT 7\r\nTo: b\r\n",
            [
                b"BDAT 0 LAST\r\n",
                b"BDAT 2 LAST\r\n\r\n",
                b"BDAT 1 LAST\r\nx",
            ],
        ),
    ] {
        for end in ends {
            let mut server = MemoryServer::start(&OPTIONS);
            let client = server.connect_from("127.0.0.1:40000", b"");
            server.send(&client, LOGIN.as_bytes());
            server.send(&client, format!("{ENVELOPE}{header}").as_bytes());
            client.text();
            server.shelf().fail = Some(Call::Write);
            server.send(&client, end);
            let shown = format!("{header:?} {}", end.escape_ascii());
            assert!(client.text().starts_with("451 4.3.0"), "{shown}");
            assert_eq!(server.shelf().unfinished, 0, "{shown}");
            server.send(&client, b"NOOP\r\n");
            assert_eq!(client.text(), "250 2.0.0 Ok\r\n", "{shown}");
            let again = format!("{ENVELOPE}BDAT 7 LAST\r\nTo: c\r\n");
            server.send(&client, again.as_bytes());
            assert!(client.text().contains("queued as"), "{shown}");
            let stored = String::from_utf8(server.shelf().stored[0].clone()).unwrap();
            assert!(stored.starts_with("To: c\r\nDate: "), "{shown}: {stored}");
        }
    }
}

#[test]
fn who_leaves_within_a_header_leaves_nothing() {
    for part in ["", "Dat", "Date: x\r\n", "Date: x\r\nhello"] {
        let mut server = MemoryServer::start(&OPTIONS);
        let client = in_data(&mut server);
        server.send(&client, part.as_bytes());
        assert_eq!(server.shelf().unfinished, 1, "{part:?}");
        server.close(&client);
        assert_eq!(server.shelf().unfinished, 0, "{part:?}");
        assert!(client.is_gone() && server.shelf().stored.is_empty());
    }
}

#[test]
fn a_drain_waits_for_the_end_of_a_header_that_is_coming() {
    let mut server = MemoryServer::start(&OPTIONS);
    let client = in_data(&mut server);
    server.send(&client, b"Dat");
    server.drain();
    server.send(&client, b"e: x\r\n.\r\n");
    assert!(client.text().contains("queued as"));
    let stored = server.shelf().stored[0].clone();
    assert!(stored.starts_with(b"Date: x\r\nMessage-ID: <TEST0001@"));
}
