//! nodemailer, what most of JavaScript sends mail with.

use std::path::Path;

use crate::common::TestServer;
use crate::message::{Client, GERMAN, RECIPIENT, UTF8, arrives_whole, sends_every_message};
use crate::program::{node, run};

const NODEMAILER: Client = Client {
    programs: &["node", "nodemailer"],
    send,
};

sends_every_message!(NODEMAILER);

#[test]
fn declares_eight_bit_text() {
    if let Some(dialogue) = arrives_whole(&NODEMAILER, UTF8) {
        assert!(dialogue.contains("BODY=8BITMIME"), "{dialogue}");
    }
}

#[test]
fn composes_a_message_with_an_attachment() {
    GERMAN.arrives(NODEMAILER.programs, |server, message, attachment| {
        run(node("nodemailer_compose.js")
            .args([server.port(), RECIPIENT, message.subject, message.text])
            .arg(attachment));
    });
}

fn send(server: &TestServer, message: &Path, recipients: &[&str]) -> String {
    run(node("nodemailer_send.js")
        .arg(server.port())
        .arg(message)
        .args(recipients))
}
