//! Handshakes in memory with servers of all kinds of certificates, by clients that have all kinds of TLSA records.
#![allow(clippy::unwrap_used)]

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::crypto::ring;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConnection, ServerConfig, ServerConnection, SupportedProtocolVersion};
use time::{Duration, OffsetDateTime};

use super::super::client_config;
use super::*;
use crate::net::trust::Trust;

const HOST: &str = "mx.example.org";
const VERSIONS: [&SupportedProtocolVersion; 2] = [&rustls::version::TLS12, &rustls::version::TLS13];

/// A certificate of version 1, as old appliances make it, with its key.
const VERSION_1: &[u8] = include_bytes!("../../../../tests/tls/version1.pem");

/// A server: what it sends, and the key that it has.
struct Server {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Server {
    /// Runs a handshake with it by each version of TLS; the same has to come of both.
    fn meets(&self, trust: &Trust) -> Result<(), Error> {
        let [old, new] = VERSIONS.map(|version| self.meets_by(version, trust));
        let text = |outcome: &Result<(), Error>| format!("{outcome:?}");
        let [of_old, of_new] = [&old, &new].map(text);
        let without_time = |text: &str| text.split("time:").next().unwrap().to_owned();
        assert_eq!(without_time(&of_old), without_time(&of_new));
        new
    }

    fn meets_by(
        &self,
        version: &'static SupportedProtocolVersion,
        trust: &Trust,
    ) -> Result<(), Error> {
        let key = any_supported_type(&self.key).unwrap();
        let shown = SingleCertAndKey::from(CertifiedKey::new(self.chain.clone(), key));
        let config = ServerConfig::builder_with_provider(ring::default_provider().into())
            .with_protocol_versions(&[version])
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(shown));
        let mut server = ServerConnection::new(Arc::new(config)).unwrap();
        let name = HOST.try_into().unwrap();
        let mut client = ClientConnection::new(client_config(trust).unwrap(), name).unwrap();
        while client.is_handshaking() || server.is_handshaking() {
            let mut wire = Vec::new();
            client.write_tls(&mut wire).unwrap();
            server.read_tls(&mut &*wire).unwrap();
            server.process_new_packets().unwrap();
            let mut wire = Vec::new();
            while server.wants_write() {
                server.write_tls(&mut wire).unwrap();
            }
            client.read_tls(&mut &*wire).unwrap();
            client.process_new_packets()?;
        }
        assert_eq!(server.server_name(), Some(HOST), "SNI");
        Ok(())
    }
}

/// An authority, one below it, and their servers.
struct Authorities {
    root: CertifiedIssuer<'static, KeyPair>,
    below: CertifiedIssuer<'static, KeyPair>,
}

fn authority(name: &str) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters
}

impl Authorities {
    fn new() -> Self {
        let key = || KeyPair::generate().unwrap();
        let root = CertifiedIssuer::self_signed(authority("root"), key()).unwrap();
        let below = CertifiedIssuer::signed_by(authority("below"), key(), &root).unwrap();
        Self { root, below }
    }

    /// A server with a certificate of the lower authority, which sends all there is.
    fn server(&self, change: impl FnOnce(&mut CertificateParams)) -> Server {
        let mut parameters = CertificateParams::new([HOST.to_owned()]).unwrap();
        change(&mut parameters);
        let key = KeyPair::generate().unwrap();
        let leaf = parameters.signed_by(&key, &self.below).unwrap();
        let chain = [leaf.der(), self.below.der(), self.root.der()];
        Server {
            chain: chain.map(Clone::clone).to_vec(),
            key: PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        }
    }

    fn good(&self) -> Server {
        self.server(|_| {})
    }
}

fn expired(parameters: &mut CertificateParams) {
    parameters.not_after = OffsetDateTime::now_utc() - Duration::DAY;
}

fn named(name: &str) -> impl FnOnce(&mut CertificateParams) {
    let named = CertificateParams::new([name.to_owned()]).unwrap();
    |parameters| parameters.subject_alt_names = named.subject_alt_names
}

/// The record with these numbers for this certificate.
fn record(numbers: [u8; 3], certificate: &[u8]) -> TlsAssociation {
    let [usage, selector, matching] = numbers;
    let octets = match selector {
        0 => certificate,
        _ => key::parts(certificate).unwrap().key.whole,
    };
    let data = match matching {
        0 => octets.into(),
        1 => digest(&SHA256, octets).as_ref().into(),
        _ => digest(&SHA512, octets).as_ref().into(),
    };
    TlsAssociation {
        usage,
        selector,
        matching,
        data,
    }
}

fn trust(records: impl IntoIterator<Item = TlsAssociation>) -> Trust {
    Trust::Associations {
        records: records.into_iter().collect(),
        names: Rc::new(["a b".into(), "example.org.".into()]),
    }
}

