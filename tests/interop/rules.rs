//! Faults by rule, each seen on the wire by swaks; the rules come by REST, as a test would set them.

use std::process::{Command, Stdio};

use crate::common::TestServer;
use crate::common::http::HttpClient;
use crate::common::json::Json;
use crate::common::program::{installed, program};

/// What swaks sees, and whether the message is in the inbox then.
struct Sight {
    options: &'static [&'static str],
    /// A part of what it prints.
    seen: &'static str,
    kept: bool,
}

const fn refused(options: &'static [&'static str], seen: &'static str) -> Sight {
    Sight {
        options,
        seen,
        kept: false,
    }
}

const fn kept(options: &'static [&'static str]) -> Sight {
    Sight {
        options,
        seen: "250 2.0.0 Ok: queued as ",
        kept: true,
    }
}

const fn dropped(options: &'static [&'static str]) -> Sight {
    Sight {
        kept: false,
        ..kept(options)
    }
}

const AUTH: &[&str] = &["--auth", "PLAIN", "-au", "ada", "-ap", "pencil"];
const GONE: &str = "Remote host closed connection unexpectedly";

/// Each rule with what swaks sees of it, one run after the other.
const RULES: &[(&str, &[Sight])] = &[
    ("connect = 421 busy", &[refused(&[], "<** 421 busy")]),
    (
        "connect = 554",
        &[refused(&[], "<** 554 No mail is taken here")],
    ),
    (
        "connect 127.0.0.* #1 = 421 4.3.2 once",
        &[refused(&[], "<** 421 once"), kept(&[])],
    ),
    (
        "connect 1/min by ip = 421",
        &[
            kept(&[]),
            refused(&[], "<** 421 Service not available, try again later"),
        ],
    ),
    ("connect 10.* = 421", &[kept(&[])]),
    ("connect = close", &[refused(&[], GONE)]),
    ("connect = delay 100ms", &[kept(&[])]),
    (
        "hello bad.example = 550 who are you",
        &[
            refused(&["--helo", "bad.example"], "<** 550 who are you"),
            kept(&["--helo", "good.example"]),
        ],
    ),
    (
        "hello #1 = 502",
        &[Sight {
            options: &[],
            seen: "<** 502 Command not implemented",
            kept: true,
        }],
    ),
    (
        "auth = 454",
        &[refused(
            AUTH,
            "<** 454 4.7.0 Temporary authentication failure",
        )],
    ),
    (
        "auth ADA #1 = 535 5.7.8 wrong",
        &[refused(AUTH, "<** 535 5.7.8 wrong"), kept(AUTH)],
    ),
    (
        "mail *@spam.example = 554 5.7.1 no",
        &[
            refused(&["--from", "eve@spam.example"], "<** 554 5.7.1 no"),
            kept(&[]),
        ],
    ),
    (
        "mail <> = 550",
        &[
            refused(&["--from", "<>"], "<** 550 5.7.1 Not accepted"),
            kept(&[]),
        ],
    ),
    (
        "mail #2+ = 421 4.3.2 enough",
        &[
            kept(&[]),
            refused(&[], "<** 421 4.3.2 enough"),
            refused(&[], "<** 421 4.3.2 enough"),
        ],
    ),
    (
        "mail 1/min by from = 450 4.7.1 slow down",
        &[kept(&[]), refused(&[], "<** 450 4.7.1 slow down")],
    ),
    (
        "rcpt *@busy.example = 450 4.2.1 busy",
        &[refused(&["--to", "bob@busy.example"], "<** 450 4.2.1 busy")],
    ),
    (
        "rcpt gone@* = 550",
        &[
            refused(
                &["--to", "gone@example.org"],
                "<** 550 5.1.1 No such user here",
            ),
            kept(&["--to", "gone@example.org,bob@example.org"]),
        ],
    ),
    (
        "rcpt * #1 by rcpt = 451 4.7.1 greylisted",
        &[
            refused(&[], "<** 451 4.7.1 greylisted"),
            kept(&[]),
            refused(&["--to", "ann@example.org"], "<** 451 4.7.1 greylisted"),
        ],
    ),
    (
        "rcpt full@* = 452 4.2.2 full",
        &[refused(&["--to", "full@example.org"], "<** 452 4.2.2 full")],
    ),
    (
        "rcpt = delay 100ms, 451 later",
        &[refused(&[], "<** 451 4.7.1 later")],
    ),
    ("rcpt = close", &[refused(&[], GONE)]),
    (
        "rcpt lost@* = drop",
        &[dropped(&["--to", "lost@example.org"])],
    ),
    (
        "data = 451 4.3.2 not now",
        &[refused(&[], "<** 451 4.3.2 not now")],
    ),
    (
        "data nobody@* = 554 5.7.1 no, close",
        &[refused(
            &["--to", "nobody@example.org"],
            "<** 554 5.7.1 no\n",
        )],
    ),
    (
        "end = 554 5.6.0 bad content",
        &[refused(&[], "<** 554 5.6.0 bad content")],
    ),
    (
        "end #1 = 452",
        &[
            refused(&[], "<** 452 4.3.1 Insufficient system storage"),
            kept(&[]),
        ],
    ),
    ("end = delay 100ms", &[kept(&[])]),
    ("end = close", &[refused(&[], GONE)]),
    (
        "end void@* = drop",
        &[dropped(&["--to", "void@example.org"])],
    ),
];

