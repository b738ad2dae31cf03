//! TLS with hops: each level × each kind of certificate, by STARTTLS and from the first octet, and the login that follows.

use std::io::{Read, Write};
use std::sync::Arc;

use mailoop::net::trust::Trust;
use mailoop::outbound::connectors::HOP_CONNECTORS;
use mailoop::outbound::delivery::ResultClass;
use mailoop::outbound::desk::HopFault;
use mailoop::outbound::hop::{HopSecurity, HopSettings, HopTls, TlsMoment};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};
use tempfile::TempDir;

use crate::common::tls::Authority;
use crate::world::{Mail, World, hop};

const HOST: &str = "mx.example.net";
const OFFER: &[u8] = b"250-mx\r\n250-AUTH LOGIN PLAIN\r\n250-PIPELINING\r\n250 STARTTLS\r\n";

/// A server under TLS.
struct TlsServer(ServerConnection);

impl TlsServer {
    fn new(pem: &str) -> Self {
        let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).unwrap();
        let provider = rustls::crypto::ring::default_provider();
        let config = ServerConfig::builder_with_provider(provider.into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        Self(ServerConnection::new(Arc::new(config)).unwrap())
    }

    /// Lets octets go to and fro until nobody has more; what the client said under TLS.
    fn exchange(&mut self, world: &mut World) -> String {
        let mut text = Vec::new();
        loop {
            let heard = world.heard();
            let mut unread = &heard[..];
            while !unread.is_empty() {
                self.0.read_tls(&mut unread).unwrap();
                // An alert says that the client does not like it.
                let _ = self.0.process_new_packets();
                // `WouldBlock` where there is no more.
                let _ = self.0.reader().read_to_end(&mut text);
            }
            let mut octets = Vec::new();
            while self.0.wants_write() {
                self.0.write_tls(&mut octets).unwrap();
            }
            if octets.is_empty() {
                return String::from_utf8_lossy(&text).into_owned();
            }
            world.say(&octets);
        }
    }

    fn say(&mut self, text: &[u8], world: &mut World) -> String {
        self.0.writer().write_all(text).unwrap();
        let mut octets = Vec::new();
        while self.0.wants_write() {
            self.0.write_tls(&mut octets).unwrap();
        }
        world.say(&octets);
        self.exchange(world)
    }
}

/// What the tests go by: an authority that is trusted, and one that nobody knows.
struct Bench {
    known: Authority,
    unknown: Authority,
    folder: TempDir,
}

impl Bench {
    fn new() -> Self {
        let bench = Self {
            known: Authority::new("known"),
            unknown: Authority::new("unknown"),
            folder: TempDir::new().unwrap(),
        };
        std::fs::write(bench.file(), bench.known.certificate()).unwrap();
        bench
    }

    fn file(&self) -> std::path::PathBuf {
        self.folder.path().join("authorities.pem")
    }

    fn hop(&self, level: &str, moment: TlsMoment, host: &str) -> HopSettings {
        let trust = match level {
            "verify" => Trust::Authorities(self.file()),
            _ => Trust::Anybody,
        };
        let mut connectors = HOP_CONNECTORS.expect("TLS is built in")();
        let connector = connectors.connector(host, &trust).unwrap();
        let tls = HopTls { moment, connector };
        let security = match level {
            "may" => HopSecurity::May(tls),
            "encrypt" => HopSecurity::Encrypt(tls),
            _ => HopSecurity::Verify(tls, None),
        };
        HopSettings { security, ..hop() }
    }
}

/// Opens a session up to the end of the handshake.
fn open(hop: HopSettings, moment: TlsMoment, pem: &str) -> (World, TlsServer) {
    let mut world = World::new(hop, [Mail::new(1, &["b@y"])]);
    let mut server = TlsServer::new(pem);
    match moment {
        TlsMoment::StartTls => {
            world.say(b"220 mx\r\n");
            world.say(OFFER);
            assert!(world.heard().ends_with(b"STARTTLS\r\n"));
            world.say(b"220 Go\r\n");
            let said = server.exchange(&mut world);
            if world.failure.is_none() {
                assert_eq!(said, "EHLO client.example\r\n");
            }
        }
        TlsMoment::FirstOctet => {
            server.exchange(&mut world);
            if world.failure.is_none() {
                let said = server.say(b"220 mx\r\n", &mut world);
                assert_eq!(said, "EHLO client.example\r\n");
            }
        }
    }
    (world, server)
}

