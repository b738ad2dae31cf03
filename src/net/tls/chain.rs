//! The certificates that a server sends behind its own, as far as they are looked at.
//!
//! A path from the server's certificate to an authority is searched among them. Where many have one name, as no honest server
//! has them, there are many paths: 8 certificates are good for 200,000 steps of webpki, and so for a loop that stands still.

use rustls::pki_types::CertificateDer;

use super::key;

/// The most certificates behind the server's own. Honest servers send one to three.
pub(super) const CHAIN_MAX: usize = 16;
/// The most of them that have one name: an authority that others have signed as well has two or three.
const NAMESAKES_MAX: usize = 3;

/// The certificates among which a path is searched: those of authorities, each once, without too many for one name.
pub(super) fn bounded<'a>(sent: &'a [CertificateDer<'_>]) -> Vec<CertificateDer<'a>> {
    let mut kept: Vec<(&[u8], &[u8])> = Vec::new();
    for certificate in sent {
        if kept.len() == CHAIN_MAX {
            break;
        }
        let Ok(parts) = key::parts(certificate) else {
            continue;
        };
        let name = parts.subject.whole;
        let is_there = kept.iter().any(|(_, other)| **other == **certificate);
        let namesakes = kept.iter().filter(|(other, _)| *other == name).count();
        if !is_there && namesakes < NAMESAKES_MAX {
            kept.push((name, certificate));
        }
    }
    kept.into_iter()
        .map(|(_, certificate)| certificate.into())
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::io::Write as _;

    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
    use rustls::CertificateError;
    use rustls::pki_types::UnixTime;

    use super::*;
    use crate::net::tls::trust::verifier;
    use crate::net::trust::{TlsAssociation, Trust};

    type Issuer = CertifiedIssuer<'static, KeyPair>;

    fn authority(name: &str, by: Option<&Issuer>) -> Issuer {
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        match by {
            None => CertifiedIssuer::self_signed(parameters, key).unwrap(),
            Some(by) => CertifiedIssuer::signed_by(parameters, key, by).unwrap(),
        }
    }

    #[test]
    fn what_is_searched_is_bounded_and_in_order() {
        let root = authority("root", None);
        let many: Vec<_> = (0..CHAIN_MAX)
            .map(|number| authority(&format!("{number}"), Some(&root)))
            .collect();
        let mut sent: Vec<_> = many.iter().map(|it| it.der().clone()).collect();
        assert_eq!(bounded(&sent), sent);
        sent.push(root.der().clone());
        assert_eq!(bounded(&sent), sent[..CHAIN_MAX]);
        // What is no certificate, or was there before, takes no place.
        sent.splice(1..3, [sent[0].clone(), vec![0x30, 0].into()]);
        let expected = [&sent[..1], &sent[3..]].concat();
        assert_eq!(bounded(&sent), expected);
        let namesakes: Vec<_> = (0..5).map(|_| authority("one", Some(&root))).collect();
        let sent: Vec<_> = namesakes.iter().map(|it| it.der().clone()).collect();
        assert_eq!(bounded(&sent), sent[..NAMESAKES_MAX]);
    }

    #[test]
    fn a_server_that_sends_namesakes_is_refused_before_long() {
        let (root, signer) = (authority("root", None), authority("one", None));
        let namesakes = (0..40).map(|_| authority("one", Some(&signer)).der().clone());
        let namesakes: Vec<_> = namesakes.collect();
        let own = CertificateParams::new(["mx.example".to_owned()]).unwrap();
        let own = own.signed_by(&KeyPair::generate().unwrap(), &signer);
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(root.pem().as_bytes()).unwrap();
        let record = TlsAssociation {
            usage: 2,
            selector: 0,
            matching: 0,
            data: root.der().as_ref().into(),
        };
        let associations = Trust::Associations {
            records: [record].into(),
            names: [].into(),
        };
        for trust in [Trust::Authorities(file.path().into()), associations] {
            let name = "mx.example".try_into().unwrap();
            let own = own.as_ref().unwrap().der();
            let verifier = verifier(&trust).unwrap();
            let outcome = verifier.verify_server_cert(own, &namesakes, &name, &[], UnixTime::now());
            // Without a bound the search itself would be given up, after seconds.
            let error = outcome.map(|_| ()).unwrap_err();
            assert_eq!(error, CertificateError::UnknownIssuer.into(), "{trust:?}");
        }
    }
}
