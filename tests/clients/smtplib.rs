//! smtplib, Python's own.

use std::path::Path;

use crate::common::TestServer;
use crate::message::{Client, GERMAN, RECIPIENT, UTF8, arrives_whole, sends_every_message};
use crate::program::{python, run};

const SMTPLIB: Client = Client {
    programs: &["python3"],
    send,
};

sends_every_message!(SMTPLIB);

#[test]
fn declares_eight_bit_text() {
    if let Some(dialogue) = arrives_whole(&SMTPLIB, UTF8) {
        assert!(dialogue.contains("BODY=8BITMIME"), "{dialogue}");
    }
}

#[test]
fn composes_a_message_with_an_attachment() {
    GERMAN.arrives(SMTPLIB.programs, |server, message, attachment| {
        run(python("smtplib_compose.py")
            .args([server.port(), RECIPIENT, message.subject, message.text])
            .arg(attachment));
    });
}

fn send(server: &TestServer, message: &Path, recipients: &[&str]) -> String {
    run(python("smtplib_send.py")
        .arg(server.port())
        .arg(message)
        .args(recipients))
}
