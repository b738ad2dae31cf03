//! Clients that speak LMTP, over a socket file and over TCP.

use std::fs;
use std::path::Path;

use crate::common::TestServer;
use crate::common::program::{installed, program, python, run};
use crate::message::{DOTS, MULTIPART, RECIPIENT, SENDER, assert_same_text, file};

const BLOCKED: &str = "dan@example.net";

/// Sends a message by a socket file and by TCP, as `send` does to that place, to one recipient, and a second one to one
/// who cannot be delivered to and one who can.
fn delivers(programs: &[&str], send: impl Fn(&TestServer, &str, &Path, &[&str]) -> String) {
    if !installed(programs) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("lmtp").display().to_string();
    for address in [&format!("unix:{socket}"), "127.0.0.1:0"] {
        let mut server = TestServer::start(&["--listen-lmtp", address]);
        let blocked = server.mailbox(BLOCKED);
        fs::create_dir_all(blocked.parent().unwrap()).unwrap();
        fs::write(blocked, "no folder").unwrap();
        let place = server.address().strip_prefix("unix:");
        let place = place.unwrap_or(server.port()).to_owned();

        send(&server, &place, &file(DOTS), &[RECIPIENT]);
        let stored = server.message(RECIPIENT);
        assert_same_text(&stored, &fs::read(file(DOTS)).unwrap());
        fs::remove_file(&server.new_mail(RECIPIENT)[0]).unwrap();

        let said = send(&server, &place, &file(MULTIPART), &[BLOCKED, RECIPIENT]);
        let stored = server.message(RECIPIENT);
        assert_same_text(&stored, &fs::read(file(MULTIPART)).unwrap());
        assert!(said.contains("451"), "{said}");
        server.stop();
        assert!(server.log().contains(" stored=1 rejected=451\n"));
    }
}

#[test]
fn smtplib() {
    delivers(&["python3"], |_, place, message, recipients| {
        let mut script = python("lmtp_send.py");
        run(script.arg(place).arg(message).args(recipients))
    });
}

#[test]
fn swaks() {
    delivers(&["swaks"], |server, place, message, recipients| {
        let mut text = fs::read(message).unwrap();
        text.push(b'.');
        let data = server.folder().join("message");
        fs::write(&data, text).unwrap();
        let mut swaks = program("swaks", server);
        if place.starts_with('/') {
            swaks.args(["--socket", place]);
        } else {
            swaks.args(["--server", "127.0.0.1", "--port", place]);
        }
        swaks.args(["--protocol", "LMTP", "--helo", "client.example.org"]);
        swaks.args(["--from", SENDER, "--to", &recipients.join(",")]);
        run(swaks.arg("--data").arg(format!("@{}", data.display())))
    });
}