fn is_mismatch(outcome: Result<(), Error>) -> bool {
    let Err(Error::InvalidCertificate(CertificateError::Other(other))) = outcome else {
        return false;
    };
    other.0.is::<AssociationMismatch>()
}

/// All numbers of records with this usage.
fn numbers(usage: u8) -> impl Iterator<Item = [u8; 3]> {
    let pairs = (0..=1).flat_map(|selector| (0..=2).map(move |matching| (selector, matching)));
    pairs.map(move |(selector, matching)| [usage, selector, matching])
}

#[test]
fn a_servers_own_certificate_is_known_by_each_kind_of_record() {
    let all = Authorities::new();
    let (server, other) = (all.good(), all.good());
    for numbers in numbers(3) {
        let good = record(numbers, &server.chain[0]);
        assert_eq!(server.meets(&trust([good])), Ok(()), "{numbers:?}");
        let wrong = record(numbers, &other.chain[0]);
        assert!(is_mismatch(server.meets(&trust([wrong]))), "{numbers:?}");
        let mut wrong = record(numbers, &server.chain[0]);
        *wrong.data.last_mut().unwrap() ^= 1;
        assert!(is_mismatch(server.meets(&trust([wrong]))), "{numbers:?}");
        // An authority is none by a record of usage 3.
        let authority = record(numbers, &server.chain[1]);
        assert!(
            is_mismatch(server.meets(&trust([authority]))),
            "{numbers:?}"
        );
    }
}

#[test]
fn dates_names_and_signers_of_a_servers_own_certificate_do_not_count() {
    let all = Authorities::new();
    let mut old = all.server(expired);
    let mut elsewhere = all.server(named("other.example.org"));
    let version_1 = Server {
        chain: vec![CertificateDer::from_pem_slice(VERSION_1).unwrap()],
        key: PrivateKeyDer::from_pem_slice(VERSION_1).unwrap(),
    };
    for server in [&mut old, &mut elsewhere] {
        server.chain.truncate(1);
    }
    for server in [old, elsewhere, version_1] {
        for numbers in numbers(3) {
            let record = record(numbers, &server.chain[0]);
            assert_eq!(server.meets(&trust([record])), Ok(()), "{numbers:?}");
        }
        assert_eq!(server.meets(&Trust::Anybody), Ok(()));
    }
}

#[test]
fn a_server_has_to_have_the_key_of_its_certificate() {
    let all = Authorities::new();
    let mut impostor = all.good();
    let own = record([3, 0, 1], &impostor.chain[0]);
    let authority = record([2, 0, 1], &impostor.chain[2]);
    impostor.key = all.good().key;
    for trust in [trust([own]), trust([authority]), Trust::Anybody] {
        let outcome = impostor.meets(&trust);
        let bad = Error::InvalidCertificate(CertificateError::BadSignature);
        assert_eq!(outcome, Err(bad), "{trust:?}");
    }
}

#[test]
fn an_authority_is_known_by_each_kind_of_record() {
    let all = Authorities::new();
    let (server, strangers) = (all.good(), Authorities::new());
    for numbers in numbers(2) {
        for known in [&server.chain[1], &server.chain[2]] {
            let good = record(numbers, known);
            assert_eq!(server.meets(&trust([good])), Ok(()), "{numbers:?}");
        }
        let strange = record(numbers, strangers.root.der());
        let outcome = server.meets(&trust([strange]));
        // What is in the record itself may be tried; it has signed nothing.
        match numbers[2] {
            0 => assert!(matches!(outcome, Err(Error::InvalidCertificate(_)))),
            _ => assert!(is_mismatch(outcome), "{numbers:?}"),
        }
    }
}

#[test]
fn a_servers_own_certificate_is_no_authority() {
    let mut server = Authorities::new().good();
    for length in [3, 1] {
        server.chain.truncate(length);
        for numbers in [[2, 0, 0], [2, 0, 1], [2, 1, 1], [2, 1, 2]] {
            let record = record(numbers, &server.chain[0]);
            assert!(is_mismatch(server.meets(&trust([record]))), "{numbers:?}");
        }
    }
}

#[test]
fn an_authority_that_was_not_sent_may_be_in_the_record() {
    let all = Authorities::new();
    let mut server = all.good();
    server.chain.pop();
    for numbers in [[2, 0, 0], [2, 1, 0]] {
        let whole = record(numbers, all.root.der());
        assert_eq!(server.meets(&trust([whole])), Ok(()), "{numbers:?}");
    }
    for numbers in [[2, 0, 1], [2, 1, 1], [2, 0, 2], [2, 1, 2]] {
        let digest = record(numbers, all.root.der());
        assert!(is_mismatch(server.meets(&trust([digest]))), "{numbers:?}");
    }
}

