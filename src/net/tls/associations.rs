//! Verification of servers by their TLSA records (DANE, RFC 6698, 7671 and 7672).

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;

use ring::digest::{SHA256, SHA512, digest};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{CertificateDer, Der, ServerName, TrustAnchor, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
};

use super::{chain, key};
use crate::net::der;
use crate::net::trust::{AssociationMismatch, TlsAssociation, strongest};

/// Verifies a server by its TLSA records, and that it has the key of its certificate.
#[derive(Debug)]
pub(super) struct AssociationVerifier {
    /// The records of usage 3 (DANE-EE), for the server's own certificate.
    own: Vec<TlsAssociation>,
    /// The records of usage 2 (DANE-TA), for an authority.
    authorities: Vec<TlsAssociation>,
    /// The names that a certificate by an authority may be for, besides that of the server.
    names: Vec<ServerName<'static>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl AssociationVerifier {
    pub(super) fn new(
        records: &[TlsAssociation],
        names: &[Rc<str>],
        algorithms: WebPkiSupportedAlgorithms,
    ) -> Self {
        let records = strongest(records).into_iter().cloned();
        let (own, authorities) = records.partition(|record| record.usage == 3);
        let names = names.iter().map(|name| {
            let name = name.strip_suffix('.').unwrap_or(name);
            ServerName::try_from(name)
        });
        Self {
            own,
            authorities,
            // No certificate can be for a name that is none.
            names: names.flatten().map(|name| name.to_owned()).collect(),
            algorithms,
        }
    }

    /// The authorities that the records name, among those certificates that the server sent behind its own and in the records
    /// themselves. The server's own certificate is none, whoever has signed it (RFC 7671 §5.2).
    fn anchors(&self, end_entity: &[u8], sent: &[CertificateDer<'_>]) -> RootCertStore {
        let mut anchors = RootCertStore::empty();
        let sent = sent.iter().filter(|sent| ***sent != *end_entity);
        for certificate in sent.clone() {
            let is_named = key::parts(certificate)
                .is_ok_and(|parts| has_record_of(&self.authorities, certificate, parts.key.whole));
            if is_named {
                add_anchor(&mut anchors, certificate);
            }
        }
        let is_whole = |record: &&TlsAssociation| record.matching == 0;
        for record in self.authorities.iter().filter(is_whole) {
            if record.selector == 0 {
                // The server need not send a certificate that everybody has from its records (RFC 7671 §5.2.2).
                if *record.data != *end_entity {
                    add_anchor(&mut anchors, &CertificateDer::from(&*record.data));
                }
                continue;
            }
            let is_sent = sent
                .clone()
                .any(|sent| key::parts(sent).is_ok_and(|parts| *parts.key.whole == *record.data));
            // A key has no name: any of those will do whose holder is said to have signed what was sent (§5.2.3). Where its
            // certificate was sent, what that says counts as well.
            if !is_sent {
                let signed = sent.clone().map(|sent| &**sent).chain([end_entity]);
                add_key(&mut anchors, &record.data, signed);
            }
        }
        anchors
    }
}

/// Whether one of the `records` is of this certificate, or of its `key`.
fn has_record_of(records: &[TlsAssociation], certificate: &[u8], key: &[u8]) -> bool {
    // Each digest is computed once at most, however many records there are.
    [(0, certificate), (1, key)]
        .iter()
        .any(|(selector, octets)| {
            (0..=2).any(|matching| {
                let is_such = |record: &&TlsAssociation| {
                    (record.selector, record.matching) == (*selector, matching)
                };
                let mut records = records.iter().filter(is_such).peekable();
                if records.peek().is_none() {
                    return false;
                }
                let seen = match matching {
                    0 => Cow::Borrowed(*octets),
                    1 => Cow::Owned(digest(&SHA256, octets).as_ref().to_vec()),
                    _ => Cow::Owned(digest(&SHA512, octets).as_ref().to_vec()),
                };
                records.any(|record| *record.data == *seen)
            })
        })
}

/// Adds a certificate that can be one of an authority; one that cannot be read vouches for nobody.
fn add_anchor(anchors: &mut RootCertStore, certificate: &CertificateDer<'_>) {
    let Ok(parts) = key::parts(certificate) else {
        return;
    };
    // The key that a record names is the key by which signatures are verified, or there is no such authority.
    if anchors.add(certificate.clone()).is_ok()
        && anchors
            .roots
            .last()
            .is_some_and(|anchor| *anchor.subject_public_key_info != *parts.key.contents)
    {
        anchors.roots.pop();
    }
}

/// Adds a key by the names of all who have signed one of these certificates.
fn add_key<'a>(anchors: &mut RootCertStore, key: &[u8], signed: impl Iterator<Item = &'a [u8]>) {
    let Some((key, _)) = der::split(key) else {
        return;
    };
    for certificate in signed {
        if let Ok(parts) = key::parts(certificate) {
            let owned = |octets: &[u8]| Der::from(octets.to_vec());
            anchors.roots.push(TrustAnchor {
                subject: owned(parts.issuer.contents),
                subject_public_key_info: owned(key.contents),
                name_constraints: None,
            });
        }
    }
}

impl ServerCertVerifier for AssociationVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let key = key::parts(end_entity)?.key;
        // Its names and dates do not count, nor who has signed it: the record says it all (RFC 7672 §3.1.1).
        if has_record_of(&self.own, end_entity, key.whole) {
            return Ok(ServerCertVerified::assertion());
        }
        let sent = chain::bounded(intermediates);
        let anchors = self.anchors(end_entity, &sent);
        if anchors.is_empty() {
            let other = OtherError(Arc::new(AssociationMismatch));
            return Err(CertificateError::Other(other).into());
        }
        let parsed = ParsedCertificate::try_from(end_entity)?;
        if *parsed.subject_public_key_info() != *key.whole {
            return Err(CertificateError::BadEncoding.into());
        }
        let algorithms = self.algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&parsed, &anchors, &sent, now, algorithms)?;
        match verify_server_name(&parsed, name) {
            Err(_)
                if self
                    .names
                    .iter()
                    .any(|name| verify_server_name(&parsed, name).is_ok()) => {}
            verified => verified?,
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        key::verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        key::verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests;
