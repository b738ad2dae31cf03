//! The reply for the client that a filter gives in its own words.

use bytes::BytesMut;

/// The most octets of a line of a reply, without its end (RFC 5321 §4.5.3.1.5 has fewer, messages have these).
pub const REPLY_LINE_BYTES_MAX: usize = 998;
/// The most lines of a reply: libmilter lets a filter give these.
pub const REPLY_LINES_MAX: usize = 32;

/// A reply of a filter that refuses something, as it goes to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomReply {
    /// All lines, each with CRLF.
    text: Box<[u8]>,
}

impl CustomReply {
    /// Reads the data of a reply: `554 5.7.1 text`, or `554-…` in all lines but the last. `%%` stands for `%`, as in libmilter. `None` for
    /// what is no refusal, or no reply that a client understands.
    #[must_use]
    pub fn parse(data: &[u8]) -> Option<Self> {
        let data = data.strip_suffix(b"\0").unwrap_or(data);
        let code = data.get(..3)?;
        let is_code = matches!(code[0], b'4' | b'5') && code.iter().all(u8::is_ascii_digit);
        if !is_code {
            return None;
        }
        let mut text = Vec::with_capacity(data.len() + 2);
        let (mut left, mut lines, mut is_said) = (Some(data), 0, false);
        while let Some(rest) = left {
            let end = rest.windows(2).position(|pair| pair == b"\r\n");
            let line = &rest[..end.unwrap_or(rest.len())];
            left = end.map(|end| &rest[end + 2..]);
            lines += 1;
            let separator = if left.is_some() { b'-' } else { b' ' };
            if !line.starts_with(code) || line.get(3) != Some(&separator) {
                return None;
            }
            let start = text.len();
            append_unescaped(line, &mut text);
            let said = &text[start + 4..];
            is_said |= !said.trim_ascii().is_empty();
            let is_too_long = lines > REPLY_LINES_MAX || text.len() - start > REPLY_LINE_BYTES_MAX;
            if is_too_long || !is_text(said) || !agrees(said, code[0]) {
                return None;
            }
            text.extend_from_slice(b"\r\n");
        }
        is_said.then(|| Self { text: text.into() })
    }

    /// Its three digits.
    #[must_use]
    pub fn code(&self) -> u16 {
        let digits = self.text.iter().take(3);
        digits.fold(0, |code, digit| code * 10 + u16::from(digit - b'0'))
    }

    /// Its lines without their ends.
    pub fn lines(&self) -> impl Iterator<Item = &[u8]> {
        let lines = self.text.split_inclusive(|octet| *octet == b'\n');
        lines.map(|line| line.strip_suffix(b"\r\n").unwrap_or(line))
    }

    /// Appends it as it goes to the client.
    pub fn write(&self, out: &mut BytesMut) {
        out.extend_from_slice(&self.text);
    }
}

/// Appends a line in which `%%` stands for `%`. Of itself a `%` stands for itself.
fn append_unescaped(line: &[u8], text: &mut Vec<u8>) {
    let mut rest = line;
    while let [first, others @ ..] = rest {
        rest = match others {
            [b'%', others @ ..] if *first == b'%' => others,
            _ => others,
        };
        text.push(*first);
    }
}

/// Whether a line of a reply may hold this. Octets beyond ASCII are left to the client.
fn is_text(text: &[u8]) -> bool {
    text.iter()
        .all(|octet| !octet.is_ascii_control() || *octet == b'\t')
}

/// Whether the text begins with an enhanced status code of the class, or with none (RFC 2034 §4).
fn agrees(text: &[u8], class: u8) -> bool {
    let word = text
        .split(|octet| *octet == b' ')
        .next()
        .unwrap_or_default();
    let mut parts = word.split(|octet| *octet == b'.');
    let is_number = |part: Option<&[u8]>| {
        part.is_some_and(|it| matches!(it.len(), 1..=3) && it.iter().all(u8::is_ascii_digit))
    };
    let first = parts.next();
    let is_status = first.is_some_and(|it| it.len() == 1)
        && is_number(first)
        && is_number(parts.next())
        && is_number(parts.next())
        && parts.next().is_none();
    !is_status || first == Some(&[class])
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests;
