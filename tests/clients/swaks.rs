//! swaks, the Swiss army knife for SMTP.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::common::TestServer;
use crate::message::{Client, PLAIN, RECIPIENT, SENDER, sends_every_message};
use crate::program::{program, run};

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

fn send(server: &TestServer, message: &Path, recipients: &[&str]) -> String {
    // swaks takes a dot at the end for the end of the message, which it else adds behind one more line end.
    let mut text = fs::read(message).unwrap();
    text.push(b'.');
    let file = server.folder().join("message");
    fs::write(&file, text).unwrap();
    run(swaks(server, recipients).arg("--data").arg(at(&file)))
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
