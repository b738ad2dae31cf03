//! gsasl of GNU SASL, which logs in and does nothing more, yet binds that to TLS.

use std::process::Command;

use crate::common::program::{installed, program, run, run_in_vain};
use crate::secured::{PASSWORD, Site, USER, Way};

fn gsasl(site: &Site, password: &str, mechanism: &str) -> Command {
    let mut command = program("gsasl", &site.server);
    command
        .args(["--smtp", "--connect", site.server.address()])
        .arg("--x509-ca-file")
        .arg(site.authority())
        .args(["--mechanism", mechanism])
        .args(["--authentication-id", USER, "--password", password]);
    command
}

fn logs_in(mechanism: &str, options: &[&str]) {
    if !installed(&["gsasl"]) {
        return;
    }
    let mut site = Site::start_for_user(Way::ByStartTls, PASSWORD);
    run_in_vain(
        gsasl(&site, "Pencil", mechanism).args(options),
        &site.authority(),
    );
    let dialogue = run(gsasl(&site, PASSWORD, mechanism).args(options));
    // With SCRAM the server has proved itself as well.
    assert!(dialogue.contains("\n235 2.7.0 "), "{dialogue}");
    assert!(dialogue.contains("(server trusted)"), "{dialogue}");
    site.server.stop();
    let log = site.server.log();
    for verdict in ["failed", "ok"] {
        let line = format!(" auth={mechanism} user={USER} {verdict}\n");
        assert!(log.contains(&line), "{line} is not in {log}");
    }
}

/// What it binds the login to is `tls-exporter`.
#[test]
fn logs_in_by_scram_bound_to_tls() {
    logs_in("SCRAM-SHA-256-PLUS", &[]);
}

#[test]
fn logs_in_by_scram() {
    // It can have the one without PLUS only if it knows of no binding.
    logs_in("SCRAM-SHA-256", &["--no-cb"]);
}
