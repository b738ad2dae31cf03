//! rspamd, as Debian configures it, without anything that asks the network.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::ways::{FROM_ANYBODY, FROM_USERS, Letter, send, server};
use super::{RealFilter, documented};
use crate::common::program::{foreign, installed};

/// The pattern that every spam filter takes for spam (GTUBE).
const GTUBE: &str = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X";
/// What would ask name servers or other hosts.
const NETWORK_MODULES: [&str; 15] = [
    "arc",
    "asn",
    "dkim",
    "dmarc",
    "fuzzy_check",
    "greylist",
    "history_redis",
    "mx_check",
    "neural",
    "phishing",
    "ratelimit",
    "rbl",
    "replies",
    "spf",
    "surbl",
];

fn rspamd() -> RealFilter {
    RealFilter::start(command)
}

fn command(folder: &Path) -> Command {
    let here = folder.display();
    let local = folder.join("local.d");
    fs::create_dir(&local).unwrap();
    let set = |name: &str, text: &str| fs::write(local.join(name), text).unwrap();
    set(
        "worker-proxy.inc",
        &format!(
            "bind_socket = \"{here}/socket mode=0600\";
{}",
            documented("/etc/rspamd/local.d/worker-proxy.inc", &[])
        ),
    );
    // By itself it tells neither of mail from this machine nor of what users send.
    set(
        "milter_headers.conf",
        &(documented("/etc/rspamd/local.d/milter_headers.conf", &[])
            + "skip_local = false;\nskip_authenticated = false;\n"),
    );
    // No name server is asked, and the long list of domains is not read, which takes most of the start.
    set(
        "options.inc",
        &format!(
            "filters = \"\";\ndisable_hyperscan = true;\nurl_tld = \"{here}/domains\";\n\
             dns {{ nameserver = [\"127.0.0.1:1\"]; timeout = 0.1s; retransmits = 1; }}\n"
        ),
    );
    fs::write(folder.join("domains"), "org\nexample\n").unwrap();
    for worker in ["worker-normal.inc", "worker-controller.inc"] {
        set(worker, "enabled = false;\ncount = 0;\n");
    }
    for module in NETWORK_MODULES {
        set(&format!("{module}.conf"), "enabled = false;\n");
    }
    let mut rspamd = foreign("rspamd");
    rspamd.args(["-f", "-i", "-c", "/etc/rspamd/rspamd.conf"]);
    for name in ["LOCAL_CONFDIR", "DBDIR", "RUNDIR", "LOGDIR"] {
        rspamd.arg("--var").arg(format!("{name}={here}"));
    }
    rspamd
}

#[test]
fn it_refuses_spam_and_marks_the_rest() {
    if !installed(&["rspamd"]) {
        return;
    }
    let rspamd = rspamd();
    let server = server(&["--milter", &rspamd.address()]);
    for (number, way) in FROM_ANYBODY.into_iter().chain(FROM_USERS).enumerate() {
        let to = format!("bob{number}@example.org");
        let letter = |body: &str| {
            format!(
                "From: Ada <ada@example.org>\r\nTo: {to}\r\nSubject: hello\r\nDate: Mon, 30 Nov 2026 12:00:00 +0000\r\n\
                 Message-ID: <1@example.org>\r\n\r\nA note.\r\n{body}\r\n"
            )
        };
        let said = |body: &str| {
            let text = letter(body);
            let letter = Letter {
                from: "ada@example.org",
                to: &to,
                text: &text,
            };
            send(&server, way, &letter)
        };
        assert_eq!(said(GTUBE), "554 5.7.1 Gtube pattern", "{way:?}");
        assert!(server.new_mail(&to).is_empty(), "{way:?}");
        let reply = said("good");
        assert!(reply.starts_with("250 "), "{way:?}: {reply}");
        let stored = String::from_utf8(server.message(&to)).unwrap();
        assert!(
            stored.contains("\nX-Spamd-Result: default: False ["),
            "{way:?}\n{stored}"
        );
        let body = letter("good").replace('\r', "");
        assert!(
            stored.ends_with(body.split_once("\n\n").unwrap().1),
            "{way:?}\n{stored}"
        );
    }
}
