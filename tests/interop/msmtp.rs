//! msmtp, a sendmail that hands on to a server; alone, and behind mutt.

use std::fs;
use std::path::Path;

use crate::common::TestServer;
use crate::common::program::{program, run_with_file};
use crate::message::{Client, GERMAN, RECIPIENT, SENDER, sends_every_message};

const MSMTP: Client = Client {
    programs: &["msmtp"],
    send,
};

sends_every_message!(MSMTP);

#[test]
fn sends_what_mutt_composes_with_an_attachment() {
    GERMAN.arrives(&["mutt", "msmtp"], |server, message, attachment| {
        let text = server.folder().join("text");
        fs::write(&text, message.text).unwrap();
        let sendmail = format!("msmtp {}", options(server).join(" "));
        let settings = format!("set copy=no from={SENDER} sendmail='{sendmail}'");
        let mut mutt = program("mutt", server);
        mutt.args(["-n", "-F", "/dev/null", "-e", &settings])
            .args(["-s", message.subject, "-a"])
            .arg(attachment)
            .args(["--", RECIPIENT]);
        run_with_file(&mut mutt, &text);
    });
}

#[cfg(feature = "tls")]
mod over_tls {
    use std::fs;

    use crate::common::program::program;
    use crate::message::RECIPIENT;
    use crate::secured::{
        Client, PASSWORD, USER, Way, distrusts_another_server, logs_in_by, sends_over_tls,
    };

    const MSMTP: Client = Client {
        programs: &["msmtp"],
        command: |errand| {
            let starttls = match errand.way {
                Way::ByStartTls => "on",
                Way::FromTheStart => "off",
            };
            let mut msmtp = program("msmtp", errand.server);
            msmtp
                .args(super::options(errand.server))
                .args(["--tls=on", &format!("--tls-starttls={starttls}")])
                .arg(format!("--tls-trust-file={}", errand.authority.display()))
                .arg(format!("--tls-host-override={}", errand.name));
            if let Some(login) = &errand.login {
                let password = errand.server.folder().join("password");
                fs::write(&password, login.password).unwrap();
                msmtp
                    .arg(format!("--auth={}", login.mechanism.to_lowercase()))
                    .arg(format!("--user={USER}"))
                    .arg(format!("--passwordeval=cat {}", password.display()));
            }
            msmtp.args(["--", RECIPIENT]);
            msmtp
        },
        password: PASSWORD,
    };

    sends_over_tls!(MSMTP);
    distrusts_another_server!(MSMTP);
    logs_in_by!(
        MSMTP,
        logs_in_by_scram: "SCRAM-SHA-256",
        logs_in_by_plain: "PLAIN",
        logs_in_by_login: "LOGIN"
    );
}

fn send(server: &TestServer, message: &Path, recipients: &[&str]) -> String {
    let mut msmtp = program("msmtp", server);
    msmtp.args(options(server)).arg("--").args(recipients);
    run_with_file(&mut msmtp, message)
}

/// Where to, from whom, and to leave the header alone.
fn options(server: &TestServer) -> Vec<String> {
    vec![
        "--host=127.0.0.1".to_owned(),
        format!("--port={}", server.port()),
        format!("--from={SENDER}"),
        "--auth=off".to_owned(),
        "--tls=off".to_owned(),
        "--domain=client.example.org".to_owned(),
        "--set-from-header=off".to_owned(),
        "--set-date-header=off".to_owned(),
        "--set-msgid-header=off".to_owned(),
        "--remove-bcc-headers=off".to_owned(),
        "--undisclosed-recipients=off".to_owned(),
    ]
}
