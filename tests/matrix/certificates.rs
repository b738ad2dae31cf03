//! Certificates of all kinds, good and bad, each with its key in one file of PEM.

use std::fs;
use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use time::{Duration, OffsetDateTime};

use crate::common::program::{foreign, run};
use crate::peers::Peer;

/// A second name in the certificate of the good peer.
pub(crate) const GOOD_UNDER_ANOTHER_NAME: &str = "authority.mail.example";

/// Whoever vouches for the servers.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    /// One whose certificate is `authority.pem` in this folder, and its key `authority.key`.
    pub(crate) fn new(folder: &Path) -> Self {
        let mut parameters = CertificateParams::default();
        let name = &mut parameters.distinguished_name;
        name.push(DnType::CommonName, "The authority of the matrix");
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        fs::write(folder.join("authority.key"), key.serialize_pem()).unwrap();
        let issuer = CertifiedIssuer::self_signed(parameters, key).unwrap();
        fs::write(folder.join("authority.pem"), issuer.pem()).unwrap();
        Self(issuer)
    }

    /// Writes the certificate and key that a peer has.
    pub(crate) fn certify(&self, peer: Peer, folder: &Path) {
        let text = match peer {
            Peer::Sha1 => by_openssl(peer, folder, "rsa:2048", "-sha1"),
            Peer::RsaKeyExchange => by_openssl(peer, folder, "rsa:2048", "-sha256"),
            Peer::ShortKey => by_openssl(peer, folder, "rsa:1024", "-sha256"),
            Peer::Version1 => include_str!("../tls/version1.pem").to_owned(),
            _ => self.by_rcgen(peer),
        };
        fs::write(folder.join(format!("{}.pem", peer.kind())), text).unwrap();
    }

    fn by_rcgen(&self, peer: Peer) -> String {
        let mut names = match peer {
            Peer::WrongName => vec!["other.example".to_owned()],
            _ => vec![peer.host(), peer.address().to_string()],
        };
        if peer == Peer::Good {
            names.push(GOOD_UNDER_ANOTHER_NAME.to_owned());
        }
        let mut parameters = CertificateParams::new(names).unwrap();
        if peer == Peer::Expired {
            parameters.not_after = OffsetDateTime::now_utc() - Duration::DAY;
        }
        let key = KeyPair::generate().unwrap();
        let certificate = match peer {
            Peer::SelfSigned => parameters.self_signed(&key),
            _ => parameters.signed_by(&key, &self.0),
        };
        certificate.unwrap().pem() + &key.serialize_pem()
    }
}

/// A certificate by the authority in this folder, for a key and with a signature that rcgen does not make.
fn by_openssl(peer: Peer, folder: &Path, key: &str, digest: &str) -> String {
    let path = |end: &str| folder.join(format!("{}.{end}", peer.kind()));
    let [key_path, request, names, certificate] = ["key", "csr", "cnf", "crt"].map(path);
    let alternatives = format!("DNS:{},IP:{}", peer.host(), peer.address());
    fs::write(&names, format!("subjectAltName={alternatives}\n")).unwrap();
    let mut make_key = foreign("openssl");
    make_key.args(["req", "-new", "-nodes", "-newkey", key, "-subj", "/CN=peer"]);
    run(make_key
        .arg("-keyout")
        .arg(&key_path)
        .arg("-out")
        .arg(&request));
    let mut sign = foreign("openssl");
    sign.args(["x509", "-req", "-days", "30", "-set_serial", "1", digest]);
    sign.arg("-in").arg(&request).arg("-extfile").arg(&names);
    sign.arg("-CA").arg(folder.join("authority.pem"));
    sign.arg("-CAkey").arg(folder.join("authority.key"));
    run(sign.arg("-out").arg(&certificate));
    let read = |path: &Path| fs::read_to_string(path).unwrap();
    read(&certificate) + &read(&key_path)
}
