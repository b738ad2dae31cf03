//! TLSA records side by side with OpenSSL, by which Postfix verifies servers: both take the same servers, or it is listed here.

use std::fmt::Write as _;
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;

use mailoop::net::tls::client_config;
use mailoop::net::trust::{TlsAssociation, Trust};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, KeyPair, KeyUsagePurpose, NameConstraints,
};
use ring::digest::{SHA256, SHA512, digest};
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConnection, ServerConfig, ServerConnection};
use time::{Duration, OffsetDateTime};

use crate::common::program::{foreign, installed};

const HOST: &str = "mx.example.org";

/// A certificate, and the key in it.
#[derive(Clone)]
struct Certificate {
    der: CertificateDer<'static>,
    /// The SubjectPublicKeyInfo.
    key: Vec<u8>,
}

type Issuer = CertifiedIssuer<'static, KeyPair>;

/// A server: what it sends, and what a record may be of.
struct Server {
    name: &'static str,
    chain: Vec<Certificate>,
    key: PrivateKeyDer<'static>,
    targets: Vec<(&'static str, Certificate)>,
}

fn certificate(der: &CertificateDer<'static>, key: &KeyPair) -> Certificate {
    use rcgen::PublicKeyData;
    Certificate {
        der: der.clone(),
        key: key.subject_public_key_info(),
    }
}

fn of(issuer: &Issuer) -> Certificate {
    certificate(issuer.der(), issuer.key())
}

fn authority(name: &str) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    parameters
}

fn leaf() -> CertificateParams {
    CertificateParams::new([HOST.to_owned()]).unwrap()
}

fn expired(mut parameters: CertificateParams) -> CertificateParams {
    parameters.not_after = OffsetDateTime::now_utc() - Duration::DAY;
    parameters
}

fn not_yet_valid(mut parameters: CertificateParams) -> CertificateParams {
    parameters.not_before = OffsetDateTime::now_utc() + Duration::DAY;
    parameters
}

fn named(name: &str) -> CertificateParams {
    CertificateParams::new([name.to_owned()]).unwrap()
}

fn constrained(permitted: &str) -> CertificateParams {
    let mut parameters = authority("root");
    parameters.name_constraints = Some(NameConstraints {
        permitted_subtrees: vec![GeneralSubtree::DnsName(permitted.to_owned())],
        excluded_subtrees: Vec::new(),
    });
    parameters
}

fn for_clients() -> CertificateParams {
    let mut parameters = leaf();
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    parameters
}

fn short_path(mut parameters: CertificateParams) -> CertificateParams {
    parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    parameters
}

fn no_authority(mut parameters: CertificateParams) -> CertificateParams {
    parameters.is_ca = IsCa::ExplicitNoCa;
    parameters.key_usages = Vec::new();
    parameters
}

/// A server of a chain with these certificates, which sends those with these numbers: 0 its own, 1 the lower authority, 2 the root.
fn server(
    name: &'static str,
    sent: &[usize],
    [own, below, root]: [CertificateParams; 3],
) -> Server {
    let key = || KeyPair::generate().unwrap();
    let root = CertifiedIssuer::self_signed(root, key()).unwrap();
    let below = CertifiedIssuer::signed_by(below, key(), &root).unwrap();
    let own_key = key();
    let own = own.signed_by(&own_key, &below).unwrap();
    let all = [certificate(own.der(), &own_key), of(&below), of(&root)];
    Server {
        name,
        chain: sent.iter().map(|number| all[*number].clone()).collect(),
        key: PrivateKeyDer::try_from(own_key.serialize_der()).unwrap(),
        targets: ["own", "below", "root"].into_iter().zip(all).collect(),
    }
}

/// A server that has signed its own certificate.
fn self_signed(name: &'static str, parameters: &CertificateParams, copies: usize) -> Server {
    let key = KeyPair::generate().unwrap();
    let made = parameters.self_signed(&key).unwrap();
    let own = certificate(made.der(), &key);
    Server {
        name,
        chain: vec![own.clone(); copies],
        key: PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        targets: vec![("own", own)],
    }
}

/// A server that sends the authorities of another.
fn impostor() -> Server {
    let usual = || [leaf(), authority("below"), authority("root")];
    let honest = server("", &[], usual());
    let mut impostor = server("an impostor", &[0, 1, 2], usual());
    impostor.targets = honest.targets;
    let stolen = impostor.targets.iter().map(|(_, target)| target.clone());
    impostor.chain.extend(stolen.skip(1));
    impostor
}

