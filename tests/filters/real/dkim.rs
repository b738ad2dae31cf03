//! OpenDKIM signs what users submit; the next server has it verified by another one, and dkimpy verifies it as well.

use std::fs;
use std::path::Path;

use super::ways::{FROM_ANYBODY, FROM_USERS, Letter, send, server};
use super::{RealFilter, documented, opendkim};
use crate::common::program::{foreign, installed, run, run_with_file};
use crate::common::{TestServer, wait_until};

/// The texts of messages: the usual one; without the fields that submission puts in; with all that transport could change.
const TEXTS: [&str; 3] = [
    "From: Ada <ada@example.org>\r\nTo: bob@next.example\r\nSubject: hello\r\nDate: Mon, 30 Nov 2026 12:00:00 +0000\r\n\
     Message-ID: <1@example.org>\r\n\r\nA note.\r\n",
    "From: Ada <ada@example.org>\r\nSubject: no date\r\n\r\nA note.\r\n",
    "From: Ada <ada@example.org>\r\nSubject:  folded,\r\n\ta tab  \r\n and more\r\nX-Empty:\r\n\r\n\
     .a dot\r\n..two\r\n\r\n trailing  \t\r\ncaf\u{e9}\r\n\r\n\r\n",
];

/// A key of example.org in a folder of its own, with the record that tells of it.
pub(super) struct SigningKey {
    folder: tempfile::TempDir,
    pub(super) record: String,
}

impl SigningKey {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        run(foreign("openssl").args(["genrsa", "-out", &path("key"), "2048"]));
        run(foreign("openssl").args(["rsa", "-in", &path("key"), "-pubout", "-out", &path("pub")]));
        let public = fs::read_to_string(path("pub")).unwrap();
        let public: String = public
            .lines()
            .filter(|line| !line.starts_with('-'))
            .collect();
        let record = format!("mail._domainkey.example.org v=DKIM1; k=rsa; p={public}");
        Self { folder, record }
    }

    /// A filter that signs mail of example.org, of users who have logged in.
    pub(super) fn signer(&self) -> RealFilter {
        let key = self.folder.path().join("key");
        let key = key.display().to_string();
        // The test has its own files, and is not root everywhere.
        let replacements = [
            ("/etc/opendkim/mail.private", &*key),
            ("UserID            opendkim\n", ""),
        ];
        let settings = documented("/etc/opendkim.conf", &replacements) + "RequireSafeKeys no";
        opendkim(&settings, &self.record)
    }

    /// What dkimpy says of a message.
    fn verdict_of_dkimpy(&self, message: &Path) -> String {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/filters/real/verify.py");
        // That of Debian, which has its packages.
        let mut python = foreign("/usr/bin/python3");
        python.args(["-B", "-E", "-s"]).arg(script);
        run_with_file(python.arg(&self.record), message)
    }
}

/// A filter that verifies what was signed.
pub(super) fn verifier(key: &SigningKey) -> RealFilter {
    opendkim(
        "Mode v\nSocket local:/run/opendkim/opendkim.sock",
        &key.record,
    )
}

fn can_run() -> bool {
    installed(&["opendkim", "openssl", "dkimverify"])
}

/// The message in a mailbox, once it is there.
fn arrived(server: &TestServer, mailbox: &str) -> String {
    wait_until("the message to arrive", || {
        !server.new_mail(mailbox).is_empty()
    });
    let file = server.new_mail(mailbox).pop().unwrap();
    fs::read_to_string(file).unwrap()
}

#[test]
fn what_users_submit_is_signed_and_is_verified_by_the_next_server() {
    if !can_run() {
        return;
    }
    let key = SigningKey::new();
    let (signer, verifier) = (key.signer(), verifier(&key));
    let next = TestServer::start(&[
        "--listen",
        "127.0.0.1:0",
        "--hostname",
        "mx.next.example",
        "--domain",
        "next.example",
        "--milter",
        &verifier.address(),
    ]);
    let route = format!("*=smtp://{}", next.address());
    let ours = server(&["--milter-submission", &signer.address(), "--route", &route]);
    let mut number = 0;
    for way in FROM_USERS {
        for text in TEXTS {
            number += 1;
            let mailbox = format!("bob{number}@next.example");
            let letter = Letter {
                from: "ada@example.org",
                to: &mailbox,
                text,
            };
            let said = send(&ours, way, &letter);
            assert!(said.starts_with("250 "), "{way:?}: {said}\n{}", ours.log());
            let stored = arrived(&next, &mailbox);
            let about = format!("{way:?}\n{stored}");
            assert!(
                stored.contains("\nDKIM-Signature: v=1; a=rsa-sha256;"),
                "{about}"
            );
            assert!(stored.contains("dkim=pass (2048-bit key"), "{about}");
            let file = next.new_mail(&mailbox).pop().unwrap();
            assert_eq!(key.verdict_of_dkimpy(&file), "verified\n", "{about}");
            // What is missing in a submitted message is put in before it is signed.
            let signed = stored.split("\th=").nth(1).unwrap();
            assert!(
                signed.split("\tb=").next().unwrap().contains("Date"),
                "{about}"
            );
        }
    }
    // One octet more, and nobody takes it for signed.
    let file = next.new_mail("bob1@next.example").pop().unwrap();
    let changed = fs::read_to_string(&file).unwrap() + "!";
    fs::write(&file, changed).unwrap();
    assert_eq!(key.verdict_of_dkimpy(&file), "refused\n");
}

#[test]
fn what_strangers_send_is_not_signed() {
    if !can_run() {
        return;
    }
    let key = SigningKey::new();
    let signer = key.signer();
    // By itself the filter signs what a login has brought and nothing else, wherever it is asked.
    for option in ["--milter", "--milter-submission"] {
        let server = server(&[option, &signer.address()]);
        for (number, way) in FROM_ANYBODY.into_iter().enumerate() {
            let to = format!("bob{number}@example.org");
            let letter = Letter {
                from: "ada@example.org",
                to: &to,
                text: TEXTS[0],
            };
            let said = send(&server, way, &letter);
            assert!(said.starts_with("250 "), "{way:?}: {said}");
            let stored = arrived(&server, &to);
            assert!(!stored.contains("DKIM-Signature"), "{way:?}\n{stored}");
        }
    }
}
