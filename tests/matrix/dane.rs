//! Domains whose hosts have TLSA records: a zone that is signed, and a name server that verifies.

use std::fmt::Write;
use std::fs;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::certificates::GOOD_UNDER_ANOTHER_NAME;
use crate::common::program::installed;
use crate::common::signed_zone::{SIGNED_ZONE_PROGRAMS, SignedZones, TestZone};
use crate::domains::{cases, peer_records, results_say, says, sites_say, start};
use crate::fates::{Case, compare, send_all};
use crate::peers::{PROGRAMS, Peer, Peers};
use crate::table::{Fate, Level};

/// Domains beyond the table: each, its host, the peer that this is, and what becomes of mail.
const OTHERS: [(&str, &str, Peer, Fate); 16] = {
    use Fate::{Clear, Tls, Waits};
    use Peer::{Good, NoStartTls, SelfSigned, WrongName};
    [
        (
            "another-key.example",
            "another-key.mail.example",
            Good,
            Waits,
        ),
        ("two-keys.example", "two-keys.mail.example", Good, Tls),
        // Its TLSA records are those of the host that it stands for.
        ("alias.example", "alias.mail.example", Good, Waits),
        ("authority.example", GOOD_UNDER_ANOTHER_NAME, Good, Tls),
        (
            "authority-wrong-name.example",
            "authority-wrong-name.mail.example",
            WrongName,
            Waits,
        ),
        (
            "authority-other.example",
            "authority-other.mail.example",
            SelfSigned,
            Waits,
        ),
        ("unusable.example", "unusable.mail.example", SelfSigned, Tls),
        (
            "unusable-clear.example",
            "unusable-clear.mail.example",
            NoStartTls,
            Waits,
        ),
        ("bogus-tlsa.example", "bogus-tlsa.mail.example", Good, Waits),
        ("bogus-host.example", "mail.bogus.example", Good, Waits),
        ("mail.bogus.example", "good.matrix.example", Good, Waits),
        ("none.example", "none.mail.example", SelfSigned, Tls),
        (
            "none-clear.example",
            "none-clear.mail.example",
            NoStartTls,
            Clear,
        ),
        // Nobody has signed what leads to the host.
        (
            "domain.plain.example",
            "another-key.mail.example",
            Good,
            Waits,
        ),
        ("unsigned.example", "unsigned.plain.example", Good, Tls),
        (
            "unsigned-clear.example",
            "unsigned-clear.plain.example",
            NoStartTls,
            Clear,
        ),
    ]
};

fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut text, octet| {
        write!(text, "{octet:02x}").unwrap();
        text
    })
}

/// The records of the zones below.
#[derive(Default)]
struct Zones {
    signed: String,
    /// Those below `_tcp.bogus-tlsa.mail.example`.
    bogus_tlsa: String,
    bogus: String,
    plain: String,
}

impl Zones {
    /// The zone that has a name.
    fn of(&mut self, name: &str) -> &mut String {
        let is_below = |zone: &str| name.ends_with(zone);
        if is_below("._tcp.bogus-tlsa.mail.example") {
            &mut self.bogus_tlsa
        } else if is_below(".bogus.example") {
            &mut self.bogus
        } else if is_below(".plain.example") {
            &mut self.plain
        } else {
            &mut self.signed
        }
    }

    fn add(&mut self, name: &str, record: &str) {
        writeln!(self.of(name), "{name}. {record}").unwrap();
    }

    fn start(&self) -> SignedZones {
        SignedZones::start(&[
            TestZone::signed("example", &self.signed),
            TestZone::bogus("_tcp.bogus-tlsa.mail.example", &self.bogus_tlsa),
            TestZone::bogus("bogus.example", &self.bogus),
            TestZone::unsigned("plain.example", &self.plain),
        ])
    }
}

