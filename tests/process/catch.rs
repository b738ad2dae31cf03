//! `mailoop catch` from outside: what it takes, what it refuses, and clients that know nothing of it.

use std::fs;
use std::process::Command;

use crate::common::client::Client;
use crate::common::program::{foreign, installed, run};
use crate::common::{TestServer, wait_until, without_trace};
use crate::send::send_as;

const MESSAGE: &str = "Subject: hello\n\nbody\n";
const ENVELOPE: [&str; 4] = ["--from", "ann@example.org", "--to", "bob@example.com"];

/// The message that came last, as it was sent.
fn latest(server: &TestServer) -> String {
    let raw = server.get("/api/v1/message/latest/raw");
    let text = raw.replace("\r\n", "\n");
    String::from_utf8(without_trace(text.as_bytes()).to_vec()).unwrap()
}

#[test]
fn a_message_is_there_once_it_is_acknowledged() {
    let mut server = TestServer::start_catch(&[]);
    let lines: Vec<_> = server.stdout().lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].starts_with("listening smtp 127.0.0.1:"));
    assert!(lines[1].starts_with("listening http 127.0.0.1:"));
    assert_eq!(server.family().len(), 1, "nothing waits for a disk");

    let sent = send_as("", server.address(), &ENVELOPE, MESSAGE);
    assert!(sent.status.success(), "{sent:?}");
    let raw = server.get("/api/v1/message/latest/raw");
    assert!(
        raw.starts_with("Return-Path: <ann@example.org>\r\nReceived: from "),
        "{raw}"
    );
    assert!(raw.ends_with("\r\n\r\nbody\r\n"), "{raw}");
    let transcript = server.get("/api/v1/message/latest/transcript");
    assert!(
        transcript.contains("\nC: RCPT TO:<bob@example.com>"),
        "{transcript}"
    );
    assert!(!transcript.contains("body"), "{transcript}");
    assert!(
        crate::common::files(server.folder()).len() <= 2,
        "no mail is on the disk"
    );
    server.stop();
}

#[test]
fn any_login_is_taken_of_our_own_client() {
    let server = TestServer::start_catch(&[
        "--listen",
        "127.0.0.1:0",
        "--listen-submission",
        "127.0.0.1:0",
    ]);
    for service in ["smtp", "submission"] {
        let address = server.address_for(service);
        let arguments = [&ENVELOPE[..], &["--auth", "whoever"]].concat();
        let sent = send_as("whatever", &address, &arguments, MESSAGE);
        assert!(sent.status.success(), "{service}: {sent:?}");
    }
    assert_eq!(server.log().matches(" user=whoever ok").count(), 2);
    assert!(!server.log().contains("warning="), "{}", server.log());
}

/// Runs swaks with these options.
fn swaks(server: &TestServer, options: &[&str]) {
    let mut swaks = foreign("swaks");
    swaks
        .args(["--server", server.address()])
        .args([
            "--from",
            "ann@example.org",
            "--to",
            "bob@example.com,hidden@example.net",
        ])
        .args(["--header", "To: bob@example.com", "--body", "a body"])
        .args(options);
    run(&mut swaks);
}

#[test]
fn swaks_logs_in_as_it_likes() {
    if !installed(&["swaks", "Net::SSLeay"]) {
        return;
    }
    let server = TestServer::start_catch(&[]);
    let login = ["--auth-user", "ann", "--auth-password", "s3cret"];
    for mechanism in ["PLAIN", "LOGIN"] {
        for tls in [&[][..], &["--tls"]] {
            let options = [&["--auth", mechanism], &login[..], tls].concat();
            swaks(&server, &options);
            assert!(latest(&server).contains("\n\na body\n"));
            let list = server.get("/api/v1/messages");
            assert!(list.contains("hidden@example.net"), "Bcc: {list}");
            let transcript = server.get("/api/v1/message/latest/transcript");
            assert!(
                transcript.contains(&format!("C: AUTH {mechanism}")),
                "{transcript}"
            );
            assert!(transcript.contains("S: 235 2.7.0"), "{transcript}");
            let in_tls = transcript.contains("C: STARTTLS\nS: 220 2.0.0 ");
            assert_eq!(in_tls, !tls.is_empty(), "{transcript}");
        }
    }
    let everything = server.log() + &server.get("/api/v1/message/latest/transcript");
    for secret in ["s3cret", "czNjcmV0"] {
        assert!(!everything.contains(secret), "{everything}");
    }
}

