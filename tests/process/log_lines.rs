//! What the log says of clients: refusals with who, to whom and why; logins; limits; messages that broke off. However often a
//! client repeats itself, its lines are bounded.

use std::fmt::Write;
use std::fs;

use crate::common::client::Client;
use crate::common::pauses::undisturbed;
use crate::common::{TestServer, wait_until};

/// What the log says of the connection `id` until its end, with its peer's address as `PEER`.
fn lines_of(server: &TestServer, id: u32) -> Vec<String> {
    let start = format!("conn={id} ");
    wait_until("the end of the connection", || {
        let log = server.log();
        log.lines()
            .any(|line| line.starts_with(&start) && line.contains(" closed="))
    });
    let log = server.log();
    let lines = log.lines().filter(|line| line.starts_with(&start));
    let hidden = |line: &str| {
        let words = line.split(' ').map(|word| match word.split_once('=') {
            Some(("peer", _)) => "peer=PEER".to_owned(),
            Some(("id", _)) => "id=ID".to_owned(),
            _ => word.to_owned(),
        });
        words.collect::<Vec<_>>().join(" ")
    };
    lines.map(hidden).collect()
}

fn client(server: &TestServer) -> Client<std::net::TcpStream> {
    let mut client = Client::connect(server.address());
    client.hello();
    client
}

fn quit(mut client: Client<std::net::TcpStream>) {
    client.say("QUIT\r\n");
    client.rest();
}

/// The last line, of the end, without its counts.
fn end(lines: &[String]) -> &str {
    lines.last().unwrap().split(" messages=").next().unwrap()
}

#[test]
fn a_refused_command_is_told_with_who_to_whom_and_why() {
    let server = TestServer::start(&["--domain", "example.org", "--max-message-size", "1000"]);
    let mut client = client(&server);
    client.ask("MAIL FROM:<a@example.com> SIZE=2000", "552");
    client.ask("MAIL FROM:<a@example.com>", "250");
    client.ask("rcpt to:<b@elsewhere.example>", "550");
    client.ask("RCPT TO:<b c@example.org>", "501");
    client.ask("MAIL FROM:<\"a \\\" b\"@example.com>", "503");
    client.ask("VRFY b", "252");
    client.ask("NONSENSE", "500");
    quit(client);
    let lines = lines_of(&server, 1);
    let expected = [
        r#"from=<a@example.com> rejected=552 why="Error: message exceeds the size limit""#,
        r#"from=<a@example.com> to=<b@elsewhere.example> rejected=550 why="Relay not permitted""#,
        r#"command="RCPT TO:<b c@example.org>" rejected=501 why="Error: syntax error in argument""#,
        r#"from="<\"a \\\" b\"@example.com>" rejected=503 why="Error: nested MAIL command""#,
    ];
    for (line, rest) in lines.iter().zip(expected) {
        assert_eq!(*line, format!("conn=1 peer=PEER {rest}"));
    }
    assert_eq!(lines.len(), expected.len() + 1, "{lines:?}");
    assert_eq!(end(&lines), "conn=1 peer=PEER closed=quit");
}

#[test]
fn a_refused_message_is_told_with_who_to_whom_and_why() {
    let server = TestServer::start(&["--max-message-size", "10"]);
    let mut client = client(&server);
    for _ in 0..2 {
        client.envelope("b@example.org");
        client.say("longer than ten octets\r\n.\r\n");
        client.expect("552");
    }
    quit(client);
    let lines = lines_of(&server, 1);
    let expected = "conn=1 peer=PEER id=ID from=<a@example.com> to=<b@example.org> size=24 \
                    rejected=552 why=\"Error: message exceeds the size limit\"";
    assert_eq!(lines[..2], [expected, expected]);
}

#[test]
fn from_the_eleventh_on_refusals_of_a_reason_are_only_counted() {
    let options = ["--domain", "example.org", "--max-errors", "1000"];
    let server = TestServer::start(&options);
    let mut client = client(&server);
    client.ask("MAIL FROM:<a@example.com>", "250");
    for _ in 0..25 {
        client.ask("RCPT TO:<b@elsewhere.example>", "550");
    }
    for _ in 0..10 {
        client.ask("MAIL FROM:<a@example.com>", "503");
    }
    quit(client);
    let lines = lines_of(&server, 1);
    let count = |what: &str| lines.iter().filter(|line| line.contains(what)).count();
    assert_eq!((count("rejected=550"), count("rejected=503")), (10, 10));
    let untold: Vec<_> = lines
        .iter()
        .filter(|line| line.contains("refused="))
        .collect();
    let expected = r#"conn=1 peer=PEER refused=15 why="Relay not permitted""#;
    assert_eq!(untold, [expected]);
    assert_eq!(lines.len(), 22, "{lines:?}");
}

