//! The test inbox with filters: what they refuse is no message there, and the session in which it came tells all of it.

use std::net::TcpStream;

use crate::common::TestServer;
use crate::common::client::Client;
use crate::common::filter::{
    ACCEPT, Act, CUSTOM, DISCARD, FilterScript, QUARANTINE, ScriptedFilter, texts,
};
use crate::common::json::Json;
use crate::hear;

const HELD: &str = "451 4.7.1 Service unavailable - try again later";

/// Says these lines, each of which but the text is answered, up to one that is refused. Returns the last reply.
fn talk(client: &mut Client<TcpStream>) -> String {
    client.hello();
    let mut reply = String::new();
    for line in [
        "MAIL FROM:<ann@example.org>",
        "RCPT TO:<bob@example.com>",
        "DATA",
        "Subject: odd\r\n\r\nbody\r\n.",
    ] {
        client.say(&format!("{line}\r\n"));
        reply = hear(client);
        if !reply.starts_with(['2', '3']) {
            break;
        }
    }
    client.ask("QUIT", "221");
    reply
}

/// The transcript of the only session that stored nothing.
fn transcript(server: &TestServer) -> String {
    let sessions = Json::parse(&server.get("/api/v1/sessions"));
    let sessions = sessions.get("sessions").unwrap_or(&sessions).list();
    assert_eq!(sessions.len(), 1, "{sessions:?}");
    let conn = sessions[0].number("conn").unwrap();
    server.get(&format!("/api/v1/session/{conn}/transcript"))
}

#[test]
fn what_a_filter_refuses_is_no_message_and_its_session_tells_what_came() {
    let spam = "550 5.7.1 spam, says the filter";
    let refusing = |step: u8| (step, Act::Reply(vec![(CUSTOM, texts(&[spam]))]));
    let quarantine = vec![(QUARANTINE, texts(&["odd"])), (ACCEPT, Vec::new())];
    for (act, said, refused) in [
        (refusing(b'M'), spam, "C: MAIL FROM:<ann@example.org>"),
        (refusing(b'R'), spam, "C: RCPT TO:<bob@example.com>"),
        (refusing(b'T'), spam, "C: DATA"),
        (refusing(b'E'), spam, "S: 354 "),
        // There is no spool.
        ((b'E', Act::Reply(quarantine)), HELD, "S: 354 "),
    ] {
        let filter = ScriptedFilter::acting(act.0, act.1);
        let server =
            TestServer::start_catch(&["--listen", "127.0.0.1:0", "--milter", &filter.address]);
        let mut client = Client::connect(&server.address_for("smtp"));
        assert_eq!(talk(&mut client), said);
        let messages = Json::parse(&server.get("/api/v1/messages"));
        assert_eq!(messages.number("total"), Some("0"));
        let transcript = transcript(&server);
        let lines: Vec<&str> = transcript.lines().collect();
        let at = lines.iter().position(|line| *line == format!("S: {said}"));
        let at = at.unwrap_or_else(|| panic!("no {said}: {transcript}"));
        assert!(
            lines[..at].iter().any(|line| line.starts_with(refused)),
            "{transcript}"
        );
        assert!(lines[..at].contains(&"C: MAIL FROM:<ann@example.org>"));
        assert!(transcript.contains("\nC: QUIT\n"), "{transcript}");
    }
}

#[test]
fn what_a_filter_accepts_or_drops_in_silence() {
    for (act, count) in [(ACCEPT, "1"), (DISCARD, "0")] {
        let filter = ScriptedFilter::start(FilterScript {
            acts: vec![(b'E', Act::Reply(vec![(act, Vec::new())]))],
            ..FilterScript::default()
        });
        let server =
            TestServer::start_catch(&["--listen", "127.0.0.1:0", "--milter", &filter.address]);
        let mut client = Client::connect(&server.address_for("smtp"));
        assert!(talk(&mut client).starts_with("250 "));
        let messages = Json::parse(&server.get("/api/v1/messages"));
        assert_eq!(messages.number("total"), Some(count));
    }
}