#[test]
fn nothing_is_ever_sent_on() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mailoop.toml");
    fs::write(&file, "spool = \"here\"\n").unwrap();
    let catch = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mailoop"));
        let output = command
            .current_dir(&folder)
            .env_clear()
            .args([&["catch", "--check"], arguments].concat())
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(
            said.contains("never sends mail on"),
            "{arguments:?}: {said}"
        );
        assert_eq!(said.lines().count(), 1, "{said}");
        output.status.code()
    };
    for option in mailoop::config::options::all() {
        let is_refused = option.heading == "Where mail is sent on";
        let is_of_serve = option.only.is_some() && !option.delivers;
        assert_eq!(is_of_serve, is_refused, "{}", option.name);
        if is_refused {
            let flag = format!("--{}", option.name);
            assert_eq!(catch(&[&flag, "*=smtp://mx.example.org"]), Some(64));
        }
    }
    assert_eq!(catch(&["--config", file.to_str().unwrap()]), Some(78));
}

#[test]
fn what_others_set_in_the_environment_is_only_warned_of() {
    // The folder of mail is there, or could be made: somebody without rights runs this as well.
    let folder = tempfile::tempdir().unwrap();
    let check = |command: &str, variable: (&str, &str)| {
        let mut program = Command::new(env!("CARGO_BIN_EXE_mailoop"));
        program.args([command, "--check"]).env_clear();
        program.current_dir(folder.path());
        let output = program.env(variable.0, variable.1).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let catch = check("catch", ("MAILOOP_ROUTE", "*=smtp://mx.example.org"));
    assert!(catch.contains("never sends mail on"), "{catch}");
    let serve = check("serve", ("MAILOOP_KEEP", "3"));
    assert!(serve.contains("only mailoop catch"), "{serve}");
    assert_eq!(check("catch", ("MAILOOP_KEEP", "3")), "");
}

#[test]
fn mail_is_in_the_maildir_as_well_if_that_is_wanted() {
    let server = TestServer::start_catch(&["--maildir", "mail"]);
    let sent = send_as("", server.address(), &ENVELOPE, MESSAGE);
    assert!(sent.status.success(), "{sent:?}");
    let stored = server.message("bob@example.com");
    assert_eq!(latest(&server).as_bytes(), stored);
}

#[test]
fn it_may_listen_anywhere_and_says_so_once() {
    let server = TestServer::start_catch(&["--listen", "0.0.0.0:0", "--http", "[::]:0"]);
    let sent = send_as("", server.address(), &ENVELOPE, MESSAGE);
    assert!(sent.status.success(), "{sent:?}");
    let log = server.log();
    assert_eq!(
        log.matches("reached from other machines").count(),
        1,
        "{log}"
    );
}

#[test]
fn only_the_last_messages_are_kept() {
    let server = TestServer::start_catch(&["--keep", "2", "--max-message-size", "1M"]);
    let mut client = Client::connect(server.address());
    client.hello();
    for number in 1..=3 {
        for (said, code) in [
            ("MAIL FROM:<ann@example.org>", "250"),
            ("RCPT TO:<bob@example.com>", "250"),
            ("DATA", "354"),
            (&*format!("Subject: number {number}\r\n\r\n."), "250"),
        ] {
            client.ask(said, code);
        }
    }
    let list = server.get("/api/v1/messages");
    assert!(
        list.contains("number 3") && list.contains("number 2"),
        "{list}"
    );
    assert!(!list.contains("number 1"), "{list}");
    drop(client);
    wait_until("its end", || server.log().contains(" closed="));
}

#[test]
fn without_options_it_is_what_the_help_says() {
    let mut program = Command::new(env!("CARGO_BIN_EXE_mailoop"));
    let output = program.args(["catch", "--check"]).env_clear().output();
    let shown = String::from_utf8(output.unwrap().stdout).unwrap();
    for line in [
        "listen = [\"127.0.0.1:1025\"]",
        "http = [\"127.0.0.1:8025\"]",
        "keep = 500",
        "keep-bytes = \"64M\"",
        "tls-self-signed = true",
        "auth-insecure = true",
        "auth-everywhere = true",
    ] {
        let line = format!("\n{line}  # default\n");
        assert!(shown.contains(&line), "{line} {shown}");
    }
    for name in ["maildir", "route", "retry", "spool"] {
        assert!(!shown.contains(&format!("\n{name} =")), "{name}: {shown}");
    }
}

#[cfg(feature = "record")]
#[test]
fn a_record_of_any_login_replays() {
    let mut server = TestServer::start_catch(&["--record", "record"]);
    let arguments = [&ENVELOPE[..], &["--auth", "whoever"]].concat();
    let sent = send_as("s3cret", server.address(), &arguments, MESSAGE);
    assert!(sent.status.success(), "{sent:?}");
    server.stop();
    let record = server.folder().join("record");
    let mut replay = Command::new(env!("CARGO_BIN_EXE_mailoop"));
    let output = replay.arg("replay").arg(&record).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.starts_with("same: "), "{output:?}");
}
