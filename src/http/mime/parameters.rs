//! Values with parameters, as of Content-Type (RFC 2045 §5.1), also continued and encoded ones (RFC 2231).

use super::charset;
use super::fields::HeaderField;
use super::transfer::decode_hex;
use super::words;

/// The most parameters of one value.
const PARAMETERS_MAX: usize = 200;

/// A value and its parameters.
#[derive(Debug, Default)]
pub(crate) struct ParameterizedValue {
    /// The value, in lower case.
    pub value: String,
    /// Names in lower case, and texts as they came but for their quotes.
    parameters: Vec<(String, String)>,
}

impl ParameterizedValue {
    /// Reads a field, or none.
    pub(crate) fn read(field: Option<&HeaderField<'_>>) -> Self {
        let text = field.map(HeaderField::bounded).unwrap_or_default();
        let text = charset::decode(None, &text);
        let mut rest = &*text;
        let value = take_until_semicolon(&mut rest);
        let mut parameters = Vec::new();
        while !rest.is_empty() && parameters.len() < PARAMETERS_MAX {
            let parameter = take_until_semicolon(&mut rest);
            if let Some((name, text)) = parameter.split_once('=') {
                parameters.push((name.trim().to_ascii_lowercase(), unquote(text.trim())));
            }
        }
        Self {
            value: value.trim().to_ascii_lowercase(),
            parameters,
        }
    }

    /// The decoded text of a parameter.
    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        self.extended(name).or_else(|| {
            // Encoded words have no place here, and are what many write.
            let text = self.get(name)?;
            Some(words::decode(text.as_bytes()))
        })
    }

    fn get(&self, name: &str) -> Option<&str> {
        let mut parameters = self.parameters.iter();
        let found = parameters.find(|(known, _)| known == name);
        found.map(|(_, text)| &**text)
    }

    /// The text of a parameter in one or more pieces: `name*`, or `name*0`, `name*1*` and so on.
    fn extended(&self, name: &str) -> Option<String> {
        let whole = self.get(&format!("{name}*")).map(|text| (text, true));
        let piece = |number: usize| {
            let plain = self.get(&format!("{name}*{number}"));
            let encoded = self.get(&format!("{name}*{number}*"));
            plain
                .map(|text| (text, false))
                .or(encoded.map(|text| (text, true)))
        };
        let mut octets = Vec::new();
        let mut charset = None;
        let (mut text, mut is_encoded) = whole.or_else(|| piece(0))?;
        if is_encoded && let [set, _, rest] = *text.splitn(3, '\'').collect::<Vec<_>>() {
            charset = Some(set);
            text = rest;
        }
        for number in 1..=self.parameters.len() {
            match is_encoded {
                true => decode_percent(text.as_bytes(), &mut octets),
                false => octets.extend_from_slice(text.as_bytes()),
            }
            let Some(next) = whole.is_none().then(|| piece(number)).flatten() else {
                break;
            };
            (text, is_encoded) = next;
        }
        Some(charset::decode(charset, &octets))
    }
}

/// Takes off what comes before the next semicolon that is not quoted.
fn take_until_semicolon<'a>(rest: &mut &'a str) -> &'a str {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let end = rest.bytes().position(|octet| {
        let was_escaped = std::mem::replace(&mut is_escaped, false);
        match octet {
            b'\\' if is_quoted => is_escaped = !was_escaped,
            b'"' if !was_escaped => is_quoted = !is_quoted,
            _ => {}
        }
        octet == b';' && !is_quoted
    });
    let (taken, after) = rest.split_at(end.unwrap_or(rest.len()));
    *rest = after.strip_prefix(';').unwrap_or(after);
    taken
}

/// The text of a quoted string (RFC 5322 §3.2.4), or of what is none, as it is.
pub(crate) fn unquote(text: &str) -> String {
    let Some(inner) = text.strip_prefix('"') else {
        return text.to_owned();
    };
    let mut unquoted = String::with_capacity(inner.len());
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => break,
            '\\' => unquoted.extend(characters.next()),
            character => unquoted.push(character),
        }
    }
    unquoted
}

/// Appends what a text with percent codes stands for.
fn decode_percent(text: &[u8], octets: &mut Vec<u8>) {
    let mut rest = text;
    while let [first, after @ ..] = rest {
        let code = (*first == b'%').then(|| decode_hex(after)).flatten();
        octets.push(code.unwrap_or(*first));
        rest = if code.is_some() { &after[2..] } else { after };
    }
}

#[cfg(test)]
mod tests {
    use super::super::fields::HeaderSection;
    use super::*;

    fn read(value: &str) -> ParameterizedValue {
        let text = format!("A: {value}\r\n\r\n");
        let (section, _) = HeaderSection::split(text.as_bytes());
        ParameterizedValue::read(section.get("a"))
    }

    #[test]
    fn parameters_are_read_in_all_their_forms() {
        for (value, name) in [
            ("attachment; filename=a.txt", "a.txt"),
            (
                "attachment;filename = \"a; \\\"b\\\".txt\" ; x=y",
                "a; \"b\".txt",
            ),
            (
                "attachment; filename*=utf-8''caf%C3%A9.txt",
                "caf\u{e9}.txt",
            ),
            (
                "attachment; filename*=iso-8859-1'fr'caf%E9.txt",
                "caf\u{e9}.txt",
            ),
            ("attachment; filename=x; filename*=utf-8''y", "y"),
            (
                "attachment; filename*0*=utf-8''caf%C3; filename*1*=%A9; filename*2=\"%.txt\"",
                "caf\u{e9}%.txt",
            ),
            ("attachment; filename*0=a; filename*1=b", "ab"),
            (
                "attachment; filename=\"=?utf-8?q?caf=C3=A9?=\"",
                "caf\u{e9}",
            ),
            ("attachment; filename=\"open", "open"),
            ("attachment; filename*=100%", "100%"),
        ] {
            let read = read(value);
            assert_eq!(read.value, "attachment");
            assert_eq!(read.parameter("filename").as_deref(), Some(name), "{value}");
        }
        assert_eq!(read("Text/Plain").value, "text/plain");
        assert_eq!(read("text/plain; charset").parameter("charset"), None);
    }
}
