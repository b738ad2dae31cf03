//! smtplib, Python's own.

use std::path::Path;

use crate::common::TestServer;
use crate::common::program::{installed, python, run};
use crate::message::{
    Client, GERMAN, RECIPIENT, UTF8, arrives_whole, assert_utf8_mail, sends_every_message,
};

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

#[cfg_attr(not(feature = "smtputf8"), ignore = "SMTPUTF8 is left out")]
#[test]
fn sends_from_and_to_addresses_in_utf_8() {
    if !installed(SMTPLIB.programs) {
        return;
    }
    let mut server = TestServer::start(&["--domain", "bücher.example"]);
    let printed = run(python("smtplib_utf8.py").args([
        server.port(),
        "ädä@例え.jp",
        "Grüße@BÜCHER.example",
        GERMAN.subject,
        GERMAN.text,
    ]));
    assert!(printed.contains(" SMTPUTF8 "), "{printed}");
    // Its letters, and no others, are in lower case; the domain is an A-label.
    assert_utf8_mail(
        &server,
        "gr%C3%BC%C3%9Fe@xn--bcher-kva.example",
        "ädä@例え.jp",
        "Grüße@BÜCHER.example",
    );
    let message = String::from_utf8(server.message("gr%C3%BC%C3%9Fe@xn--bcher-kva.example"));
    assert!(
        message
            .unwrap()
            .contains("\nSubject: Schöne Grüße aus Köln\n")
    );
    server.stop();
    assert!(
        server
            .log()
            .contains(" from=<ädä@例え.jp> to=<Grüße@BÜCHER.example> "),
        "{}",
        server.log()
    );
}

#[cfg(feature = "tls")]
mod over_tls {
    use crate::common::program::python;
    use crate::message::RECIPIENT;
    use crate::secured::{Client, USER, Way, distrusts_another_server, logs_in_by, sends_over_tls};

    const SMTPLIB: Client = Client {
        programs: super::SMTPLIB.programs,
        command: |errand| {
            let way = match errand.way {
                Way::ByStartTls => "starttls",
                Way::FromTheStart => "tls",
            };
            let mut python = python("smtplib_secured.py");
            python
                .args([way, errand.server.port(), errand.name])
                .args([&errand.authority, &errand.message])
                .arg(RECIPIENT);
            if let Some(login) = &errand.login {
                python.args([login.mechanism, USER, login.password]);
            }
            python
        },
        password: "pencil",
    };

    sends_over_tls!(SMTPLIB);
    distrusts_another_server!(SMTPLIB);
    logs_in_by!(SMTPLIB, logs_in_by_plain: "PLAIN", logs_in_by_login: "LOGIN");
}

fn send(server: &TestServer, message: &Path, recipients: &[&str]) -> String {
    run(python("smtplib_send.py")
        .arg(server.port())
        .arg(message)
        .args(recipients))
}