#[test]
fn a_certificate_by_an_authority_is_for_the_server_and_valid() {
    let all = Authorities::new();
    let trusted = || trust([record([2, 1, 1], all.root.der())]);
    let outcome = all.server(named("other.example.org")).meets(&trusted());
    let not_for = |error: &_| matches!(error, CertificateError::NotValidForNameContext { .. });
    assert!(matches!(&outcome, Err(Error::InvalidCertificate(error)) if not_for(error)));
    let outcome = all.server(expired).meets(&trusted());
    let is_expired = |error: &_| matches!(error, CertificateError::ExpiredContext { .. });
    assert!(matches!(&outcome, Err(Error::InvalidCertificate(error)) if is_expired(error)));
    // The domain of the recipients will do as well (RFC 7672 §3.2.2).
    let of_domain = all.server(named("example.org"));
    assert_eq!(of_domain.meets(&trusted()), Ok(()));
}

#[test]
fn who_only_sends_an_authority_is_not_vouched_for_by_it() {
    let (all, strangers) = (Authorities::new(), Authorities::new());
    let mut server = strangers.good();
    server.chain.push(all.root.der().clone());
    server.chain.push(all.below.der().clone());
    for numbers in numbers(2) {
        let record = record(numbers, all.root.der());
        let outcome = server.meets(&trust([record]));
        let is_refused = matches!(
            outcome,
            Err(Error::InvalidCertificate(
                CertificateError::UnknownIssuer | CertificateError::BadSignature
            ))
        );
        assert!(is_refused, "{numbers:?} {outcome:?}");
    }
}

#[test]
fn one_record_of_several_is_enough_and_those_of_no_use_do_not_count() {
    let (all, strangers) = (Authorities::new(), Authorities::new());
    let server = all.good();
    let of_no_use = || {
        let mut short = record([3, 1, 1], &server.chain[0]);
        short.data = short.data[..31].into();
        [
            record([0, 0, 1], all.root.der()),
            record([1, 0, 1], &server.chain[0]),
            short,
        ]
    };
    let wrong = || {
        [
            record([3, 0, 1], strangers.root.der()),
            record([2, 0, 1], strangers.root.der()),
        ]
    };
    assert!(is_mismatch(server.meets(&trust(wrong()))));
    assert!(is_mismatch(server.meets(&trust(of_no_use()))));
    let alone = [
        record([3, 1, 1], &server.chain[0]),
        record([3, 1, 2], &server.chain[0]),
        record([2, 1, 1], all.root.der()),
    ];
    for good in alone {
        let records = wrong().into_iter().chain(of_no_use()).chain([good]);
        assert_eq!(server.meets(&trust(records)), Ok(()));
    }
}

#[test]
fn a_digest_does_not_count_beside_a_stronger_one() {
    let (all, strangers) = (Authorities::new(), Authorities::new());
    let server = all.good();
    let weak = || record([3, 1, 1], &server.chain[0]);
    let wrong = |numbers| record(numbers, strangers.root.der());
    assert!(is_mismatch(
        server.meets(&trust([weak(), wrong([3, 1, 2])]))
    ));
    // Only among those of the same usage and selector, and never against a record that has no digest.
    for other in [[3, 0, 2], [2, 1, 2], [3, 1, 0]] {
        assert_eq!(server.meets(&trust([weak(), wrong(other)])), Ok(()));
    }
    let whole = record([3, 1, 0], &server.chain[0]);
    assert_eq!(server.meets(&trust([whole, wrong([3, 1, 2])])), Ok(()));
}

/// Verifies a certificate by itself, with those that vouch for it.
fn verify(records: &[TlsAssociation], chain: &[CertificateDer<'_>]) -> Result<(), Error> {
    let algorithms = ring::default_provider().signature_verification_algorithms;
    let verifier = AssociationVerifier::new(records, &[], algorithms);
    let name = HOST.try_into().unwrap();
    let (own, sent) = chain.split_first().unwrap();
    let verified = verifier.verify_server_cert(own, sent, &name, &[], UnixTime::now());
    verified.map(|_| ())
}

#[test]
fn what_is_no_certificate_or_another_one_is_an_error() {
    let all = Authorities::new();
    let chain = all.good().chain;
    let own = [record([3, 0, 1], &chain[0])];
    let by_authority = [record([2, 0, 1], &chain[2])];
    assert_eq!(verify(&own, &chain), Ok(()));
    assert_eq!(verify(&by_authority, &chain), Ok(()));
    for at in 0..chain[0].len() {
        let cut = CertificateDer::from(chain[0][..at].to_vec());
        assert!(verify(&own, &[cut]).is_err(), "cut at {at}");
        for flip in [1, 0x80, 0xFF] {
            // First that of the server, then the one below the root.
            for which in [0, 1] {
                let mut octets = chain[which].to_vec();
                let Some(octet) = octets.get_mut(at) else {
                    continue;
                };
                *octet ^= flip;
                let mut chain = chain.clone();
                chain[which] = octets.into();
                assert_eq!(verify(&own, &chain).is_ok(), which == 1, "{at} {flip}");
                assert!(
                    verify(&by_authority, &chain).is_err(),
                    "{which} {at} {flip}"
                );
            }
        }
    }
}
