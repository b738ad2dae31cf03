//! A server that sends to the hosts that domains name, and what it tells of them.

use std::process::Command;

use rustix::process::Signal;

use crate::common::{TestServer, wait_until};
use crate::fates::{Case, tries};
use crate::peers::{Peer, Peers};
use crate::table::{Level, TABLE};

/// The names and addresses of all peers, as lines of the zone `example`.
pub(crate) fn peer_records() -> String {
    let peers = Peer::ALL.into_iter();
    peers
        .map(|peer| format!("{}. A {}\n", peer.host(), peer.address()))
        .collect()
}

/// A domain for each row of the table at this level; but for the server that hangs, which does so for five minutes.
pub(crate) fn cases(level: Level) -> Vec<Case> {
    let column = Level::ALL.iter().position(|other| *other == level).unwrap();
    let rows = TABLE.iter().filter(|(peer, ..)| *peer != Peer::Hangs);
    let cases = rows.map(|(peer, _, fates)| Case {
        domain: format!("{}.{}.example", peer.kind(), level.name()),
        peer: *peer,
        expected: fates[column],
    });
    cases.collect()
}

/// A server that asks this name server for the hosts of all domains, with a retry each second.
pub(crate) fn start(environment: &[&str], peers: &Peers, dns: &str, more: &[&str]) -> TestServer {
    let port = peers.port().to_string();
    let options = [
        "--retry",
        "1",
        "--relay-from",
        "127.0.0.0/8",
        "--spool",
        "spool",
        "--route",
        "*=mx",
        "--mx-allow",
        "127.0.0.0/8",
        "--mx-port",
        &port,
        "--dns",
        dns,
    ];
    let wrapper = [&["/usr/bin/env"], environment].concat();
    TestServer::start_under(&wrapper, &[&options, more].concat())
}

/// Sees that what keeps the mail for a domain is this, by the log.
#[track_caller]
pub(crate) fn says(server: &TestServer, domain: &str, expected: &[&str]) {
    let log = server.log();
    let lines = tries(domain, &log).filter(|line| line.contains(" status="));
    let lines: Vec<_> = lines.collect();
    let all = |line: &&str| expected.iter().all(|text| line.contains(text));
    assert!(
        !lines.is_empty() && lines.iter().all(all),
        "{domain}: {expected:?}\n{lines:#?}"
    );
}

/// Waits until `mailoop queue sites` has lines with all of these: the first is in the line of a site, the second in the one after it.
#[track_caller]
pub(crate) fn sites_say(server: &TestServer, expected: &[[&str; 3]]) {
    let mut printed = String::new();
    wait_until(&format!("sites with {expected:?}"), || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mailoop"));
        command.arg("queue").arg("--spool");
        command.arg(server.folder().join("spool")).arg("sites");
        let output = command.env_clear().output().unwrap();
        // It may still be reading its spool.
        assert!(matches!(output.status.code(), Some(0 | 75)), "{output:?}");
        printed = String::from_utf8(output.stdout).unwrap();
        let lines: Vec<&str> = printed.lines().collect();
        expected.iter().all(|[site, policy, error]| {
            lines.windows(2).any(|pair| {
                let mut words = pair[0].split_whitespace().rev();
                let is_it = (words.next(), words.next()) == (Some(site), Some(policy));
                is_it && pair[1].contains(error)
            })
        })
    });
}

/// Has the server log its counts, and sees that these policies had these results.
#[track_caller]
pub(crate) fn results_say(server: &TestServer, expected: &[(&str, &str)]) {
    server.signal(Signal::USR1);
    let mut log = String::new();
    wait_until(&format!("results {expected:?}"), || {
        log = server.log();
        expected.iter().all(|(policy, result)| {
            log.contains(&format!("tls policy={policy} result={result} sessions="))
        })
    });
}
