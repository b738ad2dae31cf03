//! The fields of a header, as filters count them.

use std::borrow::Cow;

use crate::smtp::fields::{FIELD_NAME_BYTES_MAX, HeaderLine};

/// One field of a header with all of its lines, or a line of an mbox, which has no name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageField<'a> {
    text: Cow<'a, [u8]>,
    name_bytes: usize,
}

impl<'a> MessageField<'a> {
    /// A field as it stands in a message.
    #[must_use]
    pub fn new(text: &'a [u8]) -> Self {
        let name_bytes = match HeaderLine::of(text) {
            HeaderLine::Field(name) => name.len(),
            _ => 0,
        };
        Self {
            text: Cow::Borrowed(text),
            name_bytes,
        }
    }

    /// A field of a filter. What its lines end in becomes CRLF, and a tab comes before each but the first where no white space does. A
    /// CR that ends none becomes a space.
    pub(super) fn compose(name: &[u8], value: &[u8], has_leading_space: bool) -> Self {
        let mut text = Vec::with_capacity(name.len() + value.len() + 4);
        text.extend_from_slice(name);
        text.push(b':');
        if !has_leading_space {
            text.push(b' ');
        }
        for (number, line) in value.split(|octet| *octet == b'\n').enumerate() {
            if number > 0 {
                text.extend_from_slice(b"\r\n");
                if !matches!(line.first(), Some(b' ' | b'\t')) {
                    text.push(b'\t');
                }
            }
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let from = text.len();
            text.extend_from_slice(line);
            for octet in text[from..].iter_mut().filter(|octet| **octet == b'\r') {
                *octet = b' ';
            }
        }
        text.extend_from_slice(b"\r\n");
        Self {
            text: Cow::Owned(text),
            name_bytes: name.len(),
        }
    }

    /// The name. It is empty for a line of an mbox, of which filters are not told.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        &self.text[..self.name_bytes]
    }

    /// All that follows the colon, with its line ends.
    #[must_use]
    pub fn value(&self) -> &[u8] {
        let rest = &self.text[self.name_bytes..];
        let colon = rest.iter().position(|octet| *octet == b':');
        colon.map_or(&[], |colon| &rest[colon + 1..])
    }

    /// The whole field, with its line ends.
    #[must_use]
    pub fn text(&self) -> &[u8] {
        &self.text
    }
}

/// Takes the next field off the front of a header; `None` where the body begins: with an empty line, a line that is no field, or the end.
#[must_use]
pub fn take_field<'a>(message: &mut &'a [u8]) -> Option<MessageField<'a>> {
    let is_field = matches!(
        HeaderLine::of(message),
        HeaderLine::Field(_) | HeaderLine::Mbox
    );
    if !is_field {
        return None;
    }
    let mut end = 0;
    loop {
        let line = message[end..].iter().position(|octet| *octet == b'\n');
        end = line.map_or(message.len(), |line| end + line + 1);
        // Only a field is folded.
        if !matches!(message.get(end), Some(b' ' | b'\t')) {
            break;
        }
    }
    let (text, rest) = message.split_at(end);
    *message = rest;
    Some(MessageField::new(text))
}

/// The fields of a message, and its body without the empty line before it.
#[must_use]
pub fn split_message(message: &[u8]) -> (Vec<MessageField<'_>>, &[u8]) {
    let mut rest = message;
    let fields = core::iter::from_fn(|| take_field(&mut rest)).collect();
    let body = rest.strip_prefix(b"\r\n");
    (fields, body.or(rest.strip_prefix(b"\n")).unwrap_or(rest))
}

/// Whether this can be the name of a header field (RFC 5322 §2.2).
#[must_use]
pub fn is_field_name(name: &[u8]) -> bool {
    let is_in_name = |octet: &u8| octet.is_ascii_graphic() && *octet != b':';
    (1..=FIELD_NAME_BYTES_MAX).contains(&name.len()) && name.iter().all(is_in_name)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests;
