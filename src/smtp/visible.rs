//! The characters that can be shown as they are, in a log or on a terminal, whoever they are from.

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
