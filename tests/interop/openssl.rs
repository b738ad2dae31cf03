//! `openssl s_client`: sessions by hand over TLS, and which TLS there is.

use std::fs;
use std::process::Command;

use crate::common::program::{foreign, installed, program, run, run_in_vain, run_with_file};
use crate::common::{HOSTNAME, TestServer};
use crate::hand::{END, Hand, MESSAGE, UP_TO_THE_END};
use crate::message::{RECIPIENT, assert_same_text};
use crate::secured::{Site, Way, assert_trace};

/// It trusts the server with this certificate only.
fn s_client(site: &Site, args: &[&str]) -> Command {
    let mut command = program("openssl", &site.server);
    command
        .args(["s_client", "-crlf", "-connect", site.server.address()])
        .args(["-verify_return_error", "-CAfile"])
        .arg(site.authority())
        .args(args);
    if site.way == Way::ByStartTls {
        command.args(["-starttls", "smtp"]);
    }
    command
}

const BY_NAME: [&str; 4] = ["-servername", HOSTNAME, "-verify_hostname", HOSTNAME];

/// A session by hand. Every line is awaited, so that none comes before its turn.
fn holds_a_session(way: Way, version: &str, tls: &str) {
    if !installed(&["openssl"]) {
        return;
    }
    let mut site = Site::start(way);
    let mut openssl = s_client(&site, &["-quiet", version]);
    let mut hand = Hand::before(openssl.args(BY_NAME), &site.server);
    match way {
        Way::FromTheStart => hand.hold(UP_TO_THE_END),
        // It has heard the greeting itself.
        Way::ByStartTls => hand.hold(UP_TO_THE_END.split_once(" mailoop\n").unwrap().1),
    }
    hand.hold(END);
    hand.hang_up();
    assert_same_text(&site.server.message(RECIPIENT), MESSAGE.as_bytes());
    // After HELO the protocol has no name that tells of TLS.
    assert_trace(&site.server.new_mail(RECIPIENT)[0], tls, "SMTP");
    site.server.stop();
}

#[test]
fn holds_a_session_in_tls_1_2() {
    let tls = "TLSv1.2 with cipher ECDHE-ECDSA-AES256-GCM-SHA384 (256/256 bits)";
    holds_a_session(Way::FromTheStart, "-tls1_2", tls);
}

#[test]
fn holds_a_session_in_tls_1_2_by_starttls() {
    let tls = "TLSv1.2 with cipher ECDHE-ECDSA-AES256-GCM-SHA384 (256/256 bits)";
    holds_a_session(Way::ByStartTls, "-tls1_2", tls);
}

#[test]
fn holds_a_session_in_tls_1_3() {
    let tls = "TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)";
    holds_a_session(Way::FromTheStart, "-tls1_3", tls);
}

#[test]
fn holds_a_session_in_tls_1_3_by_starttls() {
    let tls = "TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)";
    holds_a_session(Way::ByStartTls, "-tls1_3", tls);
}

#[test]
fn is_shown_the_certificate_of_the_name_it_asks_for() {
    if !installed(&["openssl"]) {
        return;
    }
    for way in [Way::FromTheStart, Way::ByStartTls] {
        let site = Site::start(way);
        for args in [&BY_NAME[..], &["-noservername", "-verify_ip", "127.0.0.1"]] {
            run(&mut s_client(&site, args));
        }
        // By the name nobody is shown that of the address, nor the other way round.
        for args in [
            ["-servername", HOSTNAME, "-verify_ip", "127.0.0.1"].as_slice(),
            &["-noservername", "-verify_hostname", HOSTNAME],
        ] {
            run_in_vain(&mut s_client(&site, args), &site.authority());
        }
    }
}

