//! Character sets: those of one octet a character that mail in European languages has, and Unicode.
//!
//! Tables of the Asian ones would take more of the binary than all else of HTTP. Such a text shows as what of it is UTF-8; its
//! octets are in the message's source.

/// The upper parts of the sets that are no Unicode, up to 0xFF: 128 characters, or 96 where controls come before them.
#[rustfmt::skip]
const UPPER_PARTS: &[(&str, &str)] = &[
    (
        "iso-8859-2",
        "\u{a0}Ą˘Ł¤ĽŚ§¨ŠŞŤŹ\u{ad}ŽŻ°ą˛ł´ľśˇ¸šşťź˝žż\
         ŔÁÂĂÄĹĆÇČÉĘËĚÍÎĎĐŃŇÓÔŐÖ×ŘŮÚŰÜÝŢß\
         ŕáâăäĺćçčéęëěíîďđńňóôőö÷řůúűüýţ˙",
    ),
    (
        "iso-8859-5",
        "\u{a0}ЁЂЃЄЅІЇЈЉЊЋЌ\u{ad}ЎЏАБВГДЕЖЗИЙКЛМНОП\
         РСТУФХЦЧШЩЪЫЬЭЮЯабвгдежзийклмноп\
         рстуфхцчшщъыьэюя№ёђѓєѕіїјљњћќ§ўџ",
    ),
    (
        "iso-8859-7",
        "\u{a0}‘’£€₯¦§¨©ͺ«¬\u{ad}�―°±²³΄΅Ά·ΈΉΊ»Ό½ΎΏ\
         ΐΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡ�ΣΤΥΦΧΨΩΪΫάέήί\
         ΰαβγδεζηθικλμνξοπρςστυφχψωϊϋόύώ�",
    ),
    (
        "iso-8859-9",
        "\u{a0}¡¢£¤¥¦§¨©ª«¬\u{ad}®¯°±²³´µ¶·¸¹º»¼½¾¿\
         ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏĞÑÒÓÔÕÖ×ØÙÚÛÜİŞß\
         àáâãäåæçèéêëìíîïğñòóôõö÷øùúûüışÿ",
    ),
    (
        "iso-8859-15",
        "\u{a0}¡¢£€¥Š§š©ª«¬\u{ad}®¯°±²³Žµ¶·ž¹º»ŒœŸ¿\
         ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑÒÓÔÕÖ×ØÙÚÛÜÝÞß\
         àáâãäåæçèéêëìíîïðñòóôõö÷øùúûüýþÿ",
    ),
    (
        "windows-1250",
        "€�‚�„…†‡�‰Š‹ŚŤŽŹ�‘’“”•–—�™š›śťžź\
         \u{a0}ˇ˘Ł¤Ą¦§¨©Ş«¬\u{ad}®Ż°±˛ł´µ¶·¸ąş»Ľ˝ľż\
         ŔÁÂĂÄĹĆÇČÉĘËĚÍÎĎĐŃŇÓÔŐÖ×ŘŮÚŰÜÝŢß\
         ŕáâăäĺćçčéęëěíîďđńňóôőö÷řůúűüýţ˙",
    ),
    (
        "windows-1251",
        "ЂЃ‚ѓ„…†‡€‰Љ‹ЊЌЋЏђ‘’“”•–—�™љ›њќћџ\
         \u{a0}ЎўЈ¤Ґ¦§Ё©Є«¬\u{ad}®Ї°±Ііґµ¶·ё№є»јЅѕї\
         АБВГДЕЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯ\
         абвгдежзийклмнопрстуфхцчшщъыьэюя",
    ),
    (
        "windows-1252",
        "€�‚ƒ„…†‡ˆ‰Š‹Œ�Ž��‘’“”•–—˜™š›œ�žŸ\
         \u{a0}¡¢£¤¥¦§¨©ª«¬\u{ad}®¯°±²³´µ¶·¸¹º»¼½¾¿\
         ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑÒÓÔÕÖ×ØÙÚÛÜÝÞß\
         àáâãäåæçèéêëìíîïðñòóôõö÷øùúûüýþÿ",
    ),
    (
        "windows-1253",
        "€�‚ƒ„…†‡�‰�‹�����‘’“”•–—�™�›����\
         \u{a0}΅Ά£¤¥¦§¨©�«¬\u{ad}®―°±²³΄µ¶·ΈΉΊ»Ό½ΎΏ\
         ΐΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡ�ΣΤΥΦΧΨΩΪΫάέήί\
         ΰαβγδεζηθικλμνξοπρςστυφχψωϊϋόύώ�",
    ),
    (
        "koi8-r",
        "─│┌┐└┘├┤┬┴┼▀▄█▌▐░▒▓⌠■∙√≈≤≥\u{a0}⌡°²·÷\
         ═║╒ё╓╔╕╖╗╘╙╚╛╜╝╞╟╠╡Ё╢╣╤╥╦╧╨╩╪╫╬©\
         юабцдефгхийклмнопярстужвьызшэщчъ\
         ЮАБЦДЕФГХИЙКЛМНОПЯРСТУЖВЬЫЗШЭЩЧЪ",
    ),
    (
        "koi8-u",
        "─│┌┐└┘├┤┬┴┼▀▄█▌▐░▒▓⌠■∙√≈≤≥\u{a0}⌡°²·÷\
         ═║╒ёє╔ії╗╘╙╚╛ґ╝╞╟╠╡ЁЄ╣ІЇ╦╧╨╩╪Ґ╬©\
         юабцдефгхийклмнопярстужвьызшэщчъ\
         ЮАБЦДЕФГХИЙКЛМНОПЯРСТУЖВЬЫЗШЭЩЧЪ",
    ),
];

