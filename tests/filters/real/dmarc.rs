//! OpenDMARC, asked after those whose results it goes by, refuses what is forged.

use std::fs;

use super::dkim::{SigningKey, verifier};
use super::spf::pyspf_milter;
use super::ways::{FROM_ANYBODY, FROM_USERS, Letter, send, server};
use super::{RealFilter, documented};
use crate::common::program::{foreign, installed};

/// What domains ask others to do with what is not theirs.
const POLICIES: &str = "_dmarc.example.org v=DMARC1; p=reject\n\
    _dmarc.allowed.example v=DMARC1; p=reject\n\
    _dmarc.lenient.example v=DMARC1; p=none\n";
const REFUSAL: &str = "550 5.7.1 rejected by DMARC policy for example.org";

fn opendmarc() -> RealFilter {
    RealFilter::start(|folder| {
        let path = |name: &str| folder.join(name).display().to_string();
        fs::write(path("records"), POLICIES).unwrap();
        // By itself it does not look at what comes from this machine.
        fs::write(path("ignored"), "192.0.2.77\n").unwrap();
        let socket = path("socket");
        let replacements = [
            ("/run/opendmarc/opendmarc.sock", &*socket),
            ("UserID          opendmarc\n", ""),
        ];
        let settings = format!(
            "{}IgnoreHosts {}\nTestDNSData {}\n",
            documented("/etc/opendmarc.conf", &replacements),
            path("ignored"),
            path("records")
        );
        fs::write(path("settings"), settings).unwrap();
        let mut opendmarc = foreign("opendmarc");
        opendmarc.args(["-f", "-c", &path("settings")]);
        opendmarc
    })
}

/// A message that Ada's server has signed.
fn signed(key: &SigningKey) -> String {
    let signer = key.signer();
    let server = server(&["--milter-submission", &signer.address()]);
    let letter = Letter {
        from: "ada@example.org",
        to: "bob@example.org",
        text: "From: ada@example.org\r\nSubject: hello\r\n\r\nA note.\r\n",
    };
    let said = send(&server, FROM_USERS[0], &letter);
    assert!(said.starts_with("250 "), "{said}");
    let stored = String::from_utf8(server.message("bob@example.org")).unwrap();
    stored.replace('\n', "\r\n")
}

#[test]
fn what_is_forged_is_refused_where_its_domain_says_so() {
    if !installed(&[
        "opendmarc",
        "opendkim",
        "openssl",
        "pyspf-milter",
        "dkimverify",
    ]) {
        return;
    }
    let key = SigningKey::new();
    let signed = signed(&key);
    let changed = signed.replace("A note.", "A lie.");
    let unsigned = |domain: &str| format!("From: a@{domain}\r\nSubject: hello\r\n\r\nA note.\r\n");
    let (forged, allowed, lenient) = (
        unsigned("example.org"),
        unsigned("allowed.example"),
        unsigned("lenient.example"),
    );
    let letters = [
        (
            "bounces@unknown.example",
            &signed,
            Ok("dmarc=pass (p=reject"),
        ),
        ("bounces@unknown.example", &changed, Err(REFUSAL)),
        ("ada@example.org", &forged, Err(REFUSAL)),
        ("a@allowed.example", &allowed, Ok("dmarc=pass (p=reject")),
        ("a@lenient.example", &lenient, Ok("dmarc=fail (p=none")),
    ];
    let (spf, dkim, dmarc) = (pyspf_milter(), verifier(&key), opendmarc());
    let options = [&spf, &dkim, &dmarc].map(|filter| ["--milter".to_owned(), filter.address()]);
    let options: Vec<&str> = options.iter().flatten().map(String::as_str).collect();
    let server = server(&options);
    for (number, way) in FROM_ANYBODY.into_iter().enumerate() {
        for (kind, (from, text, wanted)) in letters.into_iter().enumerate() {
            let to = format!("bob{number}-{kind}@example.org");
            let letter = Letter {
                from,
                to: &to,
                text,
            };
            let said = send(&server, way, &letter);
            let about = format!("{way:?} {from} {said}\n{}", server.log());
            match wanted {
                Ok(result) => {
                    assert!(said.starts_with("250 "), "{about}");
                    let stored = String::from_utf8(server.message(&to)).unwrap();
                    let results = "Authentication-Results: mx.example.org; ";
                    assert!(
                        stored.starts_with(&format!("{results}{result}")),
                        "{about}{stored}"
                    );
                }
                Err(reply) => {
                    assert_eq!(said, reply, "{about}");
                    assert!(server.new_mail(&to).is_empty(), "{about}");
                }
            }
        }
    }
}

#[test]
fn the_order_of_filters_is_that_of_the_options() {
    if !installed(&["opendmarc", "opendkim", "openssl", "dkimverify"]) {
        return;
    }
    let key = SigningKey::new();
    let (dkim, dmarc) = (verifier(&key), opendmarc());
    let (dkim, dmarc) = (dkim.address(), dmarc.address());
    let text = signed(&key);
    let letter = Letter {
        from: "bounces@unknown.example",
        to: "bob@example.org",
        text: &text,
    };
    for (first, second, code) in [(&dkim, &dmarc, "250 "), (&dmarc, &dkim, "550 ")] {
        let server = server(&["--milter", first, "--milter", second]);
        let said = send(&server, FROM_ANYBODY[0], &letter);
        assert!(said.starts_with(code), "{said}\n{}", server.log());
    }
}