/// A client that was here before is spared half of the handshake.
#[test]
fn resumes_a_session() {
    if !installed(&["openssl"]) {
        return;
    }
    for way in [Way::FromTheStart, Way::ByStartTls] {
        for (option, version) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
            let site = Site::start(way);
            let quit = site.server.folder().join("quit");
            fs::write(&quit, "QUIT\n").unwrap();
            // It stays until the server hangs up: in TLS 1.3 a ticket comes behind the handshake.
            let visit = |file| {
                let mut openssl = s_client(&site, &["-ign_eof", option, file, "session"]);
                run_with_file(&mut openssl, &quit)
            };
            for (file, what) in [("-sess_out", "New"), ("-sess_in", "Reused")] {
                let printed = visit(file);
                let expected = format!("\n{what}, {version}, ");
                assert!(printed.contains(&expected), "{printed}");
            }
        }
    }
}

/// Whatever a client likes best.
#[test]
fn is_given_the_cipher_that_the_server_likes_best() {
    if !installed(&["openssl"]) {
        return;
    }
    let site = Site::start(Way::FromTheStart);
    for (args, best) in [
        (
            [
                "-tls1_3",
                "-ciphersuites",
                "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384",
            ],
            "TLS_AES_256_GCM_SHA384",
        ),
        (
            [
                "-tls1_2",
                "-cipher",
                "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384",
            ],
            "ECDHE-ECDSA-AES256-GCM-SHA384",
        ),
    ] {
        let printed = run(&mut s_client(&site, &args));
        let cipher = format!(", Cipher is {best}\n");
        assert!(printed.contains(&cipher), "{printed}");
    }
}

/// What RFC 8996 has put to rest. This client would still agree to it.
#[test]
fn finds_no_older_version() {
    if !installed(&["openssl"]) {
        return;
    }
    for way in [Way::FromTheStart, Way::ByStartTls] {
        let mut site = Site::start(way);
        for version in ["-tls1", "-tls1_1"] {
            let mut openssl = s_client(&site, &[version, "-cipher", "DEFAULT:@SECLEVEL=0"]);
            let printed = run_in_vain(&mut openssl, &site.authority());
            // The refusal comes from the server.
            assert!(printed.contains("SSL alert number"), "{printed}");
        }
        site.server.stop();
        let log = site.server.log();
        assert_eq!(log.matches(" closed=error ").count(), 2, "{log}");
    }
}

/// Keys as openssl makes them, among them those in a form of their own kind: RSA's PKCS#1 and SEC 1 of elliptic curves.
const KEYS: [&[&str]; 5] = [
    &["genrsa", "-traditional", "2048"],
    &["genpkey", "-algorithm", "RSA"],
    &["ecparam", "-genkey", "-noout", "-name", "prime256v1"],
    &[
        "genpkey",
        "-algorithm",
        "EC",
        "-pkeyopt",
        "ec_paramgen_curve:P-384",
    ],
    &["genpkey", "-algorithm", "ED25519"],
];

#[test]
fn makes_certificates_that_the_server_can_show() {
    if !installed(&["openssl"]) {
        return;
    }
    for make in KEYS {
        let folder = tempfile::tempdir().unwrap();
        let [key, certificate] = ["key", "certificate"].map(|name| {
            let path = folder.path().join(name);
            path.to_str().unwrap().to_owned()
        });
        let (kind, options) = make.split_first().unwrap();
        run(foreign("openssl").args([kind, "-out", &key]).args(options));
        run(foreign("openssl")
            .args(["req", "-x509", "-key", &key, "-out", &certificate])
            .args(["-subj", "/CN=mx.example.org"])
            .args(["-addext", "subjectAltName=DNS:mx.example.org"]));
        let server = TestServer::start(&[
            "--listen-tls",
            "127.0.0.1:0",
            "--tls-cert",
            &certificate,
            "--tls-key",
            &key,
        ]);
        for version in ["-tls1_2", "-tls1_3"] {
            run(program("openssl", &server)
                .args(["s_client", version, "-connect", server.address()])
                .args(BY_NAME)
                .args(["-verify_return_error", "-CAfile", &certificate]));
        }
    }
}
