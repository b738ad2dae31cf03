//! Octets as text of one line, as the files of dialogues have them.

/// Appends octets with controls, backslashes and what is no UTF-8 as escapes.
pub(crate) fn escape(octets: &[u8], out: &mut Vec<u8>) {
    for chunk in octets.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\r' => out.extend_from_slice(b"\\r"),
                '\n' => out.extend_from_slice(b"\\n"),
                '\t' => out.extend_from_slice(b"\\t"),
                '\\' => out.extend_from_slice(b"\\\\"),
                character if is_shown(character) => {
                    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                }
                character => {
                    let octets = &mut [0; 4];
                    let octets = character.encode_utf8(octets).as_bytes();
                    octets.iter().for_each(|octet| escape_octet(*octet, out));
                }
            }
        }
        let invalid = chunk.invalid();
        invalid.iter().for_each(|octet| escape_octet(*octet, out));
    }
}

/// Whether a terminal shows a character where it stands: not a control, and none that changes the direction of text or ends a line.
fn is_shown(character: char) -> bool {
    !character.is_control()
        && !matches!(character, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}')
}

fn escape_octet(octet: u8, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let (high, low) = (usize::from(octet >> 4), usize::from(octet & 0xF));
    out.extend_from_slice(&[b'\\', b'x', DIGITS[high], DIGITS[low]]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controls_are_escaped_and_letters_stay() {
        for (octets, shown) in [
            (&b"a\r\n\t\\\x1B[2J"[..], "a\\r\\n\\t\\\\\\x1B[2J"),
            (
                "b\u{fc}cher\u{9b}\u{202e}".as_bytes(),
                "b\u{fc}cher\\xC2\\x9B\\xE2\\x80\\xAE",
            ),
            (b"\xFF\xC3", "\\xFF\\xC3"),
        ] {
            let mut out = Vec::new();
            escape(octets, &mut out);
            assert_eq!(String::from_utf8_lossy(&out), shown);
        }
    }
}
