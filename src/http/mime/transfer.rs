//! Transfer encodings (RFC 2045 §6), decoded leniently: what is no code is left out, or stays as it is.

use std::borrow::Cow;

/// The encoding of a body. An unknown one is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TransferEncoding {
    /// 7bit, 8bit, binary.
    Identity,
    /// Base64.
    Base64,
    /// Quoted-printable.
    QuotedPrintable,
}

impl TransferEncoding {
    /// Reads the value of Content-Transfer-Encoding.
    pub(crate) fn from_value(value: &str) -> Self {
        match &*value.trim().to_ascii_lowercase() {
            "base64" => Self::Base64,
            "quoted-printable" => Self::QuotedPrintable,
            _ => Self::Identity,
        }
    }

    /// Decodes a body.
    pub(crate) fn decode(self, body: &[u8]) -> Cow<'_, [u8]> {
        match self {
            Self::Identity => Cow::Borrowed(body),
            Self::Base64 => Cow::Owned(decode_base64(body)),
            Self::QuotedPrintable => Cow::Owned(decode_quoted_printable(body)),
        }
    }
}

/// No value of [`BASE64_VALUES`].
const NO_VALUE: u8 = 0xff;
/// The value of each octet in base64, also in the alphabet for addresses of the web (RFC 4648 §5).
const BASE64_VALUES: [u8; 256] = {
    let mut values = [NO_VALUE; 256];
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut value = 0;
    while value < 64 {
        values[alphabet[value as usize] as usize] = value;
        value += 1;
    }
    values[b'-' as usize] = 62;
    values[b'_' as usize] = 63;
    values
};

/// Decodes base64. Octets beyond its alphabet are skipped, and padding begins it anew, as where two texts were put together.
pub(crate) fn decode_base64(text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len() / 4 * 3 + 3);
    let (mut bits, mut count) = (0_u32, 0);
    for octet in text {
        let value = BASE64_VALUES[usize::from(*octet)];
        if value != NO_VALUE {
            bits = bits << 6 | u32::from(value);
            count += 1;
        }
        if count == 4 {
            decoded.extend_from_slice(&bits.to_be_bytes()[1..]);
            (bits, count) = (0, 0);
        } else if *octet == b'=' {
            put_rest(bits, count, &mut decoded);
            (bits, count) = (0, 0);
        }
    }
    put_rest(bits, count, &mut decoded);
    decoded
}

/// Appends the octets of a group of fewer than four characters.
fn put_rest(bits: u32, count: u32, decoded: &mut Vec<u8>) {
    let octets = (bits << (6 * (4 - count))).to_be_bytes();
    match count {
        2 => decoded.push(octets[1]),
        3 => decoded.extend_from_slice(&octets[1..3]),
        _ => {}
    }
}

/// Decodes quoted-printable. An equals sign that begins no code stays.
pub(crate) fn decode_quoted_printable(text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    for line in text.split_inclusive(|octet| *octet == b'\n') {
        let content = line.trim_ascii_end();
        let mut rest = content;
        while let Some(at) = memchr::memchr(b'=', rest) {
            decoded.extend_from_slice(&rest[..at]);
            rest = &rest[at + 1..];
            match decode_hex(rest) {
                Some(octet) => {
                    decoded.push(octet);
                    rest = &rest[2..];
                }
                None if rest.is_empty() => {}
                None => decoded.push(b'='),
            }
        }
        decoded.extend_from_slice(rest);
        // Blanks at the end of a line were added on its way; an equals sign there joins it with the next one.
        if !content.ends_with(b"=") {
            let blanks = &line[content.len()..];
            let end = blanks
                .iter()
                .position(|octet| matches!(octet, b'\r' | b'\n'));
            decoded.extend_from_slice(&blanks[end.unwrap_or(blanks.len())..]);
        }
    }
    decoded
}

/// Decodes the octet that two hexadecimal digits stand for.
pub(crate) fn decode_hex(text: &[u8]) -> Option<u8> {
    let digits = str::from_utf8(text.get(..2)?).ok()?;
    let are_digits = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    are_digits.then(|| u8::from_str_radix(digits, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_decoded_with_all_that_surrounds_it() {
        for (text, decoded) in [
            ("", &b""[..]),
            ("aGVsbG8=", b"hello"),
            ("aGVs\r\nbG8=\r\n", b"hello"),
            ("aGVsbG8", b"hello"),
            ("aGVsbG8=aGVsbG8=", b"hellohello"),
            ("-_8=", b"\xfb\xff"),
            ("!!", b""),
        ] {
            assert_eq!(decode_base64(text.as_bytes()), decoded, "{text}");
        }
    }

    #[test]
    fn quoted_printable_keeps_what_is_no_code() {
        for (text, decoded) in [
            ("caf=C3=A9", "caf\u{e9}"),
            ("a=\r\nb", "ab"),
            ("a= \t\r\nb", "ab"),
            ("a \t\r\nb", "a\r\nb"),
            ("a=3d=3D\n", "a==\n"),
            ("1=2 =XY =", "1=2 =XY "),
            ("a\r\n\r\nb", "a\r\n\r\nb"),
        ] {
            let octets = decode_quoted_printable(text.as_bytes());
            assert_eq!(String::from_utf8_lossy(&octets), decoded, "{text:?}");
        }
    }
}
