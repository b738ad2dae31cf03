//! ClamAV, with one virus of our own.

use std::fs;
use std::os::unix::net::UnixStream;
use std::process::Stdio;

use super::ways::{FROM_ANYBODY, FROM_USERS, Letter, send, server};
use super::{RealFilter, documented};
use crate::common::program::{Running, foreign, installed};
use crate::common::wait_until;

const VIRUS: &str = "nothing is as harmless as this text";

/// A running clamd that knows this virus and no other.
fn clamd() -> (tempfile::TempDir, Running) {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    fs::create_dir(path("known")).unwrap();
    let hex: String = VIRUS.bytes().map(|octet| format!("{octet:02x}")).collect();
    fs::write(path("known/ours.ndb"), format!("Ours:0:*:{hex}\n")).unwrap();
    let settings = format!(
        "Foreground yes\nLocalSocket {}\nDatabaseDirectory {}\nTemporaryDirectory {}\n",
        path("socket"),
        path("known"),
        folder.path().display()
    );
    fs::write(path("settings"), settings).unwrap();
    let mut clamd = foreign("clamd");
    clamd.args(["-c", &path("settings")]);
    clamd.stdin(Stdio::null()).stdout(Stdio::null());
    let running = Running(clamd.stderr(Stdio::null()).spawn().unwrap());
    wait_until("clamd", || UnixStream::connect(path("socket")).is_ok());
    (folder, running)
}

#[test]
fn a_virus_is_refused() {
    if !installed(&["clamd", "clamav-milter"]) {
        return;
    }
    let (clamd, _running) = clamd();
    let filter = RealFilter::start(|folder| {
        let path = |name: &str| folder.join(name).display().to_string();
        let (socket, scanner) = (path("socket"), clamd.path().join("socket"));
        let replacements = [
            ("/run/clamav/clamav-milter.sock", &*socket),
            ("/run/clamav/clamd.ctl", scanner.to_str().unwrap()),
        ];
        let settings = documented("/etc/clamav/clamav-milter.conf", &replacements);
        fs::write(path("settings"), settings + "Foreground yes\n").unwrap();
        let mut milter = foreign("clamav-milter");
        milter.args(["-c", &path("settings")]);
        milter
    });
    let server = server(&["--milter", &filter.address()]);
    for (number, way) in FROM_ANYBODY.into_iter().chain(FROM_USERS).enumerate() {
        let to = format!("bob{number}@example.org");
        let said = |body: &str| {
            let text = format!("From: ada@example.org\r\nSubject: hello\r\n\r\n{body}\r\n");
            let letter = Letter {
                from: "ada@example.org",
                to: &to,
                text: &text,
            };
            send(&server, way, &letter)
        };
        assert_eq!(said(VIRUS), "550 5.7.1 Command rejected", "{way:?}");
        assert!(server.new_mail(&to).is_empty(), "{way:?}");
        let reply = said("good");
        assert!(reply.starts_with("250 "), "{way:?}: {reply}");
        assert_eq!(server.new_mail(&to).len(), 1, "{way:?}");
    }
}
