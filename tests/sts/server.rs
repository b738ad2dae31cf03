//! The real server: it fetches the policy of a domain to which it sends mail, goes on meanwhile, and knows the policy after a restart.

use std::fs;
use std::path::Path;
#[cfg(feature = "record")]
use std::process::Command;

use tempfile::TempDir;

use crate::common::client::Client;
use crate::common::tls::Authority;
use crate::common::{TestServer, wait_until};
use crate::host::{Deed, PolicyHost, policy, response};
use crate::names::NameServer;

/// A server that sends mail on, a server that it sends to, and a policy host.
struct Mail {
    folder: TempDir,
    authority: Authority,
    names: NameServer,
    next: TestServer,
}

impl Mail {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new("those whom this machine trusts");
        fs::write(folder.path().join("ca.pem"), authority.certificate()).unwrap();
        let names = NameServer::start(
            "_mta-sts.a.example TXT = 300 txt v=STSv1;id=1\n\
             mta-sts.a.example A = 300 127.0.0.1\nmta-sts.a.example AAAA = nodata\n\
             a.example MX = 300 mx 10 mx.a.example\nb.example MX = 300 mx 10 mx.a.example\n\
             mx.a.example A = 300 127.0.0.1\nmx.a.example AAAA = nodata\n* * = nxdomain 60",
        );
        let pem = folder.path().join("mx.pem");
        let certificate = authority.certificate_and_key(&["mx.a.example"]);
        fs::write(&pem, certificate).unwrap();
        let pem = pem.display().to_string();
        let next = TestServer::start(&[
            "--hostname",
            "mx.a.example",
            "--domain",
            "a.example",
            "--domain",
            "b.example",
            "--tls-cert",
            &pem,
            "--tls-key",
            &pem,
        ]);
        Self {
            folder,
            authority,
            names,
            next,
        }
    }

    fn policy_host(&self, deed: Deed) -> PolicyHost {
        PolicyHost::start(&self.authority, &["mta-sts.a.example"], deed)
    }

    /// A server that sends mail on, and fetches policies from this port.
    fn server(&self, policy_port: u16) -> TestServer {
        self.server_with(policy_port, &[])
    }

    /// One with more options.
    fn server_with(&self, policy_port: u16, more: &[&str]) -> TestServer {
        let trusted = self.folder.path().join("ca.pem");
        let trusted = format!("SSL_CERT_FILE={}", trusted.display());
        let spool = self.folder.path().join("spool").display().to_string();
        let (dns, mx_port) = (self.names.address.to_string(), self.next.port());
        let policy_port = policy_port.to_string();
        TestServer::start_under(
            &["env", "-u", "SSL_CERT_DIR", &trusted],
            &[
                &[
                    "--hostname",
                    "out.example",
                    "--domain",
                    "out.example",
                    "--relay-from",
                    "127.0.0.1",
                    "--route",
                    "*=mx",
                    "--mx-allow",
                    "127.0.0.0/8",
                    "--mx-port",
                    mx_port,
                    "--mta-sts-port",
                    &policy_port,
                    "--dns",
                    &dns,
                    "--spool",
                    &spool,
                ],
                more,
            ]
            .concat(),
        )
    }
}

/// Has a server send mail to an address.
fn send(server: &TestServer, to: &str) {
    let mut client = Client::new(server.connect());
    client.expect("220");
    client.ask("HELO client.example", "250");
    client.ask("MAIL FROM:<ada@out.example>", "250");
    client.ask(&format!("RCPT TO:<{to}>"), "250");
    client.ask("DATA", "354");
    client.ask("Subject: hello\r\n\r\nhello\r\n.", "250");
}

fn sent(server: &TestServer, to: &str) -> bool {
    let log = server.log();
    let mut lines = log.lines();
    lines.any(|line| line.contains(&format!("to=<{to}>")) && line.contains("status=sent"))
}

fn policies(folder: &Path) -> String {
    fs::read_to_string(folder.join("spool/mta-sts/policies")).unwrap_or_default()
}

#[test]
fn a_policy_is_known_after_a_restart_though_its_host_is_gone() {
    let mail = Mail::new();
    let host = mail.policy_host(Deed::Say(response(&policy("mx.a.example"))));
    let port = host.address.port();
    let mut server = mail.server(port);
    send(&server, "bob@a.example");
    wait_until("the mail to be sent", || sent(&server, "bob@a.example"));
    let fetched = "sts=fetched domain=a.example mode=enforce max-age=86400";
    assert!(server.log().contains(fetched), "{}", server.log());
    assert!(!server.log().contains("warning"), "{}", server.log());
    server.stop();
    let kept = policies(mail.folder.path());
    assert!(kept.contains("\na.example 1 "), "{kept}\n{}", server.log());
    drop(host);
    let mut server = mail.server(port);
    send(&server, "eve@a.example");
    wait_until("the mail to be sent", || sent(&server, "eve@a.example"));
    assert!(!server.log().contains("sts="), "{}", server.log());
    server.stop();
    assert_eq!(policies(mail.folder.path()), kept);
}

#[test]
fn mail_goes_on_while_a_policy_host_is_silent_and_the_end_does_not_wait_for_it() {
    let mail = Mail::new();
    let host = mail.policy_host(Deed::Hang);
    let mut server = mail.server(host.address.port());
    send(&server, "bob@a.example");
    send(&server, "bob@b.example");
    wait_until("the mail to be sent", || sent(&server, "bob@b.example"));
    assert!(!sent(&server, "bob@a.example"), "{}", server.log());
    server.stop();
    assert!(!server.log().contains("sts="), "{}", server.log());
}

#[test]
fn a_policy_counts_once_it_is_known_and_one_that_is_not_to_be_had_is_none() {
    let mail = Mail::new();
    let say = || Deed::Say(response(&policy("other.example")));
    let wrong = PolicyHost::start(&mail.authority, &["a.example"], say());
    let mut server = mail.server(wrong.address.port());
    send(&server, "bob@a.example");
    wait_until("the mail to be sent", || sent(&server, "bob@a.example"));
    let failed = "sts=failed domain=a.example in-force=none error=\"no TLS: ";
    assert!(server.log().contains(failed), "{}", server.log());
    server.stop();
    let right = mail.policy_host(say());
    let server = mail.server(right.address.port());
    send(&server, "eve@a.example");
    wait_until("the mail to wait", || {
        let log = server.log();
        let mut lines = log.lines();
        lines.any(|line| line.contains("to=<eve@a.example>") && line.contains("status=deferred"))
    });
    assert!(server.log().contains("MTA-STS"), "{}", server.log());
}

#[cfg(feature = "record")]
#[test]
fn a_record_has_the_policy_in_force_and_replays() {
    let mail = Mail::new();
    let host = mail.policy_host(Deed::Say(response(&policy("*.a.example"))));
    let record = mail.folder.path().join("record").display().to_string();
    let mut server = mail.server_with(host.address.port(), &["--record", &record]);
    send(&server, "bob@a.example");
    wait_until("the mail to be sent", || sent(&server, "bob@a.example"));
    server.stop();
    let run = |command: &str| {
        let program = env!("CARGO_BIN_EXE_mailoop");
        let output = Command::new(program).args([command, &record]).output();
        output.unwrap()
    };
    let told = String::from_utf8(run("trace").stdout).unwrap();
    assert!(
        told.contains("policy") && told.contains("*.a.example"),
        "{told}"
    );
    let replayed = run("replay");
    assert!(replayed.status.success(), "{replayed:?}");
}