#[test]
fn each_level_takes_the_certificates_that_it_should() {
    let bench = Bench::new();
    let certificates = [
        ("good", bench.known.certificate_and_key(&[HOST])),
        (
            "other name",
            bench.known.certificate_and_key(&["mx.example.com"]),
        ),
        ("unknown", bench.unknown.certificate_and_key(&[HOST])),
    ];
    for moment in [TlsMoment::StartTls, TlsMoment::FirstOctet] {
        for level in ["may", "encrypt", "verify"] {
            for (kind, pem) in &certificates {
                let (mut world, mut server) = open(bench.hop(level, moment, HOST), moment, pem);
                let what = format!("{moment:?} {level} {kind}");
                if level == "verify" && *kind != "good" {
                    let (fault, result) = world.failure.as_ref().expect(&what);
                    assert!(matches!(fault, HopFault::Tls(_)), "{what}: {fault:?}");
                    assert_eq!(result.class, ResultClass::NextHost, "{what}");
                    assert_eq!(result.status.to_string(), "4.7.5", "{what}");
                    world.check();
                    continue;
                }
                assert!(world.failure.is_none(), "{what}: {:?}", world.failure);
                let said = server.say(OFFER, &mut world);
                assert!(said.starts_with("MAIL FROM:<a@x>\r\n"), "{what}: {said}");
                assert_eq!(world.facts.unwrap().tls, Some("TLSv1.3"), "{what}");
                server.say(b"250 Ok\r\n250 Ok\r\n354 Go\r\n", &mut world);
                server.say(b"250 Ok\r\n", &mut world);
                world.wait(5);
                world.check();
                assert_eq!(world.outcomes[0].result.class, ResultClass::Sent, "{what}");
            }
        }
    }
}

#[test]
fn an_address_is_verified_by_its_own_name() {
    let bench = Bench::new();
    let moment = TlsMoment::StartTls;
    for (names, is_good) in [
        (["192.0.2.7"], true),
        (["192.0.2.8"], false),
        ([HOST], false),
    ] {
        let pem = bench.known.certificate_and_key(&names);
        let (world, _) = open(bench.hop("verify", moment, "192.0.2.7"), moment, &pem);
        assert_eq!(world.failure.is_none(), is_good, "{names:?}");
    }
}

#[test]
fn a_handshake_that_hangs_is_given_up() {
    let bench = Bench::new();
    let moment = TlsMoment::StartTls;
    let mut world = World::new(bench.hop("may", moment, HOST), [Mail::new(1, &["b@y"])]);
    world.say(b"220 mx\r\n");
    world.say(OFFER);
    world.say(b"220 Go\r\n");
    world.wait(299);
    assert!(world.failure.is_none());
    world.wait(1);
    world.check();
    assert!(matches!(world.failure.unwrap().0, HopFault::Tls(_)));
}

#[cfg(feature = "auth")]
mod logins {
    use mailoop::smtp::sasl::SASL;

    use super::*;

    /// A hop that is logged in to.
    fn hop_with_login(bench: &Bench, moment: TlsMoment) -> HopSettings {
        let mut hop = bench.hop("verify", moment, HOST);
        if let HopSecurity::Verify(_, login) = &mut hop.security {
            *login = (SASL.expect("logins are built in").credentials)("ada", "pencil");
        }
        hop
    }

    #[test]
    fn a_login_follows_the_verification() {
        let bench = Bench::new();
        let moment = TlsMoment::StartTls;
        let pem = bench.known.certificate_and_key(&[HOST]);
        let (mut world, mut server) = open(hop_with_login(&bench, moment), moment, &pem);
        let said = server.say(OFFER, &mut world);
        assert_eq!(said, "AUTH PLAIN AGFkYQBwZW5jaWw=\r\n");
        let said = server.say(b"235 2.7.0 Welcome\r\n", &mut world);
        assert!(said.starts_with("MAIL FROM:<a@x>\r\n"), "{said}");
        world.hang_up();
        world.check();
    }

    #[test]
    fn a_refused_login_is_the_fault_of_the_host() {
        let bench = Bench::new();
        let moment = TlsMoment::FirstOctet;
        let pem = bench.known.certificate_and_key(&[HOST]);
        for (offer, reply) in [
            (
                &b"250-mx\r\n250 AUTH LOGIN\r\n"[..],
                &b"334 VXNlcm5hbWU6\r\n334 UGFzc3dvcmQ6\r\n535 No\r\n"[..],
            ),
            (b"250-mx\r\n250 AUTH GSSAPI\r\n", b""),
            (b"250 mx\r\n", b""),
            (b"250-mx\r\n250 AUTH PLAIN\r\n", b"454 Later\r\n"),
            (b"250-mx\r\n250 AUTH PLAIN\r\n", b"421 Away\r\n"),
        ] {
            let (mut world, mut server) = open(hop_with_login(&bench, moment), moment, &pem);
            server.say(offer, &mut world);
            for line in reply.split_inclusive(|octet| *octet == b'\n') {
                server.say(line, &mut world);
            }
            world.check();
            let (fault, result) = world.failure.expect("no session");
            assert_eq!(fault, HopFault::Login, "{result:?}");
            assert_eq!(result.status.class(), 4);
            assert!(world.outcomes.is_empty());
        }
    }
}
