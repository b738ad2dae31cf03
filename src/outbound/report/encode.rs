//! Text as a report may hold it: printable, in ASCII, in short lines.

use std::fmt::Write;

use crate::smtp::visible::is_visible;

/// The most octets of a line in a message (RFC 5322 §2.1.1), without its end.
pub(super) const LINE_BYTES_MAX: usize = 998;
/// The columns of a line that a person reads: quoted-printable, it fits on its line too.
pub(super) const COLUMNS: usize = 72;
/// The most octets of a word within a field that is folded: with what stands before it, a line keeps its limit.
const WORD_BYTES_MAX: usize = 900;
/// The most octets of an encoded word (RFC 2047 §2) that its text may take.
const ENCODED_WORD_BYTES_MAX: usize = 42;

/// Text of others on one line: what is not visible is a blank, blanks are one, and past so many octets it is cut.
pub(super) fn printable(text: &str, bytes_max: usize) -> String {
    let mut printable = String::new();
    let mut blank_due = false;
    for character in text.chars() {
        if !is_visible(character) {
            blank_due = !printable.is_empty();
            continue;
        }
        if printable.len() + usize::from(blank_due) + character.len_utf8() > bytes_max {
            printable.push_str("...");
            break;
        }
        if core::mem::take(&mut blank_due) {
            printable.push(' ');
        }
        printable.push(character);
    }
    printable
}

/// Text in printable ASCII: any other character is `\x{HEX}`, as addresses are in reports (RFC 6533 §3).
pub(super) fn in_ascii(text: &str) -> String {
    let mut ascii = String::with_capacity(text.len());
    for character in text.chars() {
        if character == ' ' || character.is_ascii_graphic() {
            ascii.push(character);
        } else {
            // Memory takes all that is written.
            let _ = write!(ascii, "\\x{{{:X}}}", u32::from(character));
        }
    }
    ascii
}

/// Whether a local-part can stand in an address of a header as it is: in ASCII, and by the strict grammar of RFC 5322 §3.4.1, or
/// in quotes.
pub(super) fn is_plain_word(local_part: &str) -> bool {
    let is_atom = |atom: &str| !atom.is_empty();
    local_part.is_ascii() && (local_part.starts_with('"') || local_part.split('.').all(is_atom))
}

/// Text as a phrase of encoded words (RFC 2047 §2), folded.
pub(super) fn phrase(text: &str) -> String {
    let mut phrase = String::new();
    let mut word = String::new();
    let mut finish = |word: &mut String| {
        let separator = if phrase.is_empty() { "" } else { "\r\n " };
        let _ = write!(phrase, "{separator}=?utf-8?Q?{word}?=");
        word.clear();
    };
    for character in text.chars() {
        let mut octets = [0; 4];
        let encoded: String = match character {
            plain if plain.is_ascii_alphanumeric() => plain.into(),
            other => {
                let octets = other.encode_utf8(&mut octets).bytes();
                octets.map(|octet| format!("={octet:02X}")).collect()
            }
        };
        if word.len() + encoded.len() > ENCODED_WORD_BYTES_MAX {
            finish(&mut word);
        }
        word.push_str(&encoded);
    }
    finish(&mut word);
    phrase
}

/// Appends a field whose value, printable ASCII on one line, is folded before a blank where the line would be long; a word that
/// is too long for any line is cut.
pub(super) fn put_field(name: &str, value: &str, out: &mut String) {
    out.push_str(name);
    out.push(':');
    let mut column = name.len() + 1;
    let mut is_first = true;
    for word in value.trim().split(' ') {
        for (count, piece) in pieces(word).enumerate() {
            // The first word stays on the line of the name, which would have no value else.
            let is_long = column + 1 + piece.len() > COLUMNS && !piece.is_empty();
            if !is_first && (is_long || count > 0) {
                out.push_str("\r\n");
                column = 0;
            }
            out.push(' ');
            out.push_str(piece);
            column += 1 + piece.len();
            is_first = false;
        }
    }
    out.push_str("\r\n");
}

/// A word of ASCII in pieces that fit on a line: at least one.
fn pieces(word: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(word);
    core::iter::from_fn(move || {
        let word = rest?;
        let cut = word.len().min(WORD_BYTES_MAX);
        let (piece, behind) = word.split_at_checked(cut)?;
        rest = (!behind.is_empty()).then_some(behind);
        Some(piece)
    })
}

/// Whether text can go through any server as it is (RFC 2045 §2.7): ASCII without NUL, in lines of a bounded length that end in
/// CRLF.
pub(super) fn is_seven_bit(text: &[u8]) -> bool {
    let is_plain = |byte: &u8| byte.is_ascii() && !matches!(byte, 0 | b'\r');
    let fits = |line: &[u8]| line.len() <= LINE_BYTES_MAX && line.iter().all(is_plain);
    text.split_inclusive(|byte| *byte == b'\n')
        .all(|line| line.strip_suffix(b"\r\n").is_some_and(fits))
}

/// Appends text as quoted-printable (RFC 2045 §6.7). Its CRLFs stay ends of lines, all other octets come back as they are.
pub(super) fn put_quoted_printable(text: &[u8], out: &mut Vec<u8>) {
    /// A line of it, without the mark that it goes on.
    const LINE_MAX: usize = 75;
    let mut column = 0;
    let mut rest = text;
    while let Some((&byte, behind)) = rest.split_first() {
        if let [b'\r', b'\n', behind @ ..] = rest {
            out.extend_from_slice(b"\r\n");
            column = 0;
            rest = behind;
            continue;
        }
        let ends_line = behind.is_empty() || behind.starts_with(b"\r\n");
        let is_literal = match byte {
            b'=' => false,
            // White space at the end of a line is lost on the way.
            b' ' | b'\t' => !ends_line,
            byte => byte.is_ascii_graphic(),
        };
        let width = if is_literal { 1 } else { 3 };
        if column + width > LINE_MAX {
            out.extend_from_slice(b"=\r\n");
            column = 0;
        }
        if is_literal {
            out.push(byte);
        } else {
            out.extend_from_slice(format!("={byte:02X}").as_bytes());
        }
        column += width;
        rest = behind;
    }
}
