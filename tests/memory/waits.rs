//! Requests of HTTP that wait for mail: what they cost the loop, and when they are answered, in ticks and not in time.

use std::time::Duration;

use crate::common::json::Json;
use crate::common::memory::{Client, MemoryServer, greeted};

const MESSAGE: &[u8] = b"Subject: late\r\n\r\nHello\r\n.\r\n";

/// A client of mail that is about to send a message to bob@example.org.
fn sender(server: &mut MemoryServer) -> Client {
    let client = greeted(server);
    server.send(
        &client,
        b"HELO c\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n",
    );
    assert!(client.text().contains("354 "));
    client
}

fn is_answered(client: &Client) -> bool {
    let text = client.text();
    assert!(
        text.is_empty() || text.starts_with("HTTP/1.1 200 OK\r\n"),
        "{text}"
    );
    !text.is_empty()
}

#[test]
fn a_message_is_told_in_the_tick_in_which_it_is_committed() {
    let mut server = MemoryServer::catch(&[]);
    let waiting = [
        "/api/v1/search?query=subject:late&wait=60",
        "/api/v1/search?query=to:bob&wait=60",
        "/api/v1/message/latest?wait=60",
        "/api/v1/message/latest?query=hello&wait=60",
        "/view/latest.txt?wait=60",
        "/api/v1/changes?since=0&wait=60",
    ]
    .map(|target| server.ask_http(target));
    let other = server.ask_http("/api/v1/search?query=subject:other&wait=60");
    let second = server.ask_http("/api/v1/search?query=subject:late&wait=60&count=2");
    for count in 1..=2 {
        let sender = sender(&mut server);
        assert!(!is_answered(&waiting[0]) && !is_answered(&second));
        server.queue(&sender, MESSAGE);
        server.tick();
        assert!(sender.text().contains("250 Ok: queued as"));
        for client in &waiting {
            assert_eq!(is_answered(client), count == 1);
        }
        assert_eq!(is_answered(&second), count == 2);
        assert!(!is_answered(&other));
    }
    assert!(!server.has_work());
}

#[test]
fn time_that_is_up_is_no_failure() {
    let mut server = MemoryServer::catch(&[]);
    let search = server.ask_http("/api/v1/search?query=subject:late&wait=60");
    let latest = server.ask_http("/api/v1/message/latest?wait=60");
    server.advance(Duration::from_secs(59));
    assert_eq!((search.text(), latest.text()), Default::default());
    server.advance(Duration::from_secs(1));
    assert!(search.text().ends_with("\"tags\":[],\"messages\":[]}"));
    assert!(latest.text().starts_with("HTTP/1.1 404 Not Found\r\n"));
}

#[test]
fn what_was_said_is_told_of_messages_and_of_sessions_without_one() {
    let mut server = MemoryServer::catch(&[]);
    let client = sender(&mut server);
    server.send(&client, MESSAGE);
    let refused = greeted(&mut server);
    for line in ["HELO c\r\n", "RCPT TO:<bob@example.org>\r\n", "QUIT\r\n"] {
        server.send(&refused, line.as_bytes());
    }
    let ask = |server: &mut MemoryServer, target: &str| {
        let text = server.ask_http(target).text();
        let (_, body) = text.split_once("\r\n\r\n").unwrap();
        body.to_owned()
    };
    let transcript = ask(&mut server, "/api/v1/message/latest/transcript");
    assert!(transcript.contains("S: 250 Ok: queued as "), "{transcript}");
    let sessions = Json::parse(&ask(&mut server, "/api/v1/sessions"));
    let [session] = sessions.get("sessions").unwrap().list() else {
        panic!("{sessions:?}");
    };
    assert!(session.text("last").unwrap().starts_with("503 "));
    let connection = session.number("conn").unwrap();
    let transcript = ask(
        &mut server,
        &format!("/api/v1/session/{connection}/transcript"),
    );
    assert!(
        transcript.contains("C: RCPT TO:<bob@example.org>\nS: 503 "),
        "{transcript}"
    );
    assert!(transcript.contains("C: QUIT\nS: 221 Bye\n"), "{transcript}");
}