/// Other names of those sets (RFC 2978), in lower case. Latin 1 is read as the superset that writes it mostly mean.
const CHARSET_ALIASES: &[(&str, &str)] = &[
    ("cp1250", "windows-1250"),
    ("cp1251", "windows-1251"),
    ("cp1252", "windows-1252"),
    ("cp1253", "windows-1253"),
    ("iso-8859-1", "windows-1252"),
    ("iso8859-1", "windows-1252"),
    ("iso_8859-1", "windows-1252"),
    ("iso8859-15", "iso-8859-15"),
    ("iso_8859-15", "iso-8859-15"),
    ("latin1", "windows-1252"),
    ("latin2", "iso-8859-2"),
    ("latin5", "iso-8859-9"),
    ("latin-9", "iso-8859-15"),
    ("windows-1254", "iso-8859-9"),
];

/// Decodes a text. Octets that its set has no character for become U+FFFD.
///
/// Without a name of a set, or with one of ASCII, a text is UTF-8 if it can be, else Windows-1252: such mail is older than UTF-8.
pub(crate) fn decode(charset: Option<&str>, octets: &[u8]) -> String {
    let label = charset.unwrap_or_default().trim().to_ascii_lowercase();
    let alias = CHARSET_ALIASES.iter().find(|(alias, _)| *alias == label);
    let name = alias.map_or(&*label, |(_, name)| *name);
    if let Some((_, upper)) = UPPER_PARTS.iter().find(|(known, _)| *known == name) {
        return decode_single(upper, octets);
    }
    match name {
        "utf-16" if octets.starts_with(b"\xff\xfe") => decode_utf16(octets, u16::from_le_bytes),
        "utf-16le" => decode_utf16(octets, u16::from_le_bytes),
        "utf-16" | "utf-16be" => decode_utf16(octets, u16::from_be_bytes),
        "" | "ascii" | "us-ascii" => match str::from_utf8(octets) {
            Ok(text) => text.to_owned(),
            Err(_) => decode(Some("windows-1252"), octets),
        },
        _ => String::from_utf8_lossy(octets).into_owned(),
    }
}

/// Decodes a set of one octet a character, the lower part of which is ASCII.
fn decode_single(upper: &str, octets: &[u8]) -> String {
    let upper: Vec<char> = upper.chars().collect();
    let first = 256 - upper.len();
    let decode_one = |octet: &u8| match usize::from(*octet).checked_sub(first) {
        Some(position) => upper[position],
        None => char::from(*octet),
    };
    octets.iter().map(decode_one).collect()
}

/// Decodes UTF-16, without the mark that may come first.
fn decode_utf16(octets: &[u8], unit: fn([u8; 2]) -> u16) -> String {
    let units = octets
        .chunks_exact(2)
        .map(|pair| unit([pair[0], pair[1]]))
        .filter(|unit| *unit != 0xfeff);
    char::decode_utf16(units)
        .map(|character| character.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_reaches_to_the_last_octet() {
        for (name, upper) in UPPER_PARTS {
            let characters = upper.chars().count();
            assert!(matches!(characters, 96 | 128), "{name}: {characters}");
        }
        for (alias, name) in CHARSET_ALIASES {
            assert!(
                UPPER_PARTS.iter().any(|(known, _)| known == name),
                "{alias}"
            );
        }
    }

    #[test]
    fn texts_are_decoded_as_their_sets_say() {
        for (charset, octets, text) in [
            (None, &b"caf\xc3\xa9"[..], "caf\u{e9}"),
            (None, b"caf\xe9 \x80", "caf\u{e9} \u{20ac}"),
            (Some("UTF-8"), b"caf\xe9", "caf\u{fffd}"),
            (Some("US-ASCII"), b"caf\xe9", "caf\u{e9}"),
            (
                Some("iso-8859-1"),
                b"\x93\xe9\x94",
                "\u{201c}\u{e9}\u{201d}",
            ),
            (Some("ISO-8859-15"), b"\xa4\x85", "\u{20ac}\u{85}"),
            (Some("windows-1251"), b"\xcf\xf0", "\u{41f}\u{440}"),
            (Some("KOI8-R"), b"\xf0\xd2", "\u{41f}\u{440}"),
            (Some("utf-16"), b"\xff\xfea\0", "a"),
            (Some("utf-16be"), b"\0a\xd8\0", "a\u{fffd}"),
            (Some("x-unknown"), b"a\xff", "a\u{fffd}"),
        ] {
            assert_eq!(decode(charset, octets), text, "{charset:?}");
        }
    }
}