#[test]
fn a_full_store_has_no_line_for_each_attempt() {
    let server = TestServer::start(&["--min-free", "1000000G"]);
    let mut client = client(&server);
    for _ in 0..50 {
        client.ask("MAIL FROM:<a@example.com>", "452");
    }
    quit(client);
    let lines = lines_of(&server, 1);
    let count = |what: &str| lines.iter().filter(|line| line.contains(what)).count();
    assert_eq!(count(" from=<a@example.com> rejected=452 why="), 10);
    assert_eq!(count(" failed=\"only "), 10);
    assert_eq!(count(" refused=40 why="), 1);
    assert_eq!(lines.len(), 22, "{lines:?}");
}

#[test]
fn a_limit_that_ends_a_connection_is_named() {
    let options = [
        "--max-errors",
        "2",
        "--max-messages-per-session",
        "1",
        "--max-connections",
        "2",
    ];
    let server = TestServer::start(&options);
    let mut erring = client(&server);
    erring.ask("NONSENSE", "500");
    erring.ask("NONSENSE", "500");
    erring.rest();
    assert_eq!(
        end(&lines_of(&server, 1)),
        "conn=1 peer=PEER closed=limit limit=max-errors"
    );

    let mut busy = client(&server);
    busy.ask("MAIL FROM:<a@example.com>", "250");
    busy.ask("RSET", "250");
    busy.ask("MAIL FROM:<b@example.com>", "421");
    busy.rest();
    let lines = lines_of(&server, 2);
    let limit = "closed=limit limit=max-messages-per-session";
    assert_eq!(end(&lines), format!("conn=2 peer=PEER {limit}"));
    assert!(
        lines[0].contains(" from=<b@example.com> rejected=421 why="),
        "{lines:?}"
    );

    let others = [client(&server), client(&server)];
    Client::connect(server.address()).expect("421");
    let limit = "closed=limit limit=max-connections";
    assert_eq!(
        end(&lines_of(&server, 5)),
        format!("conn=5 peer=PEER {limit}")
    );
    drop(others);

    let server = TestServer::start(&["--max-recipients", "1"]);
    let mut refused = client(&server);
    refused.ask("MAIL FROM:<a@example.com>", "250");
    refused.ask("RCPT TO:<b@example.org>", "250");
    for _ in 0..1000 {
        refused.ask("RCPT TO:<b@example.org>", "452");
    }
    refused.expect("421");
    refused.rest();
    assert_eq!(
        end(&lines_of(&server, 1)),
        "conn=1 peer=PEER closed=limit limit=refusals"
    );

    let server = TestServer::start(&["--max-connections-per-ip", "1"]);
    let other = client(&server);
    Client::connect(server.address()).expect("421");
    let limit = "closed=limit limit=max-connections-per-ip";
    assert_eq!(
        end(&lines_of(&server, 2)),
        format!("conn=2 peer=PEER {limit}")
    );
    drop(other);
}

#[test]
fn a_message_that_breaks_off_is_told() {
    undisturbed(messages_that_break_off_are_told);
}

/// One of them after a second, in which all the others have to say what they have to say.
fn messages_that_break_off_are_told() {
    let server = TestServer::start(&["--idle-timeout", "1"]);
    let mut cut = client(&server);
    cut.envelope("b@example.org");
    cut.say("Subject: cut\r\n");
    drop(cut);
    let mut slow = client(&server);
    slow.envelope("b@example.org");
    let mut chunks = client(&server);
    chunks.ask("MAIL FROM:<a@example.com>", "250");
    chunks.ask("RCPT TO:<b@example.org>", "250");
    chunks.say("BDAT 3\r\nabcBDAT what\r\n");
    chunks.expect("250");
    chunks.expect("501");
    chunks.rest();
    slow.expect("421");
    slow.rest();
    for (id, size, why) in [(1, 14, "peer"), (2, 0, "timeout"), (3, 3, "error")] {
        let lines = lines_of(&server, id);
        let expected = format!("conn={id} from=<a@example.com> size={size} aborted={why}");
        assert_eq!(lines[0], expected);
        assert_eq!(end(&lines), format!("conn={id} peer=PEER closed={why}"));
    }
}

