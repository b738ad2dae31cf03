//! swaks, the Swiss army knife for SMTP.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::TestServer;
use crate::common::program::{installed, program, run};
use crate::message::{Client, DOTS, PLAIN, RECIPIENT, SENDER, arrives_whole, sends_every_message};

const SWAKS: Client = Client {
    programs: &["swaks"],
    send,
};

sends_every_message!(SWAKS);

#[test]
fn composes_a_message_with_an_attachment() {
    PLAIN.arrives(SWAKS.programs, |server, message, attachment| {
        let subject = format!("Subject: {}", message.subject);
        run(swaks(server, &[RECIPIENT])
            .args(["--header", &subject, "--body", message.text])
            .args(["--attach-type", "application/octet-stream"])
            .args(["--attach-name", "picture.bin"])
            .arg("--attach")
            .arg(at(attachment)));
    });
}

#[cfg(feature = "tls")]
mod over_tls {
    use super::{at, swaks, with_dot};
    use crate::message::RECIPIENT;
    use crate::secured::{Client, PASSWORD, USER, Way, logs_in_by, sends_over_tls};

    /// It does not compare names.
    const SWAKS: Client = Client {
        programs: &["swaks", "Net::SSLeay"],
        command: |errand| {
            let mut swaks = swaks(errand.server, &[RECIPIENT]);
            swaks.arg(match errand.way {
                Way::ByStartTls => "--tls",
                Way::FromTheStart => "--tls-on-connect",
            });
            swaks
                .args(["--tls-verify", "--tls-sni", errand.name])
                .arg("--tls-ca-path")
                .arg(&errand.authority)
                .arg("--data")
                .arg(at(&with_dot(errand.server, &errand.message)));
            if let Some(login) = &errand.login {
                swaks
                    .args(["--auth", login.mechanism, "--auth-user", USER])
                    .args(["--auth-password", login.password]);
            }
            swaks
        },
        password: PASSWORD,
    };

    sends_over_tls!(SWAKS);
    logs_in_by!(SWAKS, logs_in_by_plain: "PLAIN", logs_in_by_login: "LOGIN");
}

/// swaks says for which client it speaks: it looks for what EHLO offers, and awaits another greeting.
#[test]
fn speaks_for_another_client() {
    if !installed(SWAKS.programs) {
        return;
    }
    let mut server = TestServer::start(&["--xclient-from", "127.0.0.1"]);
    let dialogue = run(swaks(&server, &[RECIPIENT])
        .args(["--xclient-name", "client.example.com"])
        .args(["--xclient-addr", "192.0.2.1"])
        .args(["--xclient-port", "2525"])
        .args(["--xclient-proto", "ESMTP"])
        .args(["--xclient-helo", "hidden.example.com"])
        .args(["--xclient-login", "ada lovelace"]));
    assert!(dialogue.contains(" LOGIN=ada+20lovelace"), "{dialogue}");
    let stored = fs::read_to_string(&server.new_mail(RECIPIENT)[0]).unwrap();
    let trace = "from client.example.org (client.example.com [192.0.2.1])\n\tby mx.example.org with ESMTPA id";
    assert!(stored.contains(trace), "{stored}");
    server.stop();
    assert!(server.log().contains("peer=192.0.2.1:2525 closed=quit"));
}

/// Without EHLO's word for it swaks does not try.
#[test]
fn is_not_offered_to_speak_for_another_client() {
    if !installed(SWAKS.programs) {
        return;
    }
    let server = TestServer::start(&["--xclient-from", "192.0.2.1"]);
    let dialogue = run(swaks(&server, &[RECIPIENT]).args([
        "--xclient-addr",
        "192.0.2.1",
        "--xclient-optional",
    ]));
    assert!(!dialogue.contains("XCLIENT ADDR"), "{dialogue}");
    assert_eq!(server.new_mail(RECIPIENT).len(), 1);
}

#[test]
fn pipelines() {
    arrives_whole(
        &Client {
            send: |server, message, recipients| {
                let dialogue = run(swaks(server, recipients)
                    .arg("--pipeline")
                    .arg("--data")
                    .arg(at(&with_dot(server, message))));
                // The replies to MAIL, RCPT and DATA come in a row.
                assert!(
                    dialogue.contains("250 2.1.0 Ok\n<-  250 2.1.5 Ok\n<-  354 "),
                    "{dialogue}"
                );
                dialogue
            },
            ..SWAKS
        },
        DOTS,
    );
}

fn send(server: &TestServer, message: &Path, recipients: &[&str]) -> String {
    let message = at(&with_dot(server, message));
    run(swaks(server, recipients).arg("--data").arg(message))
}

/// A copy of a message with a dot at the end. swaks takes that for the end of the message, which it else adds behind
/// one more line end.
fn with_dot(server: &TestServer, message: &Path) -> PathBuf {
    let mut text = fs::read(message).unwrap();
    text.push(b'.');
    let file = server.folder().join("message");
    fs::write(&file, text).unwrap();
    file
}

fn swaks(server: &TestServer, recipients: &[&str]) -> Command {
    let mut command = program("swaks", server);
    command
        .args(["--server", server.address(), "--from", SENDER])
        .args(["--to", &recipients.join(",")])
        .args(["--helo", "client.example.org"]);
    command
}

/// How swaks is told to read a file.
fn at(file: &Path) -> String {
    format!("@{}", file.display())
}
