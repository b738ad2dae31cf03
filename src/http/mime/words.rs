//! Encoded words of header fields (RFC 2047).

use super::charset;
use super::transfer::{decode_base64, decode_quoted_printable};

/// The most octets of one word: the standard has 75, programs write more.
const WORD_BYTES_MAX: usize = 4 << 10;

/// An encoded word, taken apart.
struct EncodedWord<'a> {
    charset: &'a str,
    octets: Vec<u8>,
    /// The octets of the whole word.
    length: usize,
}

impl<'a> EncodedWord<'a> {
    /// Reads a word that begins here: `=?charset?encoding?text?=`.
    fn read(value: &'a [u8]) -> Option<Self> {
        let value = &value[..value.len().min(WORD_BYTES_MAX)];
        let inner = value.strip_prefix(b"=?")?;
        let mut marks = memchr::memchr_iter(b'?', inner);
        let (charset_end, encoding_end) = (marks.next()?, marks.next()?);
        // The text of a Q word may begin with an equals sign, which is no end.
        let text_end = marks.find(|mark| inner.get(mark + 1) == Some(&b'='))?;
        let text = inner.get(encoding_end + 1..text_end)?;
        let octets = match &inner[charset_end + 1..encoding_end] {
            b"B" | b"b" => decode_base64(text),
            b"Q" | b"q" => {
                let blanks = |octet: &u8| if *octet == b'_' { b' ' } else { *octet };
                // A blank at the end belongs to the word, which the decoder of bodies would take off.
                let mut text: Vec<u8> = text.iter().map(blanks).collect();
                let length = text.trim_ascii_end().len();
                let end = text.split_off(length);
                [decode_quoted_printable(&text), end].concat()
            }
            _ => return None,
        };
        let charset = str::from_utf8(&inner[..charset_end]).ok()?;
        Some(Self {
            // A language may follow (RFC 2231 §5).
            charset: charset.split('*').next().unwrap_or_default(),
            octets,
            length: text_end + 4,
        })
    }
}

/// Decodes a value. Words of one set that follow each other are one text: some programs cut within a character.
pub(crate) fn decode(value: &[u8]) -> String {
    let mut decoded = String::with_capacity(value.len());
    // What is known of the word before, until something else than another one of its set comes.
    let mut open: Option<(&str, Vec<u8>)> = None;
    let mut rest = value;
    loop {
        let start = memchr::memmem::find(rest, b"=?").unwrap_or(rest.len());
        let (between, at) = rest.split_at(start);
        let word = EncodedWord::read(at);
        // Blanks between two words are none of the text.
        let joins = word.is_some() && open.is_some() && between.trim_ascii().is_empty();
        match (&mut open, &word) {
            (Some((charset, octets)), Some(word)) if joins && *charset == word.charset => {
                octets.extend_from_slice(&word.octets);
            }
            _ => {
                if let Some((charset, octets)) = open.take() {
                    decoded.push_str(&charset::decode(Some(charset), &octets));
                }
                if !joins {
                    decoded.push_str(&charset::decode(None, between));
                }
                open = word
                    .as_ref()
                    .map(|word| (word.charset, word.octets.clone()));
            }
        }
        match word {
            Some(word) => rest = &at[word.length..],
            None if at.is_empty() => return decoded,
            None => {
                let (mark, after) = at.split_at(2);
                decoded.push_str(&charset::decode(None, mark));
                rest = after;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_decoded_where_they_are_ones() {
        for (value, text) in [
            ("plain", "plain"),
            ("=?utf-8?B?Y2Fmw6k=?= now", "caf\u{e9} now"),
            ("=?ISO-8859-1?Q?caf=E9_au_lait?=", "caf\u{e9} au lait"),
            ("=?utf-8?q?a?= =?utf-8?q?b?=", "ab"),
            ("=?utf-8?q?a?= b =?utf-8?q?c?=", "a b c"),
            ("=?utf-8?q?=C3?= =?utf-8?q?=A9?=", "\u{e9}"),
            ("=?utf-8?q?a_?= =?koi8-r?q?=F0?=", "a \u{41f}"),
            ("=?utf-8*de?q?a?=", "a"),
            ("=?utf-8?q?=C3=A9?=", "\u{e9}"),
            ("=?utf-8?x?a?=", "=?utf-8?x?a?="),
            ("=?=?utf-8?q?a?=", "=?a"),
            ("a =? b", "a =? b"),
            ("=?", "=?"),
        ] {
            assert_eq!(decode(value.as_bytes()), text, "{value}");
        }
    }
}
