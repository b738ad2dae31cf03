//! Elements of DER (X.690 §8.1), as far as certificates are looked into here.

/// The tag of a SEQUENCE.
pub(super) const SEQUENCE: u8 = 0x30;

/// One element.
#[cfg_attr(not(feature = "tls"), allow(dead_code))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DerElement<'a> {
    pub(super) tag: u8,
    pub(super) contents: &'a [u8],
    /// The contents with the tag and the length before them.
    pub(super) whole: &'a [u8],
}

/// Splits `der` into its first element and the rest.
pub(super) fn split(der: &[u8]) -> Option<(DerElement<'_>, &[u8])> {
    let [tag, length, rest @ ..] = der else {
        return None;
    };
    let (length, rest) = match *length {
        short @ 0..0x80 => (usize::from(short), rest),
        // A length that is told at the end is none of DER (X.690 §10.1).
        0x80 => return None,
        long => {
            let (octets, rest) = rest.split_at_checked(usize::from(long & 0x7F))?;
            let length = octets.iter().try_fold(0_usize, |length, octet| {
                length.checked_mul(256)?.checked_add(usize::from(*octet))
            });
            (length?, rest)
        }
    };
    let (contents, rest) = rest.split_at_checked(length)?;
    let element = DerElement {
        tag: *tag,
        contents,
        whole: &der[..der.len() - rest.len()],
    };
    Some((element, rest))
}

/// Whether these octets are one SEQUENCE and nothing else, as certificates and public keys are.
pub(super) fn is_sequence(der: &[u8]) -> bool {
    split(der).is_some_and(|(element, rest)| element.tag == SEQUENCE && rest.is_empty())
}
