//! The server for tests: any login, the inbox with its envelopes, and what was said.

use std::rc::Rc;

use crate::common::memory::{ARRIVING_BYTES_MAX, Call, Client, MemoryServer, greeted};
use mailoop::store::inbox::CaughtMessage;

/// `\0ann\0secret`.
const PLAIN: &[u8] = b"AUTH PLAIN AGFubgBzZWNyZXQ=\r\n";
const LOGGED_IN: &str = "235 2.7.0 Authentication successful\r\n";
const MESSAGE: &[u8] = b"Subject: hello\r\nTo: bob@example.com\r\n\r\n..dot\r\n.\r\n";
const ENVELOPE: &[u8] = b"MAIL FROM:<ann@example.org>\r\nRCPT TO:<bob@example.com>\r\n\
    RCPT TO:<hidden@example.net>\r\nDATA\r\n";

/// A client that has said EHLO, and heard that it may log in.
fn extended(server: &mut MemoryServer) -> Client {
    let client = greeted(server);
    server.send(&client, b"EHLO client.example\r\n");
    let offered = client.text();
    assert!(offered.contains("250-AUTH PLAIN LOGIN\r\n"), "{offered}");
    client
}

/// Sends a message, by a client that has said hello.
fn send(server: &mut MemoryServer, client: &Client) -> String {
    server.send(client, ENVELOPE);
    server.send(client, MESSAGE);
    client.text()
}

fn latest(server: &mut MemoryServer) -> Rc<CaughtMessage> {
    Rc::clone(server.inbox().latest().expect("a message"))
}

#[test]
fn anybody_logs_in_in_the_clear_and_in_tls() {
    let mut server = MemoryServer::catch(&[]);
    for in_tls in [false, true] {
        let logins: [&[&[u8]]; 4] = [
            &[PLAIN],
            &[b"AUTH PLAIN\r\n", b"AGFubgA=\r\n"],
            &[b"AUTH LOGIN\r\n", b"YW5u\r\n", b"c2VjcmV0\r\n"],
            &[b"AUTH LOGIN YW5u\r\n", b"\r\n"],
        ];
        for login in logins {
            let client = extended(&mut server);
            if in_tls {
                server.send(&client, b"STARTTLS\r\n");
                client.text();
                server.begin_tls(&client, usize::MAX);
                server.send(&client, b"EHLO client.example\r\n");
                assert!(client.text().contains("250-AUTH PLAIN LOGIN\r\n"));
            }
            for line in login {
                server.send(&client, line);
            }
            let heard = client.text();
            assert!(heard.ends_with(LOGGED_IN), "{login:?}: {heard}");
            send(&mut server, &client);
            assert_eq!(latest(&mut server).user.as_deref(), Some("ann"));
        }
    }
    assert_eq!(server.inbox().total(), 8);
}

#[test]
fn what_cannot_be_taken_without_a_password_is_not_offered() {
    let mut server = MemoryServer::catch(&[]);
    let client = extended(&mut server);
    for mechanism in ["SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "CRAM-MD5", "XOAUTH2"] {
        server.send(&client, format!("AUTH {mechanism}\r\n").as_bytes());
        assert!(client.text().starts_with("504 5.5.4"), "{mechanism}");
    }
    server.send(&client, b"AUTH PLAIN no-base64\r\n");
    assert!(client.text().starts_with("501 "));
    // Who has logged in may send as anybody.
    server.send(&client, PLAIN);
    client.text();
    assert!(send(&mut server, &client).contains("250 2.0.0 Ok: queued as"));
}

