//! The public key in a certificate, and signatures of handshakes by it, whatever else is in that certificate.
//!
//! A client that trusts a certificate as it is, because any will do or because a TLSA record names it (RFC 7671 §5.1), has no use for
//! its version, names, dates and extensions. The parser of rustls refuses some for them: here only the key is looked at.

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature_with_raw_key};
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::{CertificateError, DigitallySignedStruct, Error, PeerMisbehaved};

use crate::net::der::{self, DerElement, SEQUENCE};

/// The tag of the version of a certificate, which those of version 1 have not (RFC 5280 §4.1).
const VERSION: u8 = 0xA0;
/// The tag of a BIT STRING.
const BIT_STRING: u8 = 0x03;

/// Parts of a certificate (RFC 5280 §4.1).
#[derive(Clone, Copy, Debug)]
pub(super) struct CertificateParts<'a> {
    /// The name of whoever has signed it.
    pub(super) issuer: DerElement<'a>,
    /// The name of whom it is for.
    pub(super) subject: DerElement<'a>,
    /// The SubjectPublicKeyInfo.
    pub(super) key: DerElement<'a>,
}

/// Takes a certificate apart.
///
/// # Errors
/// `BadEncoding` if it is none.
pub(super) fn parts(certificate: &[u8]) -> Result<CertificateParts<'_>, Error> {
    split(certificate).ok_or(CertificateError::BadEncoding.into())
}

fn split(certificate: &[u8]) -> Option<CertificateParts<'_>> {
    let sequence = |der| der::split(der).filter(|(element, _)| element.tag == SEQUENCE);
    let (certificate, _) = sequence(certificate)?;
    let (body, _) = sequence(certificate.contents)?;
    let behind_version = match der::split(body.contents)? {
        (version, rest) if version.tag == VERSION => rest,
        _ => body.contents,
    };
    let (_serial, rest) = der::split(behind_version)?;
    let (_algorithm, rest) = sequence(rest)?;
    let (issuer, rest) = sequence(rest)?;
    let (_validity, rest) = sequence(rest)?;
    let (subject, rest) = sequence(rest)?;
    let (key, _) = sequence(rest)?;
    Some(CertificateParts {
        issuer,
        subject,
        key,
    })
}

/// Verifies the signature of a handshake of TLS 1.2 by the key in `certificate`.
///
/// # Errors
/// The signature is not by this key, or of a kind that is not offered.
pub(super) fn verify_tls12_signature(
    message: &[u8],
    certificate: &[u8],
    signed: &DigitallySignedStruct,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<HandshakeSignatureValid, Error> {
    let key = parts(certificate)?.key;
    let (identifier, rest) = der::split(key.contents).ok_or(CertificateError::BadEncoding)?;
    let octets = match der::split(rest) {
        // The first octet says how many bits of the last are no part of the key: none.
        Some((bits, _)) if bits.tag == BIT_STRING => bits.contents.strip_prefix(&[0]),
        _ => None,
    };
    let octets = octets.ok_or(CertificateError::BadEncoding)?;
    let mut offered = algorithms.mapping.iter();
    let (_, candidates) = offered
        .find(|(scheme, _)| *scheme == signed.scheme)
        .ok_or(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme)?;
    // The schemes of TLS 1.2 name no curve: it is that of the key.
    let mut candidates = candidates.iter();
    let algorithm = candidates
        .find(|algorithm| *algorithm.public_key_alg_id() == *identifier.contents)
        .ok_or(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme)?;
    algorithm
        .verify_signature(octets, message, signed.signature())
        .map_err(|_| CertificateError::BadSignature)?;
    Ok(HandshakeSignatureValid::assertion())
}

/// Verifies the signature of a handshake of TLS 1.3 by the key in `certificate`.
///
/// # Errors
/// The signature is not by this key, or of a kind that is not offered.
pub(super) fn verify_tls13_signature(
    message: &[u8],
    certificate: &[u8],
    signed: &DigitallySignedStruct,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<HandshakeSignatureValid, Error> {
    let key = SubjectPublicKeyInfoDer::from(parts(certificate)?.key.whole);
    verify_tls13_signature_with_raw_key(message, &key, signed, algorithms)
}
