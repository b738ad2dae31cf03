//! Mail readers that send by themselves: mutt and s-nail log in over TLS and submit what they compose.

use std::fs;
use std::process::Command;

use crate::common::program::{installed, program, run_with_file};
use crate::message::{PLAIN, RECIPIENT, SENDER};
use crate::secured::{Site, USER, Way, assert_trace};

const PASSWORD: &str = "pencil";

/// By both ways a message arrives as it was written, from somebody who has logged in by this mechanism.
fn submits(name: &str, mechanism: &str, command: fn(&Site) -> Command) {
    if !installed(&[name]) {
        return;
    }
    for way in [Way::ByStartTls, Way::FromTheStart] {
        let mut site = Site::start_for_user(way, PASSWORD);
        let text = site.server.folder().join("text");
        fs::write(&text, format!("{}\n", PLAIN.text)).unwrap();
        run_with_file(&mut command(&site), &text);
        let message = String::from_utf8(site.server.message(RECIPIENT)).unwrap();
        let subject = format!("\nSubject: {}\n", PLAIN.subject);
        let text = format!("\n\n{}\n", PLAIN.text);
        assert!(
            message.contains(&subject) && message.ends_with(&text),
            "{message}"
        );
        let tls = "TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)";
        assert_trace(&site.server.new_mail(RECIPIENT)[0], tls, "ESMTPSA");
        site.server.stop();
        let line = format!(" auth={mechanism} user={USER} ok\n");
        assert!(site.server.log().contains(&line), "{}", site.server.log());
    }
}

#[test]
fn mutt() {
    submits("mutt", "SCRAM-SHA-256", |site| {
        let scheme = match site.way {
            Way::ByStartTls => "smtp",
            Way::FromTheStart => "smtps",
        };
        // Of itself the one of Debian 12 tries SCRAM-SHA-256-PLUS, which it cannot do, and then nothing else.
        let settings = format!(
            "set copy=no from={SENDER} hostname=client.example.org ssl_force_tls=yes certificate_file={} \
             smtp_url={scheme}://{USER}@{} smtp_pass={PASSWORD} smtp_authenticators=scram-sha-256",
            site.authority().display(),
            site.server.address()
        );
        let mut mutt = program("mutt", &site.server);
        mutt.args(["-n", "-F", "/dev/null", "-e", &settings]).args([
            "-s",
            PLAIN.subject,
            "--",
            RECIPIENT,
        ]);
        mutt
    });
}

#[test]
fn s_nail() {
    submits("s-nail", "PLAIN", |site| {
        let scheme = match site.way {
            Way::ByStartTls => "submission",
            Way::FromTheStart => "smtps",
        };
        // It looks for no address in a certificate.
        let port = site.server.port();
        let mta = format!("mta={scheme}://{USER}:{PASSWORD}@localhost:{port}");
        let authority = format!("tls-ca-file={}", site.authority().display());
        let from = format!("from={SENDER}");
        let mut s_nail = program("s-nail", &site.server);
        s_nail.arg("-:/");
        for setting in [
            "v15-compat",
            &mta,
            "smtp-use-starttls",
            "smtp-config=plain",
            "tls-verify=strict",
            &authority,
            &from,
            "hostname=client.example.org",
        ] {
            s_nail.args(["-S", setting]);
        }
        s_nail.args(["-s", PLAIN.subject, RECIPIENT]);
        s_nail
    });
}