fn servers() -> Vec<Server> {
    let below = || authority("below");
    let root = || authority("root");
    let usual = || [leaf(), below(), root()];
    let mut own_authority = leaf();
    own_authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    vec![
        server("all", &[0, 1, 2], usual()),
        server("in disorder", &[0, 2, 1], usual()),
        server("no root", &[0, 1], usual()),
        server("alone", &[0], usual()),
        server("a gap", &[0, 2], usual()),
        server("expired", &[0, 1, 2], [expired(leaf()), below(), root()]),
        server(
            "not yet",
            &[0, 1, 2],
            [not_yet_valid(leaf()), below(), root()],
        ),
        server(
            "below expired",
            &[0, 1, 2],
            [leaf(), expired(below()), root()],
        ),
        server(
            "root expired",
            &[0, 1, 2],
            [leaf(), below(), expired(root())],
        ),
        server(
            "other name",
            &[0, 1, 2],
            [named("other.example.org"), below(), root()],
        ),
        server(
            "wildcard",
            &[0, 1, 2],
            [named("*.example.org"), below(), root()],
        ),
        server(
            "deep wildcard",
            &[0, 1, 2],
            [named("*.org"), below(), root()],
        ),
        server(
            "no name",
            &[0, 1, 2],
            [CertificateParams::default(), below(), root()],
        ),
        server(
            "constrained",
            &[0, 1, 2],
            [leaf(), below(), constrained("example.org")],
        ),
        server(
            "constrained away",
            &[0, 1, 2],
            [leaf(), below(), constrained("example.com")],
        ),
        server("for clients", &[0, 1, 2], [for_clients(), below(), root()]),
        server(
            "short path",
            &[0, 1, 2],
            [leaf(), below(), short_path(root())],
        ),
        server(
            "no authority",
            &[0, 1, 2],
            [leaf(), no_authority(below()), root()],
        ),
        server(
            "may sign",
            &[0, 1, 2],
            [own_authority.clone(), below(), root()],
        ),
        self_signed("self-signed", &leaf(), 1),
        self_signed("self-signed twice", &leaf(), 2),
        self_signed("its own authority", &own_authority, 1),
        self_signed("its own authority twice", &own_authority, 2),
        impostor(),
    ]
}

fn record(numbers: [u8; 3], target: &Certificate) -> TlsAssociation {
    let [usage, selector, matching] = numbers;
    let octets = match selector {
        0 => target.der.as_ref(),
        _ => &target.key,
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

/// Lets a server answer whoever connects, as long as the test runs. Its port.
fn listen(server: &Server) -> u16 {
    let chain = server.chain.iter().map(|it| it.der.clone()).collect();
    let key = any_supported_type(&server.key).unwrap();
    let shown = SingleCertAndKey::from(CertifiedKey::new(chain, key));
    let config =
        ServerConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(shown));
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut session = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = stream.unwrap();
            // Clients go when they have seen enough.
            let _ = session.complete_io(&mut stream);
            let _ = session.complete_io(&mut stream);
        }
    });
    port
}

/// Whether our client takes the server.
fn we_take(port: u16, records: &[TlsAssociation]) -> bool {
    let trust = Trust::Associations {
        records: records.into(),
        names: Rc::new([]),
    };
    let name = HOST.try_into().unwrap();
    let mut session = ClientConnection::new(client_config(&trust).unwrap(), name).unwrap();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    while session.is_handshaking() {
        if session.complete_io(&mut stream).is_err() {
            return false;
        }
    }
    true
}

/// Whether OpenSSL does.
fn openssl_takes(port: u16, records: &[TlsAssociation]) -> bool {
    let mut client = foreign("openssl");
    client.args(["s_client", "-brief", "-verify_return_error", "-no-CAfile"]);
    client.args(["-no-CApath", "-no-CAstore", "-dane_ee_no_namechecks"]);
    client.args(["-dane_tlsa_domain", HOST, "-connect"]);
    client.arg(format!("127.0.0.1:{port}"));
    for record in records {
        let (usage, selector, matching) = (record.usage, record.selector, record.matching);
        let mut text = format!("{usage} {selector} {matching} ");
        record
            .data
            .iter()
            .for_each(|octet| write!(text, "{octet:02X}").unwrap());
        client.arg("-dane_tlsa_rrdata").arg(text);
    }
    let streams = client
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    streams.status().unwrap().success()
}

