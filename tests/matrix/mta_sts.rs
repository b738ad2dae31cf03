//! Domains with an MTA-STS policy: policy hosts by HTTPS, and authorities that vouch for them and for hosts.

use std::fmt::Write;
use std::fs;

use crate::common::TestServer;
use crate::common::program::installed;
use crate::common::signed_zone::{SIGNED_ZONE_PROGRAMS, SignedZones, TestZone};
use crate::common::tls::Authority;
use crate::domains::{cases, peer_records, results_say, says, sites_say, start};
use crate::fates::{Case, compare, send_all};
use crate::host::{Deed, PolicyHost, response};
use crate::peers::{PROGRAMS, Peer, Peers};
use crate::table::{Fate, Level};

/// A server that sends mail, and all that it takes for that.
struct Sending {
    server: TestServer,
    _peers: Peers,
    _names: SignedZones,
    _policies: PolicyHost,
}

impl Sending {
    /// Sends a message for each domain, all of which have a policy of this mode that takes the hosts of the table.
    fn start(mode: &str, cases: &[Case]) -> Self {
        let peers = Peers::start();
        let mut zone = peer_records();
        for Case { domain, peer, .. } in cases {
            let host = match domain.starts_with("elsewhere.") {
                true => "mail.elsewhere.example".to_owned(),
                false => peer.host(),
            };
            writeln!(
                zone,
                "{domain}. MX 10 {host}.\n_mta-sts.{domain}. TXT \"v=STSv1; id=1;\"\nmta-sts.{domain}. A 127.0.0.1"
            )
            .unwrap();
        }
        writeln!(zone, "mail.elsewhere A {}", Peer::Good.address()).unwrap();
        // What is verified not to be there: no TLSA records.
        let names = SignedZones::start(&[TestZone::signed("example", &zone)]);
        let policy_authority = Authority::new("The authority of policy hosts");
        let policy_hosts: Vec<_> = cases
            .iter()
            .map(|case| format!("mta-sts.{}", case.domain))
            .collect();
        let policy_hosts: Vec<_> = policy_hosts.iter().map(String::as_str).collect();
        let mut policy = format!("version: STSv1\r\nmode: {mode}\r\nmax_age: 86400\r\n");
        for peer in Peer::ALL {
            write!(policy, "mx: {}\r\n", peer.host()).unwrap();
        }
        let host = PolicyHost::start(
            &policy_authority,
            &policy_hosts,
            Deed::Say(response(&policy)),
        );
        let trusted = peers.authority().with_file_name("trusted.pem");
        let both = fs::read_to_string(peers.authority()).unwrap() + &policy_authority.certificate();
        fs::write(&trusted, both).unwrap();
        let trusted = format!("SSL_CERT_FILE={}", trusted.display());
        let port = host.address.port().to_string();
        let dns = names.address().to_string();
        let server = start(&[&trusted], &peers, &dns, &["--mta-sts-port", &port]);
        send_all(&server, cases);
        compare(&server, &peers, cases, || {});
        Self {
            _peers: peers,
            _names: names,
            _policies: host,
            server,
        }
    }
}

fn case(domain: &str, peer: Peer, expected: Fate) -> Case {
    Case {
        domain: domain.to_owned(),
        peer,
        expected,
    }
}

#[test]
fn mail_for_domains_with_an_enforced_policy_goes_as_the_table_has_it() {
    if !installed(&PROGRAMS) || !installed(&SIGNED_ZONE_PROGRAMS) {
        return;
    }
    let mut cases = cases(Level::MtaSts);
    cases.push(case("elsewhere.mta-sts.example", Peer::Good, Fate::Waits));
    let mut sending = Sending::start("enforce", &cases);
    let server = &sending.server;
    says(
        server,
        "elsewhere.mta-sts.example",
        &["dsn=4.7.5", "MTA-STS"],
    );
    says(server, "no-starttls.mta-sts.example", &["dsn=4.7."]);
    says(server, "expired.mta-sts.example", &["dsn=4.7.5"]);
    let expired = format!("mx:{}?sts", Peer::Expired.host());
    sites_say(server, &[[&expired, "sts", "expired"]]);
    results_say(
        server,
        &[
            ("sts", "successful"),
            ("sts", "starttls-not-supported"),
            ("sts", "certificate-expired"),
            ("sts", "certificate-host-mismatch"),
            ("sts", "certificate-not-trusted"),
        ],
    );
    sending.server.stop();
}

#[test]
fn a_policy_in_its_testing_keeps_no_mail_back() {
    if !installed(&PROGRAMS) || !installed(&SIGNED_ZONE_PROGRAMS) {
        return;
    }
    let cases = [
        case("good.mta-sts.example", Peer::Good, Fate::Tls),
        case("wrong-name.mta-sts.example", Peer::WrongName, Fate::Tls),
        case("no-starttls.mta-sts.example", Peer::NoStartTls, Fate::Clear),
        case("closes.mta-sts.example", Peer::Closes, Fate::ClearSecond),
        case("elsewhere.mta-sts.example", Peer::Good, Fate::Tls),
    ];
    let mut sending = Sending::start("testing", &cases);
    let log = sending.server.log();
    assert!(log.contains("mode=testing"), "{log}");
    sending.server.stop();
}
