//! Header sections (RFC 5322 §2.2), read as leniently as mail clients do.

use super::charset;
use super::words;

/// The most octets that a header section is read for; fields after them are none.
const HEADER_BYTES_MAX: usize = 1 << 20;
/// The most fields of one header section.
const FIELDS_MAX: usize = 2_000;
/// The most octets of one value that are decoded, as for its words and addresses.
const VALUE_BYTES_MAX: usize = 64 << 10;

/// The fields of a message or of one of its parts, in their order.
#[derive(Debug, Default)]
pub(crate) struct HeaderSection<'a> {
    fields: Vec<HeaderField<'a>>,
}

/// A field as it came, over one or more lines.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeaderField<'a> {
    /// The name, of visible ASCII.
    pub name: &'a str,
    /// The octets between the colon and the end of the last line.
    value: &'a [u8],
}

impl<'a> HeaderSection<'a> {
    /// Splits the text of a message or part into its header section and its body.
    ///
    /// A text whose first line is no field has no header section. Later lines that are no fields are skipped, but for one with which
    /// a delimiter of a multipart may begin: such a section ends there, without an empty line.
    pub(crate) fn split(text: &'a [u8]) -> (Self, &'a [u8]) {
        let mut section = Self::default();
        let mut at = 0;
        while at < text.len() && at < HEADER_BYTES_MAX && section.fields.len() < FIELDS_MAX {
            let end = end_of_field(text, at);
            let line = &text[at..end];
            if matches!(line, b"\r\n" | b"\n") {
                return (section, &text[end..]);
            }
            match HeaderField::parse(line) {
                Some(field) => section.fields.push(field),
                None if section.fields.is_empty() || line.starts_with(b"--") => break,
                None => {}
            }
            at = end;
        }
        (section, &text[at..])
    }

    /// The fields, in their order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &HeaderField<'a>> {
        self.fields.iter()
    }

    /// The first field of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&HeaderField<'a>> {
        self.fields
            .iter()
            .find(|field| field.name.eq_ignore_ascii_case(name))
    }

    /// The value of the first field of this name, with its encoded words decoded; empty if there is none.
    pub(crate) fn decoded(&self, name: &str) -> String {
        self.get(name).map(HeaderField::decoded).unwrap_or_default()
    }
}

impl<'a> HeaderField<'a> {
    fn parse(line: &'a [u8]) -> Option<Self> {
        let colon = memchr::memchr(b':', line)?;
        let name = str::from_utf8(&line[..colon]).ok()?.trim_end();
        let is_name = !name.is_empty() && name.bytes().all(|octet| octet.is_ascii_graphic());
        is_name.then_some(Self {
            name,
            value: &line[colon + 1..],
        })
    }

    /// The value on one line: each fold is a blank.
    pub(crate) fn unfolded(&self) -> Vec<u8> {
        let lines = self.value.split(|octet| *octet == b'\n');
        let lines = lines.map(<[u8]>::trim_ascii);
        let lines: Vec<&[u8]> = lines.filter(|line| !line.is_empty()).collect();
        lines.join(&b' ')
    }

    /// As much of the unfolded value as is decoded.
    pub(crate) fn bounded(&self) -> Vec<u8> {
        let mut value = self.unfolded();
        value.truncate(VALUE_BYTES_MAX);
        value
    }

    /// The unfolded value as text, with its encoded words as they are.
    pub(crate) fn text(&self) -> String {
        charset::decode(None, &self.unfolded())
    }

    /// The value with its encoded words (RFC 2047) decoded.
    pub(crate) fn decoded(&self) -> String {
        words::decode(&self.bounded())
    }
}

/// Finds the end of the field that starts here: of the first line that no blank continues.
fn end_of_field(text: &[u8], start: usize) -> usize {
    let mut at = start;
    loop {
        let Some(newline) = memchr::memchr(b'\n', &text[at..]) else {
            return text.len();
        };
        at += newline + 1;
        let is_empty = matches!(&text[start..at], b"\r\n" | b"\n");
        let is_continued = matches!(text.get(at), Some(b' ' | b'\t'));
        if is_empty || !is_continued || at - start > HEADER_BYTES_MAX {
            return at;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> (Vec<(String, String)>, String) {
        let (section, body) = HeaderSection::split(text.as_bytes());
        let fields = section
            .iter()
            .map(|field| (field.name.to_owned(), field.text()));
        (fields.collect(), String::from_utf8_lossy(body).into_owned())
    }

    #[test]
    fn a_header_section_ends_at_the_first_empty_line() {
        let (fields, body) = values("A: 1\r\nB : 2\r\n  3\r\n\tx\r\n\r\nC: 4\r\n");
        let expected = [("A", "1"), ("B", "2 3 x")];
        assert_eq!(
            fields,
            expected.map(|(name, value)| (name.into(), value.into()))
        );
        assert_eq!(body, "C: 4\r\n");
    }

    #[test]
    fn a_text_without_fields_is_all_body() {
        assert_eq!(
            values("hello\r\nthere: you\r\n"),
            (vec![], "hello\r\nthere: you\r\n".into())
        );
        assert_eq!(values("\r\nhello"), (vec![], "hello".into()));
        assert_eq!(values(""), (vec![], String::new()));
    }

    #[test]
    fn a_text_may_be_all_header() {
        assert_eq!(
            values("A: 1"),
            (vec![("A".into(), "1".into())], String::new())
        );
        assert_eq!(
            values("A: 1\r\nno field\r\nB: \u{e9}\r\n--b--\r\n"),
            (
                vec![("A".into(), "1".into()), ("B".into(), "\u{e9}".into())],
                "--b--\r\n".into()
            )
        );
    }

    #[test]
    fn octets_that_are_no_utf8_are_latin_ones() {
        let (section, _) = HeaderSection::split(b"Subject: caf\xe9\r\n\r\n");
        assert_eq!(section.decoded("subject"), "caf\u{e9}");
    }
}
