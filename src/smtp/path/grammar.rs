//! Octets, limits and faults of an address (RFC 5321 §4.1.2, §4.5.3.1).

/// The most octets of a domain (RFC 5321 §4.5.3.1.2).
pub const DOMAIN_BYTES_MAX: usize = 255;
/// The most octets of a path, its punctuation counted in (RFC 5321 §4.5.3.1.3).
pub const PATH_BYTES_MAX: usize = 256;

/// Why an address was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathError {
    /// The address does not follow RFC 5321 §4.1.2.
    Syntax,
    /// Its domain or whole is over its limit.
    TooLong,
    /// The address holds octets beyond ASCII where nobody asked for SMTPUTF8 (RFC 6531), or such as no address may hold:
    /// they are no UTF-8, no domain, or the end of a line to whoever reads Unicode.
    NonAscii,
}

/// `atext` (RFC 5322 §3.2.3, RFC 6531 §3.3).
fn is_atext(byte: u8) -> bool {
    !byte.is_ascii() || byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte)
}

/// Whether a local-part may hold this octet without quotes.
pub(super) fn is_unquoted(byte: u8) -> bool {
    byte == b'.' || is_atext(byte)
}

pub(super) fn is_printable(byte: u8) -> bool {
    byte == b' ' || byte.is_ascii_graphic()
}

/// Whether it ends a line, or moves a terminal's cursor: the controls beyond ASCII, and the separators of Unicode. The
/// grammar has them, but a header field that holds an address is to stay one field, and a log line one line.
pub(super) fn ends_line(character: char) -> bool {
    character.is_control() || matches!(character, '\u{2028}' | '\u{2029}')
}