#[test]
fn where_an_alias_led_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("mailoop.toml");
    let tables = "listen = ['127.0.0.1:0']\n[aliases]\nsales = ['bob', 'ann@example.net']\n";
    fs::write(&config, tables).unwrap();
    let server = TestServer::start(&["--config", config.to_str().unwrap()]);
    let mut client = client(&server);
    client.ask("MAIL FROM:<a@example.com>", "250");
    for to in [
        "sales@example.org",
        "Carl@example.org",
        "dora+tag@example.org",
    ] {
        client.ask(&format!("RCPT TO:<{to}>"), "250");
    }
    client.ask("DATA", "354");
    client.say("text\r\n.\r\n");
    client.expect("250");
    quit(client);
    let expected = "conn=1 id=ID from=<a@example.com> \
                    to=<sales@example.org>,<Carl@example.org>,<dora+tag@example.org> \
                    mailbox=<bob@example.org>,<ann@example.net>,<dora@example.org> size=6 stored";
    assert_eq!(lines_of(&server, 1)[0], expected);
}

#[test]
fn an_alias_to_many_does_not_make_a_line_of_any_length() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("mailoop.toml");
    let mut tables = "listen = ['127.0.0.1:0']\n[aliases]\n".to_owned();
    for list in 0..3 {
        let members = (0..60).map(|member| format!("'m{list}.{member}'"));
        let members = members.collect::<Vec<_>>().join(", ");
        writeln!(tables, "list{list} = [{members}]").unwrap();
    }
    fs::write(&config, tables).unwrap();
    let server = TestServer::start(&["--discard", "--config", config.to_str().unwrap()]);
    let mut client = client(&server);
    client.ask("MAIL FROM:<a@example.com>", "250");
    for list in 0..3 {
        client.ask(&format!("RCPT TO:<list{list}@example.org>"), "250");
    }
    client.ask("DATA", "354");
    client.say("text\r\n.\r\n");
    client.expect("250");
    quit(client);
    let lines = lines_of(&server, 1);
    assert!(
        lines[0].contains(",<m1.39@example.org>,+80 size=6 stored"),
        "{lines:?}"
    );
}

#[test]
fn a_client_by_ipv4_is_one_whatever_its_proxy_says() {
    let server = TestServer::start(&["--proxy-from", "127.0.0.0/8"]);
    let mut client = Client::connect(server.address());
    client.say("PROXY TCP6 ::ffff:192.0.2.1 ::ffff:192.0.2.2 1234 25\r\n");
    client.hello();
    quit(client);
    lines_of(&server, 1);
    let log = server.log();
    assert!(
        log.contains("conn=1 peer=192.0.2.1:1234 closed=quit"),
        "{log}"
    );
}

#[test]
fn a_proxy_that_is_not_named_is_hinted_at_once() {
    let server = TestServer::start(&[]);
    // Version 2, LOCAL, for a proxy that asks whether all is well.
    let version_2 = "\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";
    let version_1 = "PROXY TCP4 192.0.2.1 192.0.2.2 1234 25\r\n";
    for header in [version_1, version_2, version_1] {
        let mut client = Client::connect(server.address());
        client.say(&format!("{header}QUIT\r\n"));
        client.rest();
    }
    lines_of(&server, 3);
    let mut client = Client::connect(server.address());
    client.expect("220");
    client.ask("PROXY UNKNOWN", "500");
    quit(client);
    lines_of(&server, 4);
    let log = server.log();
    let hints = log.lines().filter(|line| line.contains("--proxy-from"));
    let hints: Vec<_> = hints.collect();
    let [hint] = &hints[..] else {
        panic!("{log}");
    };
    assert!(hint.contains("conn=1 peer=127.0.0.1:"), "{hint}");
}

#[cfg(feature = "auth")]
#[test]
fn a_login_is_told_with_its_client_and_guesses_are_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let users = folder.path().join("users");
    fs::write(&users, crate::common::users_file(&[("ada", "secret")])).unwrap();
    let options = [
        "--listen-submission",
        "127.0.0.1:0",
        "--users",
        users.to_str().unwrap(),
        "--auth-insecure",
        "--max-errors",
        "1000",
    ];
    let server = TestServer::start(&options);
    let mut client = client(&server);
    // As ada with the password "wrong", then with the right one.
    for _ in 0..12 {
        client.ask("AUTH PLAIN AGFkYQB3cm9uZw==", "535");
    }
    client.ask("AUTH PLAIN AGFkYQBzZWNyZXQ=", "235");
    quit(client);
    let lines = lines_of(&server, 1);
    for line in &lines[..10] {
        assert_eq!(line, "conn=1 peer=PEER auth=PLAIN user=ada failed");
    }
    assert_eq!(lines[10], "conn=1 peer=PEER auth=PLAIN user=ada ok");
    let untold = r#"conn=1 peer=PEER refused=2 why="Error: authentication failed""#;
    assert_eq!(lines[11], untold);
    assert_eq!(lines.len(), 13, "{lines:?}");
}
