//! nodemailer, what most of JavaScript sends mail with.

use std::fs;
use std::path::Path;

use crate::common::TestServer;
use crate::common::program::{installed, node, run};
use crate::message::{
    Client, GERMAN, RECIPIENT, SENDER, UTF8, arrives_whole, assert_same_text, assert_utf8_mail,
    file, sends_every_message,
};

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

#[cfg_attr(not(feature = "smtputf8"), ignore = "SMTPUTF8 is left out")]
#[test]
fn sends_to_an_address_in_utf_8() {
    if !installed(NODEMAILER.programs) {
        return;
    }
    let mut server = TestServer::start(&["--domain", "bücher.example"]);
    let dialogue = send(&server, &file(UTF8), &["用户@bücher.example"]);
    assert!(dialogue.contains("SMTPUTF8"), "{dialogue}");
    let mailbox = "%E7%94%A8%E6%88%B7@xn--bcher-kva.example";
    assert_utf8_mail(&server, mailbox, SENDER, "用户@bücher.example");
    assert_same_text(&server.message(mailbox), &fs::read(file(UTF8)).unwrap());
    server.stop();
}

#[cfg(feature = "tls")]
mod over_tls {
    use crate::common::program::node;
    use crate::message::RECIPIENT;
    use crate::secured::{
        Client, PASSWORD, USER, Way, distrusts_another_server, logs_in_by, sends_over_tls,
    };

    const NODEMAILER: Client = Client {
        programs: super::NODEMAILER.programs,
        command: |errand| {
            let way = match errand.way {
                Way::ByStartTls => "starttls",
                Way::FromTheStart => "tls",
            };
            let mut node = node("nodemailer_secured.js");
            node.args([way, errand.server.port(), errand.name])
                .args([&errand.authority, &errand.message])
                .arg(RECIPIENT);
            if let Some(login) = &errand.login {
                node.args([login.mechanism, USER, login.password]);
            }
            node
        },
        password: PASSWORD,
    };

    sends_over_tls!(NODEMAILER);
    distrusts_another_server!(NODEMAILER);
    logs_in_by!(NODEMAILER, logs_in_by_plain: "PLAIN", logs_in_by_login: "LOGIN");
}

fn send(server: &TestServer, message: &Path, recipients: &[&str]) -> String {
    run(node("nodemailer_send.js")
        .arg(server.port())
        .arg(message)
        .args(recipients))
}