#[test]
fn a_message_is_kept_with_its_envelope_and_as_it_was_sent() {
    let mut server = MemoryServer::catch(&[]);
    let client = server.connect_from("192.0.2.7:4025", b"");
    server.send(&client, b"EHLO client.example\r\n");
    let said = send(&mut server, &client);
    let message = latest(&mut server);
    assert!(said.ends_with(&format!("250 2.0.0 Ok: queued as {}\r\n", message.id)));
    assert_eq!((message.number, &*message.hello), (1, "client.example"));
    assert_eq!(
        (&*message.peer, message.user.as_deref()),
        ("192.0.2.7", None)
    );
    assert_eq!(message.from, "ann@example.org");
    // The second is named in no header field.
    assert_eq!(message.to, ["bob@example.com", "hidden@example.net"]);
    let text = str::from_utf8(&message.text).unwrap();
    let trace = "Return-Path: <ann@example.org>\r\nReceived: from client.example ([192.0.2.7])\r\n";
    assert!(text.starts_with(trace), "{text}");
    let sent = "\r\nSubject: hello\r\nTo: bob@example.com\r\n\r\n.dot\r\n";
    assert!(text.ends_with(sent), "{text}");
    // A report has no sender.
    server.send(&client, b"MAIL FROM:<>\r\nRCPT TO:<postmaster>\r\nDATA\r\n");
    server.send(&client, MESSAGE);
    assert_eq!(latest(&mut server).from, "");
}

#[test]
fn a_message_has_a_transcript_without_its_text_and_without_secrets() {
    let mut server = MemoryServer::catch(&[]);
    let client = extended(&mut server);
    server.send(&client, b"AUTH LOGIN\r\n");
    server.send(&client, b"YW5u\r\n");
    server.send(&client, b"c2VjcmV0\r\n");
    server.send(&client, b"NOOP \x1b[2J\xff\r\n");
    send(&mut server, &client);
    server.send(&client, b"QUIT\r\n");
    let message = latest(&mut server);
    let transcript = message.transcript.as_ref().unwrap().text();
    let offered: Vec<_> = transcript
        .lines()
        .filter(|line| line.starts_with("S: 250-"))
        .collect();
    assert!(offered.contains(&"S: 250-AUTH PLAIN LOGIN"), "{transcript}");
    let lines = transcript
        .lines()
        .filter(|line| !line.starts_with("S: 250-"));
    assert_eq!(
        lines.collect::<Vec<_>>(),
        [
            "S: 220 mail.example.org ESMTP mailoop",
            "C: EHLO client.example",
            "S: 250 HELP",
            "C: AUTH LOGIN",
            "S: 334 xxxxxxxxxxxx",
            "C: xxxx",
            "S: 334 xxxxxxxxxxxx",
            "C: xxxxxxxx",
            "S: 235 2.7.0 Authentication successful",
            "C: NOOP \\x1B[2J\\xFF",
            "S: 250 2.0.0 Ok",
            // These came in one piece, and were answered in one.
            "C: MAIL FROM:<ann@example.org>",
            "C: RCPT TO:<bob@example.com>",
            "C: RCPT TO:<hidden@example.net>",
            "C: DATA",
            "S: 250 2.1.0 Ok",
            "S: 250 2.1.5 Ok",
            "S: 250 2.1.5 Ok",
            "S: 354 Enter message, ending with \".\" on a line by itself",
            "C: [49 octets of text]",
            &format!("S: 250 2.0.0 Ok: queued as {}", message.id),
            "C: QUIT",
            "S: 221 2.0.0 Bye",
        ]
    );
    assert_eq!(server.inbox().session_transcript(1), Some(transcript));
}