/// Where the two differ, and whether our client takes the server then.
fn is_listed(server: &str, numbers: [u8; 3], target: &str) -> Option<bool> {
    match (server, numbers[0], target) {
        // A trust anchor is a name and a key (RFC 5280 §6.1.1): whether the authority that the domain names has a certificate
        // with other dates, or for something else, does not count.
        ("root expired" | "short path", 2, "root") | ("no authority", 2, "below") => Some(true),
        // A certificate that may sign others is none of a server, unless a record names it as that.
        ("may sign", 2, "below" | "root") => Some(false),
        ("its own authority" | "its own authority twice", 2, "own") if numbers == [2, 1, 0] => {
            Some(false)
        }
        _ => None,
    }
}

#[test]
fn openssl_takes_the_same_servers_by_the_same_records() {
    if !installed(&["openssl"]) {
        return;
    }
    let mut differences = Vec::new();
    let (mut taken, mut refused) = (0, 0);
    for server in servers() {
        let port = listen(&server);
        for (target, certificate) in &server.targets {
            for numbers in [
                [3, 0, 1],
                [3, 1, 0],
                [2, 0, 0],
                [2, 0, 1],
                [2, 1, 0],
                [2, 1, 2],
            ] {
                let records = [record(numbers, certificate)];
                let ours = we_take(port, &records);
                let theirs = openssl_takes(port, &records);
                *(if ours { &mut taken } else { &mut refused }) += 1;
                let is_expected = match is_listed(server.name, numbers, target) {
                    Some(listed) => ours == listed && ours != theirs,
                    None => ours == theirs,
                };
                if !is_expected {
                    let [usage, selector, matching] = numbers;
                    differences.push(format!(
                        "{}: {usage} {selector} {matching} of {target}: {ours} here, {theirs} there",
                        server.name
                    ));
                }
            }
        }
    }
    assert!(differences.is_empty(), "{differences:#?}");
    assert!(taken > 100 && refused > 100, "{taken} {refused}");
}

/// Numbers that look random, the same in each run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        let step = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = step.wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    fn one_of<T: Clone>(&mut self, all: &[T]) -> T {
        let at = self.below(all.len() as u64);
        all[usize::try_from(at).unwrap()].clone()
    }
}

#[test]
fn openssl_takes_a_server_by_the_same_sets_of_records() {
    if !installed(&["openssl"]) {
        return;
    }
    let all = server(
        "all",
        &[0, 1, 2],
        [leaf(), authority("below"), authority("root")],
    );
    let port = listen(&all);
    let strangers = impostor().targets;
    let mut numbers = Numbers(1);
    let (mut taken, mut refused) = (0, 0);
    for [first, second] in [
        [[3, 1, 1], [3, 1, 2]],
        [[3, 1, 1], [3, 0, 2]],
        [[3, 1, 1], [2, 1, 2]],
        [[3, 1, 1], [3, 1, 0]],
        [[3, 1, 2], [3, 1, 1]],
        [[3, 1, 0], [3, 1, 2]],
    ] {
        // Of two digests the stronger counts (RFC 7671 §9).
        let (_, stranger) = &strangers[0];
        let records = [record(first, &all.targets[0].1), record(second, stranger)];
        let ours = we_take(port, &records);
        assert_eq!(ours, openssl_takes(port, &records), "{first:?} {second:?}");
        assert_eq!(ours, second != [3, 1, 2] || first == [3, 1, 0]);
    }
    for _ in 0..200 {
        let mut records = Vec::new();
        for _ in 0..=numbers.below(4) {
            let targets = numbers.one_of(&[&all.targets, &strangers]);
            let (_, target) = numbers.one_of(targets);
            let fields = [
                numbers.one_of(&[0, 1, 2, 2, 2, 3, 3, 3, 4]),
                numbers.one_of(&[0, 0, 1, 1, 2]),
                numbers.one_of(&[0, 1, 1, 2, 2, 3]),
            ];
            let mut record = record(fields, &target);
            if numbers.below(8) == 0 {
                record.data = record.data[1..].into();
            }
            records.push(record);
        }
        let ours = we_take(port, &records);
        // Records of usage 0 and 1 are none for mail (RFC 7672 §3.1.3), which OpenSSL leaves to its caller.
        let of_mail = records.iter().filter(|record| record.usage > 1);
        let of_mail: Vec<_> = of_mail.cloned().collect();
        assert_eq!(ours, openssl_takes(port, &of_mail), "{records:?}");
        *(if ours { &mut taken } else { &mut refused }) += 1;
    }
    assert!(taken > 30 && refused > 30, "{taken} {refused}");
}
