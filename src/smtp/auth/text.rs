//! Encodings of names, passwords and messages in SASL.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Prepares a name or a password, so that however it was typed it is always the same octets (SASLprep, RFC 4013). `None` if
/// it holds what must not be in one.
#[must_use]
pub fn saslprep(text: &str) -> Option<Cow<'_, str>> {
    stringprep::saslprep(text).ok()
}

/// Base64 in one line (RFC 4648 §4).
#[must_use]
pub fn to_base64(octets: &[u8]) -> String {
    STANDARD.encode(octets)
}

/// Decodes base64; `None` if it is anything but what [`to_base64`] writes.
#[must_use]
pub fn from_base64(text: &[u8]) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// Writes a name where a comma ends it: `saslname` in RFC 5802 §7.
#[must_use]
pub fn to_saslname(name: &str) -> String {
    name.replace('=', "=3D").replace(',', "=2C")
}

/// Reads such a name; `None` if it is empty, or `=` stands for something else.
#[must_use]
pub fn from_saslname(text: &str) -> Option<String> {
    let mut parts = text.split('=');
    let mut name = parts.next()?.to_owned();
    for part in parts {
        let (character, rest) = part
            .strip_prefix("2C")
            .map(|rest| (',', rest))
            .or_else(|| part.strip_prefix("3D").map(|rest| ('=', rest)))?;
        name.push(character);
        name += rest;
    }
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_passwords_are_prepared() {
        // RFC 4013 §3.
        for (typed, prepared) in [
            ("I\u{ad}X", Some("IX")),
            ("user", Some("user")),
            ("USER", Some("USER")),
            ("\u{aa}", Some("a")),
            ("\u{2168}", Some("IX")),
            ("a\u{a0}b", Some("a b")),
            ("\u{7}", None),
            ("\u{627}1", None),
        ] {
            assert_eq!(saslprep(typed).as_deref(), prepared, "{typed:?}");
        }
    }

    #[test]
    fn base64_is_written_in_one_way_only() {
        for octets in [&b""[..], b"a", b"ab", b"abc", &[0, 255, 254]] {
            let text = to_base64(octets);
            assert_eq!(from_base64(text.as_bytes()).as_deref(), Some(octets));
        }
        for wrong in [
            "YQ", "YQ=", "YR==", "Y Q=", "YQ==\n", "=", "====", "\u{e4}", "YWI-",
        ] {
            assert_eq!(from_base64(wrong.as_bytes()), None, "{wrong:?}");
        }
    }

    #[test]
    fn commas_in_a_name_are_escaped() {
        for name in ["ada", "a,b=c", "=2C", ",", "\u{e4}"] {
            let written = to_saslname(name);
            assert!(!written.contains(','));
            assert_eq!(from_saslname(&written).as_deref(), Some(name));
        }
        for wrong in ["", "=", "a=", "a=2", "a=2c", "=2D", "a==3D"] {
            assert_eq!(from_saslname(wrong), None, "{wrong:?}");
        }
    }
}