#[test]
fn sessions_that_stored_nothing_are_known_by_what_refused_them() {
    let mut server = MemoryServer::catch(&["--domain", "example.com", "--max-message-size", "10"]);
    let refused = server.refuse_one();
    assert!(refused.text().starts_with("421 "));
    let relay = greeted(&mut server);
    let dialogue = b"HELO c\r\nMAIL FROM:<>\r\nRCPT TO:<a@example.org>\r\nQUIT\r\n";
    server.send(&relay, dialogue);
    let large = greeted(&mut server);
    server.send(
        &large,
        b"EHLO d\r\nMAIL FROM:<>\r\nRCPT TO:<a@example.com>\r\nDATA\r\n",
    );
    server.send(&large, MESSAGE);
    let early = server.connect_and_say(b"EHLO early\r\n");
    assert!(early.text().starts_with("554 "));
    for client in [&relay, &large, &early] {
        server.close(client);
    }
    let goes_on = greeted(&mut server);
    server.send(&goes_on, b"HELO e\r\n");

    let sessions = server.inbox().sessions();
    let told = sessions.iter().map(|session| {
        let refusal: String = session.last_refusal().chars().take(9).collect();
        (
            session.connection,
            session.hello(),
            session.ended(),
            refusal,
        )
    });
    let hello = |name: &str| name.to_owned();
    assert_eq!(
        told.collect::<Vec<_>>(),
        [
            (5, hello("e"), None, String::new()),
            (4, hello(""), Some("error"), hello("554 Error")),
            (3, hello("d"), Some("peer"), hello("552 5.3.4")),
            (2, hello("c"), Some("quit"), hello("550 Relay")),
            (1, hello(""), Some("limit"), hello("421 Too m")),
        ]
    );
    assert!(sessions.iter().all(|session| session.messages() == 0));
    let transcript = server.inbox().session_transcript(3).unwrap();
    let end = "C: [49 octets of text]\nS: 552 5.3.4 ";
    assert!(transcript.contains(end), "{transcript}");
}

#[test]
fn only_what_the_other_store_has_is_in_the_inbox() {
    let mut server = MemoryServer::catch(&[]);
    let client = extended(&mut server);
    server.shelf().fail = Some(Call::Commit);
    assert!(send(&mut server, &client).contains("\r\n451 4.3.0"));
    assert!(server.inbox().is_empty());
    server.shelf().put_off = true;
    server.send(&client, ENVELOPE);
    server.send(&client, MESSAGE);
    assert!(server.inbox().is_empty(), "it is not known to be stored");
    server.release_commits();
    assert_eq!(server.inbox().len(), 1);
}

#[test]
fn of_a_message_that_some_recipients_have_these_are_told() {
    let mut server = MemoryServer::catch(&["--listen-lmtp", "127.0.0.1:0"]);
    server.shelf().blocked = vec!["bob@example.com".to_owned()];
    let client = server.connect();
    server.send(&client, b"LHLO c\r\n");
    let said = send(&mut server, &client);
    let replies: Vec<_> = said.lines().rev().take(2).collect();
    assert!(replies[1].starts_with("451 4.3.0"), "{said}");
    assert!(replies[0].starts_with("250 2.0.0"), "{said}");
    assert_eq!(latest(&mut server).to, ["hidden@example.net"]);
}

#[test]
fn what_arrives_at_once_is_bounded() {
    let mut server = MemoryServer::catch(&[]);
    let [first, second] = [(); 2].map(|()| extended(&mut server));
    let line = [&[b'x'; 998][..], b"\r\n"].concat();
    let half = line.repeat(ARRIVING_BYTES_MAX / 2 / line.len() + 1);
    for client in [&first, &second] {
        server.send(client, ENVELOPE);
        client.text();
    }
    server.send(&first, &half);
    server.send(&second, &half);
    server.send(&second, b"\r\n.\r\n");
    assert!(second.text().starts_with("452 4.3.1"));
    server.send(&first, b".\r\n");
    assert!(first.text().starts_with("250 2.0.0"));
    // There is room again, also after one that was never sent to its end.
    server.send(&second, ENVELOPE);
    server.send(&second, &half);
    server.close(&second);
    server.send(&first, ENVELOPE);
    server.send(&first, &half);
    server.send(&first, b"\r\n.\r\n");
    assert!(first.text().contains("250 2.0.0 Ok: queued"));
    assert_eq!(server.inbox().len(), 2);
}
