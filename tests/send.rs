//! `mailoop send` against the real server.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::io::Write;
use std::process::{Command, Output, Stdio};

use common::TestServer;
use common::dialogue::matches;

fn send(server: &TestServer, arguments: &[&str], message: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_mailoop"))
        .args(["send", "--server", server.address()])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(message.as_bytes())
        .unwrap();
    child.wait_with_output().unwrap()
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

const TEXTBOOK: &str = "\
S: 220 mx.example.org ESMTP mailoop
C: HELO example.com
S: 250 Hello example.com, pleased to meet you.
C: MAIL FROM:<sender@fci-cu.edu.eg.com>
S: 250 Ok
C: RCPT TO:<recipient@fci-cu.edu.eg.com>
S: 250 Ok
C: DATA
S: 354 Enter message, ending with \"end of email\" on a line by itself
C: Subject: This is the subject of the email
C:
C: This is the body of the email
C: end of email
S: 250 Ok: queued as <id>
C: QUIT
S: 221 Bye
";

#[test]
fn it_plays_the_textbook_session() {
    let server = TestServer::start(&["--end-of-data", "end of email"]);
    let message = "Subject: This is the subject of the email\n\nThis is the body of the email\n";
    let output = send(
        &server,
        &[
            "-v",
            "--helo",
            "example.com",
            "--end-of-data",
            "end of email",
            "--from",
            "sender@fci-cu.edu.eg.com",
            "--to",
            "recipient@fci-cu.edu.eg.com",
        ],
        message,
    );
    let dialogue = stdout(&output);
    assert!(matches(TEXTBOOK, &dialogue), "{dialogue}");
    assert_eq!(
        server.message("recipient@fci-cu.edu.eg.com"),
        message.as_bytes()
    );
}

#[test]
fn it_plays_the_session_that_the_readme_shows() {
    let server = TestServer::start(&["--hostname", "mail.example.org"]);
    let readme = include_str!("../README.md");
    let shown = |start: &str, end: &str| {
        let from = readme.find(start).unwrap();
        readme[from..from + readme[from..].find(end).unwrap()].to_owned()
    };
    let arguments = [
        "-v",
        "--helo",
        "example.com",
        "--end-of-data",
        ".",
        "--from",
        "sender@example.com",
    ];
    let output = send(
        &server,
        &[&arguments[..], &["--to", "recipient@example.org"]].concat(),
        "Subject: hello\n\nbody\n",
    );
    let dialogue = shown("S: 220", "$ cat").replace("6B0453FA0001", "<id>");
    assert!(matches(&dialogue, stdout(&output)), "{}", stdout(&output));
    let new = std::fs::read_to_string(&server.new_mail("recipient@example.org")[0]).unwrap();
    let file = shown("Return-Path: ", "```");
    let varies = |line: &&str| !line.contains(" id ") && !line.contains(" +0000");
    assert_eq!(
        new.lines().filter(varies).collect::<Vec<_>>(),
        file.lines().filter(varies).collect::<Vec<_>>()
    );
}

#[test]
fn it_says_nothing_unless_asked_and_adds_what_is_missing() {
    let server = TestServer::start(&[]);
    let arguments = [
        "--from",
        "a@example.com",
        "--to",
        "b@example.org",
        "--to",
        "c@example.org",
    ];
    assert_eq!(
        stdout(&send(
            &server,
            &arguments,
            "Subject: x\r\n\n.\n..\nGr\u{fc}\u{df}e"
        )),
        ""
    );
    let message = String::from_utf8(server.message("b@example.org")).unwrap();
    let (header, body) = message.split_once("\n\n").unwrap();
    assert_eq!(body, ".\n..\nGr\u{fc}\u{df}e\n");
    for field in [
        "Subject: x",
        "Date: ",
        "Message-ID: <",
        "From: a@example.com",
        "To: b@example.org,",
    ] {
        assert!(
            header.lines().any(|line| line.starts_with(field)),
            "{field} is not in\n{header}"
        );
    }
    assert_eq!(server.message("c@example.org"), message.as_bytes());
}

#[test]
fn it_ends_with_what_the_server_said() {
    let server = TestServer::start(&[
        "--domain",
        "example.org",
        "--max-recipients",
        "1",
        "--max-message-size",
        "1k",
    ]);
    let from = ["--from", "a@example.com", "--to", "b@example.org"];
    let ended = |arguments: &[&str], message: &str, code: i32, word: &str| {
        let output = send(&server, arguments, message);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(
            said.lines().count() == 1 && said.starts_with("mailoop: ") && said.contains(word),
            "{said}"
        );
    };
    ended(
        &["--from", "a@example.com", "--to", "b@elsewhere.example"],
        "x",
        65,
        "Relay not permitted",
    );
    ended(
        &[&from[..], &["--to", "c@example.org"]].concat(),
        "x",
        75,
        "too many recipients",
    );
    ended(&from, &"x".repeat(2000), 65, "octets");
    ended(
        &[&from[..], &["--end-of-data", "bye"]].concat(),
        "one\nbye\ntwo\n",
        65,
        "bye",
    );
    ended(
        &[&from[..], &["/no/such/file"]].concat(),
        "",
        74,
        "/no/such/file",
    );
    let output = Command::new(env!("CARGO_BIN_EXE_mailoop"))
        .args([
            "send",
            "--server",
            "127.0.0.1:1",
            "--from",
            "a@b",
            "--to",
            "c@d",
        ])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(69));
}
