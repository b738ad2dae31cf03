//! curl, which speaks SMTP too.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::TestServer;
use crate::common::program::{installed, program, run};
use crate::message::{Client, GERMAN, RECIPIENT, SENDER, assert_utf8_mail, sends_every_message};

const CURL: Client = Client {
    programs: &["curl"],
    send,
};

sends_every_message!(CURL);

#[test]
fn composes_a_message_with_an_attachment() {
    GERMAN.arrives(CURL.programs, |server, message, attachment| {
        let text = server.folder().join("text");
        fs::write(&text, message.text).unwrap();
        let text = format!(
            "=<{};type=text/plain;charset=utf-8;encoder=quoted-printable",
            text.display()
        );
        let attachment = format!("=@{};encoder=base64", attachment.display());
        run(curl(server, &[RECIPIENT])
            // What belongs into header fields is up to curl's user, encoding included.
            .args([
                "--header",
                "Subject: =?utf-8?Q?Sch=C3=B6ne_Gr=C3=BC=C3=9Fe_aus_K=C3=B6ln?=",
            ])
            .args(["--form", &text, "--form", &attachment]));
    });
}

#[cfg_attr(not(feature = "smtputf8"), ignore = "SMTPUTF8 is left out")]
#[test]
fn sends_from_and_to_addresses_in_utf_8() {
    if !installed(CURL.programs) {
        return;
    }
    let mut server = TestServer::start(&["--domain", "bücher.example"]);
    let file = server.folder().join("message");
    fs::write(&file, "Subject: Grüße\r\n\r\ntext\r\n").unwrap();
    let mut command = bare(&server);
    command
        .arg(format!("smtp://{}/client.example.org", server.address()))
        .args(["--mail-from", "ädä@example.org"])
        .args(["--mail-rcpt", "用户@bücher.example"])
        .arg("--upload-file")
        .arg(file);
    run(&mut command);
    // It makes A-labels by itself.
    assert_utf8_mail(
        &server,
        "%E7%94%A8%E6%88%B7@xn--bcher-kva.example",
        "ädä@example.org",
        "用户@xn--bcher-kva.example",
    );
    server.stop();
}

#[cfg(feature = "tls")]
mod over_tls {
    use super::{bare, with_crlf};
    use crate::message::{RECIPIENT, SENDER};
    use crate::secured::{
        Client, PASSWORD, USER, Way, distrusts_another_server, logs_in_by, sends_over_tls,
    };

    const CURL: Client = Client {
        programs: &["curl"],
        command: |errand| {
            let scheme = match errand.way {
                Way::ByStartTls => "smtp",
                Way::FromTheStart => "smtps",
            };
            let (name, port) = (errand.name, errand.server.port());
            let mut curl = bare(errand.server);
            curl.arg("--ssl-reqd")
                .arg("--cacert")
                .arg(&errand.authority)
                .args(["--resolve", &format!("{name}:{port}:127.0.0.1")])
                .arg(format!("{scheme}://{name}:{port}/client.example.org"))
                .args(["--mail-from", SENDER, "--mail-rcpt", RECIPIENT])
                .arg("--upload-file")
                .arg(with_crlf(errand.server, &errand.message));
            if let Some(login) = &errand.login {
                curl.args(["--user", &format!("{USER}:{}", login.password)])
                    .args(["--login-options", &format!("AUTH={}", login.mechanism)]);
            }
            curl
        },
        password: PASSWORD,
    };

    sends_over_tls!(CURL);
    distrusts_another_server!(CURL);
    logs_in_by!(CURL, logs_in_by_plain: "PLAIN", logs_in_by_login: "LOGIN");
}

fn send(server: &TestServer, message: &Path, recipients: &[&str]) -> String {
    let file = with_crlf(server, message);
    run(curl(server, recipients).arg("--upload-file").arg(file))
}

/// A copy of a message. curl sends what it is given, so the line ends must be those of SMTP.
fn with_crlf(server: &TestServer, message: &Path) -> PathBuf {
    let text = fs::read_to_string(message).unwrap();
    let file = server.folder().join("message");
    fs::write(&file, text.replace('\n', "\r\n")).unwrap();
    file
}

fn curl(server: &TestServer, recipients: &[&str]) -> Command {
    let mut command = bare(server);
    command
        .arg(format!("smtp://{}/client.example.org", server.address()))
        .args(["--mail-from", SENDER])
        .args(recipients.iter().flat_map(|to| ["--mail-rcpt", to]));
    command
}

/// curl without anybody's settings.
fn bare(server: &TestServer) -> Command {
    let mut command = program("curl", server);
    command.args(["--disable", "--silent", "--show-error", "--noproxy", "*"]);
    command
}
