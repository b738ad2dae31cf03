//! pyspf-milter says whether the client may send for the domain of the sender.

use std::fs;
use std::path::Path;

use super::ways::{FROM_ANYBODY, Letter, send, server};
use super::{RealFilter, documented};
use crate::common::program::{foreign, installed};

/// Records, and whether the client of these tests, 127.0.0.1, may send for the domain.
const RECORDS: [&str; 2] = [
    "allowed.example=v=spf1 ip4:127.0.0.1 -all",
    "forbidden.example=v=spf1 ip4:192.0.2.1 -all",
];

pub(super) fn pyspf_milter() -> RealFilter {
    RealFilter::start(|folder| {
        let path = |name: &str| folder.join(name).display().to_string();
        // Loopback and internal hosts are not looked at by default, and here nobody is anything else.
        let socket = path("socket");
        let replacements = [
            ("/run/pyspf-milter/pyspf-milter.sock", &*socket),
            ("UserID            = pyspf-milter", "UserID = root"),
        ];
        let settings = format!(
            "{}skip_addresses = 192.0.2.77/32\nInternalHosts = 192.0.2.77\nPidFile = {}\n",
            documented("/etc/pyspf-milter/pyspf-milter.conf", &replacements),
            path("pid")
        );
        fs::write(path("settings"), settings).unwrap();
        let script =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/filters/real/spf_records.py");
        // That of Debian, which has its packages.
        let mut python = foreign("/usr/bin/python3");
        python.args(["-B", "-E", "-s"]).arg(script);
        python.arg(path("settings")).args(RECORDS);
        python
    })
}

#[test]
fn senders_are_refused_or_told_of() {
    if !installed(&["pyspf-milter"]) {
        return;
    }
    let filter = pyspf_milter();
    let server = server(&["--milter", &filter.address()]);
    for (number, way) in FROM_ANYBODY.into_iter().enumerate() {
        for (domain, wanted) in [
            ("allowed.example", Ok("spf=pass ")),
            ("unknown.example", Ok("spf=none ")),
            (
                "forbidden.example",
                Err("550 5.7.23 Message rejected due to: SPF fail"),
            ),
        ] {
            let from = format!("a@{domain}");
            let to = format!("bob{number}-{domain}@example.org");
            let text = format!("From: {from}\r\nSubject: hello\r\n\r\nA note.\r\n");
            let letter = Letter {
                from: &from,
                to: &to,
                text: &text,
            };
            let said = send(&server, way, &letter);
            match wanted {
                Ok(result) => {
                    assert!(said.starts_with("250 "), "{way:?}: {said}");
                    let stored = String::from_utf8(server.message(&to)).unwrap();
                    let told = stored.split("\nFrom:").next().unwrap();
                    assert!(
                        told.starts_with("Authentication-Results: mx.example.org; "),
                        "{way:?}\n{stored}"
                    );
                    assert!(told.contains(result), "{way:?}\n{stored}");
                }
                Err(reply) => {
                    assert!(said.starts_with(reply), "{way:?}: {said}");
                    assert!(server.new_mail(&to).is_empty(), "{way:?}");
                }
            }
        }
    }
}
