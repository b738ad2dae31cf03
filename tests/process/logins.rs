//! Logins over real sockets: what is told of them, and who may log in after a reload.

use std::fs;
use std::path::Path;

use crate::common::client::Client;
use crate::common::logins::{RIGHT, UsersFile, WRONG};
use crate::common::{TestServer, files, users_file, wait_until};
use rustix::process::Signal;

/// What the server has of a user's name that may be looked for in all it has written.
fn everything(server: &TestServer) -> String {
    let mut text = server.log() + &server.stdout();
    for file in files(&server.mailbox("b@example.org").join("new")) {
        text += &fs::read_to_string(file).unwrap();
    }
    text
}

#[test]
fn a_login_is_logged_and_no_password_is() {
    let users = UsersFile::new();
    let path = users.path();
    let options = [
        "--users",
        &path,
        "--auth-insecure",
        "--auth-everywhere",
        "--log-level",
        "trace",
    ];
    let server = TestServer::start(&options);
    let mut client = Client::connect(server.address());
    client.hello();
    client.ask(WRONG.trim_end(), "535 5.7.8");
    // \0e"v\ne\0pencil
    client.ask("AUTH PLAIN AGUidgplAHBlbmNpbA==", "535 5.7.8");
    client.ask(RIGHT.trim_end(), "235 2.7.0");
    for (command, code) in [
        ("MAIL FROM:<ada@example.com>", "250"),
        ("RCPT TO:<b@example.org>", "250"),
        ("DATA", "354"),
        (".", "250"),
        ("QUIT", "221"),
    ] {
        client.ask(command, code);
    }
    client.rest();
    wait_until("the end of the log", || {
        server.log().contains("closed=quit")
    });
    let log = server.log();
    for line in [
        " auth=PLAIN user=ada failed",
        r#" auth=PLAIN user="e\"v\ne" failed"#,
        " auth=PLAIN user=ada ok",
    ] {
        assert!(
            log.lines().any(
                |logged| logged.starts_with("conn=1 peer=127.0.0.1:") && logged.ends_with(line)
            ),
            "{line}: {log}"
        );
    }
    let [message] = &server.new_mail("b@example.org")[..] else {
        panic!("{log}");
    };
    let message = fs::read_to_string(message).unwrap();
    assert!(
        message.contains("\n\tby mx.example.org with ESMTPA id "),
        "{message}"
    );
    let everything = everything(&server);
    let keys = fs::read_to_string(Path::new(&path)).unwrap();
    let keys = keys
        .split(['\n', ' ', ':', '$'])
        .filter(|key| key.len() > 20);
    let base64 = ["AGFkYQBwZW5jaWw=", "AGFkYQBQZW5jaWw="];
    for secret in ["pencil", "Pencil"].into_iter().chain(base64).chain(keys) {
        assert!(!everything.contains(secret), "{secret}: {everything}");
    }
}

#[test]
fn users_come_and_go_with_a_reload() {
    let users = UsersFile::new();
    let path = users.path();
    let server = TestServer::start(&["--users", &path, "--auth-insecure", "--auth-everywhere"]);
    let log_in = |code: &str| {
        let mut client = Client::connect(server.address());
        client.hello();
        client.ask(RIGHT.trim_end(), code);
    };
    log_in("235");
    for (text, answer, code) in [
        (
            users_file(&[("ada", "another")]),
            "configuration reloaded",
            "535",
        ),
        (
            "nonsense".to_owned(),
            "the old configuration stays: ",
            "535",
        ),
        (
            users_file(&[("ada", "pencil")]),
            "configuration reloaded",
            "235",
        ),
    ] {
        let before = server.log().matches(answer).count();
        users.write(&text);
        server.signal(Signal::HUP);
        wait_until(answer, || server.log().matches(answer).count() > before);
        log_in(code);
    }
}
