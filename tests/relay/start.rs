//! What a start and a reload look at before anything is sent on.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::site::Site;

#[test]
fn connections_that_go_out_have_their_part_of_the_descriptors() {
    // 200 descriptors are for 68 connections.
    for (outgoing, clients, logged) in [
        ("10", "10000", "connections_max=58 descriptors_allow=68"),
        ("200", "10000", "connections_max=34 descriptors_allow=68"),
        ("200", "5", "connections_max=5 descriptors_allow=68"),
    ] {
        let site = Site::new();
        let mut child = Command::new("sh")
            .args(["-c", "ulimit -n 200 && exec \"$0\" \"$@\""])
            .args([env!("CARGO_BIN_EXE_mailoop"), "serve"])
            .args(["--listen", "127.0.0.1:0", "--route", "*=smtp://127.0.0.1:1"])
            .args(["--max-outgoing", outgoing, "--max-connections", clients])
            .current_dir(site.path("."))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let line = lines.find(|line| line.as_ref().unwrap().contains("connections_max="));
        child.kill().unwrap();
        child.wait().unwrap();
        let line = line.unwrap().unwrap();
        assert!(line.ends_with(logged), "{line}");
    }
}

#[cfg(feature = "tls")]
mod authorities {
    use super::*;
    use rustix::process::Signal;

    use crate::common::tls::Authority;
    use crate::site::{OURS, await_log};

    /// What is no file of authorities.
    fn bad() -> [String; 4] {
        let good = Authority::new("An authority").certificate();
        let (head, tail) = good.split_at(good.len() / 2);
        [
            String::new(),
            "no certificate".to_owned(),
            format!("{head}!{tail}"),
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned(),
        ]
    }

    #[test]
    fn a_bad_file_of_authorities_is_told_before_anything_runs() {
        let site = Site::new();
        for text in bad() {
            let ca = site.write("ca.pem", &text);
            let route = format!("*=smtp://127.0.0.1:1?tls=verify&ca={ca}");
            for check in [&["--check"][..], &[]] {
                let output = Command::new(env!("CARGO_BIN_EXE_mailoop"))
                    .args(["serve", "--listen", "127.0.0.1:0", "--route", &route])
                    .args(check)
                    .current_dir(site.path("."))
                    .output()
                    .unwrap();
                let error = String::from_utf8(output.stderr).unwrap();
                assert_eq!(output.status.code(), Some(78), "{text}: {error}");
                for expected in [&*route, &ca, "no certificate in PEM"] {
                    assert!(error.contains(expected), "no {expected} in {error}");
                }
                assert!(!site.spool().exists());
            }
        }
    }

    #[test]
    fn a_reload_with_a_bad_file_of_authorities_changes_nothing() {
        let site = Site::new();
        let ca = site.write("ca.pem", &Authority::new("An authority").certificate());
        let config = |ours: &str| {
            let route = format!("\"*\" = \"smtp://127.0.0.1:1?tls=verify&ca={ca}\"");
            site.write(
                "mailoop.toml",
                &format!("domain = [\"{ours}\"]\n[routes]\n{route}\n"),
            )
        };
        let path = config(OURS);
        let listen = ["--listen", "127.0.0.1:0", "--hostname", "mx.example.org"];
        let options = [&["--config", &path], &listen[..]].concat();
        let mut server = site.start_named(&[], &options);
        for text in bad() {
            fs::write(&ca, text).unwrap();
            config("other.example");
            let before = server.log().matches("the old configuration stays").count();
            server.signal(Signal::HUP);
            crate::common::wait_until("the reload to be refused", || {
                server.log().matches("the old configuration stays").count() > before
            });
        }
        await_log(
            &server,
            &["the old configuration stays", &ca, "*=smtp://127.0.0.1:1"],
        );
        // Nothing of it counts, the domains neither.
        let mut client = crate::mail::client(server.address());
        client.ask("MAIL FROM:<ada@here.example>", "250");
        client.ask(&format!("RCPT TO:<bob@{OURS}>"), "250");
        client.ask("QUIT", "221");
        assert!(!server.log().contains("configuration reloaded"));
        server.stop();
    }
}