fn swaks(server: &TestServer, options: &[&str]) -> Command {
    let mut command = program("swaks", server);
    command.args(["--server", server.address(), "--helo", "client.example.org"]);
    for (option, value) in [("--from", "ada@example.com"), ("--to", "bob@example.org")] {
        if !options.contains(&option) {
            command.args([option, value]);
        }
    }
    command.args(options).stdin(Stdio::null());
    command
}

/// Asks by REST; the body of the response, whose status is this.
#[track_caller]
fn ask(server: &TestServer, request: &str, body: &str, status: u16) -> String {
    let mut client = HttpClient::connect(server);
    let length = body.len();
    client.say(format!(
        "{request} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{body}"
    ));
    let reply = client.reply();
    assert_eq!(reply.status, status, "{request} {body}: {}", reply.text());
    reply.text().to_owned()
}

fn caught(server: &TestServer) -> usize {
    let messages = ask(server, "GET /api/v1/messages", "", 200);
    let messages = Json::parse(&messages);
    messages.number("total").unwrap().parse().unwrap()
}

#[track_caller]
fn sees(server: &TestServer, rule: &str, sight: &Sight) {
    let before = caught(server);
    let output = swaks(server, sight.options).output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    let all = format!("{printed}{errors}");
    let Sight { seen, kept, .. } = sight;
    assert!(all.contains(seen), "{rule}: {seen} is not in\n{all}");
    let came = caught(server) - before;
    assert_eq!(came, usize::from(*kept), "{rule}: {all}");
}

#[test]
fn each_rule_is_seen_on_the_wire() {
    if !installed(&["swaks"]) {
        return;
    }
    assert!(RULES.len() >= 25);
    let mut server = TestServer::start_catch(&["--max-errors", "1"]);
    for (rule, sights) in RULES {
        ask(&server, "PUT /api/v1/rules", &format!("[\"{rule}\"]"), 200);
        for sight in *sights {
            sees(&server, rule, sight);
        }
        let hits = sights.iter().filter(|sight| {
            let is_usual = sight.kept && sight.seen.starts_with("250 ");
            !is_usual || rule.ends_with("delay 100ms")
        });
        let hits = hits
            .count()
            .max(usize::from(rule.starts_with("rcpt gone@")) * 2);
        let rules = Json::parse(&ask(&server, "GET /api/v1/rules", "", 200));
        let [listed] = rules.get("rules").unwrap().list() else {
            panic!("{rules:?}");
        };
        assert_eq!(listed.text("rule"), Some(*rule));
        let counted: usize = listed.number("hits").unwrap().parse().unwrap();
        // After a refused EHLO swaks tries HELO.
        let twice = usize::from(rule.starts_with("hello bad"));
        assert_eq!(counted, hits + twice, "{rule}");
    }
    ask(&server, "DELETE /api/v1/rules", "", 200);
    sees(&server, "none", &kept(&[]));
    server.stop();
    let log = server.log();
    assert!(
        log.contains("rejected=450 why=busy rule=\"rcpt *@busy.example = 450 4.2.1 busy\""),
        "{log}"
    );
    assert!(log.contains(" dropped rule=\"end void@* = drop\""), "{log}");
}

#[test]
fn a_recipient_carries_a_rule() {
    if !installed(&["swaks"]) {
        return;
    }
    let server = TestServer::start_catch(&[]);
    for sight in [
        refused(
            &["--to", "bounce+450@example.org"],
            "<** 450 4.2.0 Mailbox unavailable",
        ),
        refused(
            &["--to", "Bounce+550@example.org"],
            "<** 550 5.1.1 No such user here",
        ),
        kept(&["--to", "delay+100ms@example.org"]),
        dropped(&["--to", "drop@example.org"]),
        kept(&["--to", "drop@example.org,bob@example.org"]),
        kept(&["--to", "bounce@example.org"]),
    ] {
        sees(&server, "its own", &sight);
    }
    // Who lost the mail has no part in the envelope that is kept.
    let envelopes = ask(&server, "GET /api/v2/messages", "", 200);
    assert!(
        envelopes.contains("\"To\":[\"bob@example.org\"]"),
        "{envelopes}"
    );
}

#[test]
fn a_bad_list_changes_nothing() {
    let server = TestServer::start_catch(&["--rule", "mail = 450 4.3.2 by the command line"]);
    let listed = ask(&server, "GET /api/v1/rules", "", 200);
    assert_eq!(
        listed,
        "{\"rules\":[{\"rule\":\"mail = 450 4.3.2 by the command line\",\"hits\":0}]}"
    );
    let bad = r#"["mail = 451", "rcpt * = 250 ok"]"#;
    let why = ask(&server, "PUT /api/v1/rules", bad, 400);
    assert_eq!(
        why,
        "rule 2, column 10: 250 refuses nothing: a reply is 4yz or 5yz\n"
    );
    assert_eq!(ask(&server, "GET /api/v1/rules", "", 200), listed);
}
