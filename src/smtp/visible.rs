//! The characters that can be shown as they are, in a log or on a terminal, whoever they are from.

use core::fmt;

/// Whether it is seen where it stands, and turns nothing around: no control, no white space, no mark of Unicode that is
/// invisible or changes the direction. What is written onto the character before it, as accents may be, is seen.
#[must_use]
pub fn is_visible(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_graphic();
    }
    // The library knows which these are, but escapes an accent that has nothing before it.
    let mut bytes = [b'x'; 1 + 4];
    let length = 1 + character.encode_utf8(&mut bytes[1..]).len();
    let accented = str::from_utf8(&bytes[..length]).unwrap_or_default();
    accented.escape_debug().nth(1) == Some(character)
}

/// Writes a text in which all characters are escaped that are not harmless. What lies between two of them is written at once.
pub(super) fn write_escaped(
    out: &mut impl fmt::Write,
    text: &str,
    is_harmless: impl Fn(char) -> bool,
) -> fmt::Result {
    // What is in ASCII mostly is harmless altogether.
    if text
        .bytes()
        .all(|octet| octet.is_ascii() && is_harmless(octet.into()))
    {
        return out.write_str(text);
    }
    let mut rest = text;
    while let Some((at, character)) = rest.char_indices().find(|(_, it)| !is_harmless(*it)) {
        write!(out, "{}{}", &rest[..at], character.escape_default())?;
        rest = &rest[at + character.len_utf8()..];
    }
    out.write_str(rest)
}