/// The TLSA records of the hosts beyond the table.
fn other_records(peers: &Peers) -> Vec<(&'static str, String)> {
    let digest = |peer: Peer| hex(&peers.key_digest(peer));
    let right = format!("TLSA 3 1 1 {}", digest(Peer::Good));
    let wrong = format!("TLSA 3 1 1 {}", digest(Peer::Expired));
    let authority = fs::read(peers.authority()).unwrap();
    let authority = CertificateDer::from_pem_slice(&authority).unwrap();
    let authority = format!("TLSA 2 0 0 {}", hex(&authority));
    // What the authorities of a system vouch for (RFC 7672 §3.1.3), and a digest that nobody knows.
    let by_system = format!("TLSA 1 1 1 {}", digest(Peer::Good));
    let unknown = format!("TLSA 3 1 9 {}", digest(Peer::Good));
    vec![
        ("another-key.mail.example", wrong.clone()),
        ("two-keys.mail.example", wrong.clone()),
        ("two-keys.mail.example", right.clone()),
        (GOOD_UNDER_ANOTHER_NAME, authority.clone()),
        ("authority-wrong-name.mail.example", authority.clone()),
        ("authority-other.mail.example", authority),
        ("unusable.mail.example", by_system.clone()),
        ("unusable.mail.example", unknown),
        ("unusable-clear.mail.example", by_system),
        ("bogus-tlsa.mail.example", right),
        ("unsigned.plain.example", wrong.clone()),
        ("unsigned-clear.plain.example", wrong),
    ]
}

#[test]
fn mail_for_hosts_with_tlsa_records_goes_as_the_table_has_it() {
    if !installed(&PROGRAMS) || !installed(&SIGNED_ZONE_PROGRAMS) {
        return;
    }
    let peers = Peers::start();
    let service = |host: &str| format!("_{}._tcp.{host}", peers.port());
    let mut cases = cases(Level::Dane);
    let mut zones = Zones {
        signed: peer_records(),
        ..Zones::default()
    };
    for Case { domain, peer, .. } in &cases {
        let (host, digest) = (peer.host(), hex(&peers.key_digest(*peer)));
        zones.add(domain, &format!("MX 10 {host}."));
        zones.add(&service(&host), &format!("TLSA 3 1 1 {digest}"));
    }
    for (domain, host, peer, expected) in OTHERS {
        zones.add(domain, &format!("MX 10 {host}."));
        match host {
            "alias.mail.example" => zones.add(host, "CNAME another-key.mail.example."),
            // It is there already.
            "good.matrix.example" => {}
            _ => zones.add(host, &format!("A {}", peer.address())),
        }
        cases.push(Case {
            domain: domain.to_owned(),
            peer,
            expected,
        });
    }
    for (host, record) in other_records(&peers) {
        zones.add(&service(host), &record);
    }
    let names = zones.start();
    let mut server = start(&[], &peers, &names.address().to_string(), &[]);
    send_all(&server, &cases);
    compare(&server, &peers, &cases, || {});
    for (domain, expected) in [
        ("no-starttls.dane.example", "dsn=4.7.4 "),
        ("another-key.example", "dsn=4.7.5 "),
        ("bogus-tlsa.example", "dsn=4.7.5 "),
        ("bogus-host.example", "dsn=4.4.3 "),
        ("mail.bogus.example", "dsn=4.4.3 "),
    ] {
        says(&server, domain, &[expected]);
    }
    let mismatch = "none of the server's TLSA records is for its certificate";
    says(&server, "another-key.example", &[mismatch]);
    let no_starttls = "the server offers no STARTTLS";
    sites_say(
        &server,
        &[
            ["mx:another-key.mail.example", "dane", mismatch],
            ["mx:no-starttls.matrix.example", "dane", no_starttls],
            [
                "mx:bogus-tlsa.mail.example",
                "dane",
                "what it publishes for DANE cannot be looked up",
            ],
        ],
    );
    results_say(
        &server,
        &[
            ("tlsa", "successful"),
            ("tlsa", "starttls-not-supported"),
            ("tlsa", "tlsa-invalid"),
            ("tlsa", "certificate-host-mismatch"),
            ("no-policy-found", "successful"),
        ],
    );
    server.stop();
}
