//! The channel binding `tls-server-end-point` (RFC 5929 §4), which follows from a certificate.

use ring::digest;

/// The hash of a certificate by the algorithm of its own signature (RFC 5929 §4.1), if that has just one.
#[must_use]
pub fn end_point(certificate: &[u8]) -> Option<Box<[u8]>> {
    // The object identifiers of RFC 4055 §5, RFC 5758 §3.2 and RFC 3279 §2.2, without those of RSA-PSS, which has its
    // hash among its parameters, and of Ed25519, which has none.
    const RSA: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01];
    const ECDSA: &[u8] = &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x03];
    let (certificate_body, _) = element(certificate)?;
    let (_, behind_body) = element(certificate_body)?;
    let (algorithm, _) = element(behind_body)?;
    let (identifier, _) = element(algorithm)?;
    let hash = match identifier.split_last()? {
        // RFC 5929 §4.1: what was signed by SHA-1 is hashed by SHA-256.
        (5 | 11, RSA) | (2, ECDSA) => &digest::SHA256,
        (12, RSA) | (3, ECDSA) => &digest::SHA384,
        (13, RSA) | (4, ECDSA) => &digest::SHA512,
        (1, [0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04]) => &digest::SHA256,
        _ => return None,
    };
    Some(digest::digest(hash, certificate).as_ref().into())
}

/// Splits `der` into the contents of its first element and the rest (X.690 §8.1).
fn element(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let [_tag, length, rest @ ..] = der else {
        return None;
    };
    let (length, rest) = match *length {
        short @ 0..0x80 => (usize::from(short), rest),
        long => {
            let (octets, rest) = rest.split_at_checked(usize::from(long & 0x7F))?;
            let length = octets.iter().try_fold(0_usize, |length, octet| {
                length.checked_mul(256)?.checked_add(usize::from(*octet))
            });
            (length?, rest)
        }
    };
    rest.split_at_checked(length)
}
