//! Words that commands and parameters are made of (RFC 5321 §4.1.2, RFC 3461 §4).

use super::path::DOMAIN_BYTES_MAX;
use super::reply::{self, Reply};

/// Splits an argument at its spaces, of which there may be any number.
pub(super) fn words_of(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes
        .split(|byte| *byte == b' ')
        .filter(|word| !word.is_empty())
}

/// Splits `esmtp-keyword ["=" esmtp-value]` (RFC 5321 §4.1.2). A value that is not there is empty.
pub(super) fn split_parameter(parameter: &[u8]) -> Result<(&[u8], &[u8]), Reply> {
    let equals = parameter.iter().position(|byte| *byte == b'=');
    let (keyword, value) = match equals {
        Some(at) => (&parameter[..at], &parameter[at + 1..]),
        None => (parameter, &[][..]),
    };
    let named = keyword.first().is_some_and(u8::is_ascii_alphanumeric)
        && keyword
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-');
    let valued = value
        .iter()
        .all(|byte| byte.is_ascii_graphic() && *byte != b'=');
    if named && valued && (equals.is_none() || !value.is_empty()) {
        Ok((keyword, value))
    } else {
        Err(reply::BAD_ARGUMENT)
    }
}

/// Reads the name after HELO: anything printable, spaces within it. RFC 5321 §4.1.4 forbids to refuse mail over a name that
/// is merely wrong.
pub(super) fn hello_name(argument: &[u8]) -> Result<&str, Reply> {
    let fits = (1..=DOMAIN_BYTES_MAX).contains(&argument.len());
    let is_printable = |byte: &u8| *byte == b' ' || byte.is_ascii_graphic();
    let printable = argument.iter().all(is_printable);
    str::from_utf8(argument)
        .ok()
        .filter(|_| fits && printable)
        .ok_or(reply::BAD_HELLO)
}

/// Decodes `xtext` (RFC 3461 §4), in which `+41` stands for `A`.
pub(super) fn from_xtext(text: &[u8]) -> Result<Vec<u8>, Reply> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, behind)) = rest.split_first() {
        let (octet, behind) = match (first, behind) {
            (b'+', [high, low, behind @ ..]) => {
                let digit = |octet: u8| (octet as char).to_digit(16);
                let value = digit(*high).zip(digit(*low));
                let value = value.and_then(|(high, low)| u8::try_from(16 * high + low).ok());
                (value.ok_or(reply::BAD_ARGUMENT)?, behind)
            }
            (b'+', _) => return Err(reply::BAD_ARGUMENT),
            _ => (first, behind),
        };
        decoded.push(octet);
        rest = behind;
    }
    Ok(decoded)
}
