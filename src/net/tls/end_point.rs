//! The channel binding `tls-server-end-point` (RFC 5929 §4), which follows from a certificate.

use ring::digest;

use crate::net::der;

/// The hash of a certificate by the algorithm of its own signature (RFC 5929 §4.1), if that has just one.
#[must_use]
pub fn end_point(certificate: &[u8]) -> Option<Box<[u8]>> {
    // The object identifiers of RFC 4055 §5, RFC 5758 §3.2 and RFC 3279 §2.2, without those of RSA-PSS, which has its
    // hash among its parameters, and of Ed25519, which has none.
    const RSA: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01];
    const ECDSA: &[u8] = &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x03];
    let (parts, _) = der::split(certificate)?;
    let (_, behind_body) = der::split(parts.contents)?;
    let (algorithm, _) = der::split(behind_body)?;
    let (identifier, _) = der::split(algorithm.contents)?;
    let hash = match identifier.contents.split_last()? {
        // RFC 5929 §4.1: what was signed by SHA-1 is hashed by SHA-256.
        (5 | 11, RSA) | (2, ECDSA) => &digest::SHA256,
        (12, RSA) | (3, ECDSA) => &digest::SHA384,
        (13, RSA) | (4, ECDSA) => &digest::SHA512,
        (1, [0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04]) => &digest::SHA256,
        _ => return None,
    };
    Some(digest::digest(hash, certificate).as_ref().into())
}
