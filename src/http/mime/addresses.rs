//! Lists of addresses in header fields (RFC 5322 §3.4).

use super::fields::HeaderField;
use super::parameters::unquote;
use super::{charset, words};

/// The most addresses of one field.
const ADDRESSES_MAX: usize = 1_000;

/// A mailbox in a header field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct NamedAddress {
    /// The display name, decoded; empty where there is none.
    pub name: String,
    /// The address, without brackets; empty where a field holds only a name.
    pub address: String,
}

/// Reads the addresses of a field; none without a field. Groups are dissolved into their members.
pub(crate) fn read(field: Option<&HeaderField<'_>>) -> Vec<NamedAddress> {
    let value = field.map(HeaderField::bounded).unwrap_or_default();
    let mut addresses = Vec::new();
    let mut reader = AddressReader::default();
    let text = charset::decode(None, &value);
    for character in text.chars() {
        if addresses.len() == ADDRESSES_MAX {
            return addresses;
        }
        addresses.extend(reader.take(character));
    }
    addresses.extend(reader.finish());
    addresses
}

/// The part of an address that characters are added to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum AddressPart {
    /// The name, or an address without brackets.
    #[default]
    Phrase,
    Quoted,
    Brackets,
    /// A local part in quotes, within brackets.
    QuotedLocalPart,
    /// A comment, this deep.
    Comment(u32),
}

/// An address that is being read.
#[derive(Debug, Default)]
struct AddressReader {
    part: AddressPart,
    is_escaped: bool,
    phrase: String,
    brackets: Option<String>,
    comment: String,
}

impl AddressReader {
    /// Adds a character. Returns the address that it ended.
    fn take(&mut self, character: char) -> Option<NamedAddress> {
        let was_escaped = std::mem::replace(&mut self.is_escaped, false);
        match (self.part, character) {
            (AddressPart::Phrase, ',' | ';') => return self.finish(),
            // The name of a group.
            (AddressPart::Phrase, ':') => self.phrase.clear(),
            (AddressPart::Phrase, '<') => {
                self.part = AddressPart::Brackets;
                self.brackets = Some(String::new());
            }
            (AddressPart::Phrase, '(') => self.part = AddressPart::Comment(1),
            (AddressPart::Phrase, '"') => {
                self.part = AddressPart::Quoted;
                self.phrase.push('"');
            }
            (AddressPart::Phrase, character) => self.phrase.push(character),
            (AddressPart::Quoted, character) => {
                self.is_escaped = character == '\\' && !was_escaped;
                if character == '"' && !was_escaped {
                    self.part = AddressPart::Phrase;
                }
                self.phrase.push(character);
            }
            (AddressPart::Brackets, '>') => self.part = AddressPart::Phrase,
            (AddressPart::Brackets, character) => {
                if character == '"' {
                    self.part = AddressPart::QuotedLocalPart;
                }
                self.brackets.get_or_insert_default().push(character);
            }
            (AddressPart::QuotedLocalPart, character) => {
                self.is_escaped = character == '\\' && !was_escaped;
                if character == '"' && !was_escaped {
                    self.part = AddressPart::Brackets;
                }
                self.brackets.get_or_insert_default().push(character);
            }
            (AddressPart::Comment(1), ')') => self.part = AddressPart::Phrase,
            (AddressPart::Comment(depth), character) => {
                match character {
                    '(' => self.part = AddressPart::Comment(depth + 1),
                    ')' => self.part = AddressPart::Comment(depth - 1),
                    _ => {}
                }
                self.comment.push(character);
            }
        }
        None
    }

    /// Ends the address. None if there is neither an address nor a name.
    fn finish(&mut self) -> Option<NamedAddress> {
        let read = std::mem::take(self);
        let phrase = read.phrase.trim();
        let address = match read.brackets {
            Some(address) => NamedAddress {
                name: words::decode(plain_name(phrase).as_bytes()),
                address: address.trim().to_owned(),
            },
            None if phrase.contains('@') => NamedAddress {
                name: words::decode(read.comment.trim().as_bytes()),
                address: phrase.to_owned(),
            },
            None => NamedAddress {
                name: words::decode(plain_name(phrase).as_bytes()),
                address: String::new(),
            },
        };
        (address != NamedAddress::default()).then_some(address)
    }
}

/// A display name without its quotes.
fn plain_name(phrase: &str) -> String {
    if phrase.starts_with('"') {
        unquote(phrase)
    } else {
        phrase.replace('"', "")
    }
}

#[cfg(test)]
mod tests {
    use super::super::fields::HeaderSection;
    use super::*;

    fn addresses(value: &str) -> Vec<(String, String)> {
        let text = format!("To: {value}\r\n\r\n");
        let (section, _) = HeaderSection::split(text.as_bytes());
        let addresses = read(section.get("to")).into_iter();
        addresses
            .map(|address| (address.name, address.address))
            .collect()
    }

    #[test]
    fn addresses_are_read_in_all_their_forms() {
        for (value, expected) in [
            ("a@x", &[("", "a@x")][..]),
            ("<a@x>", &[("", "a@x")]),
            ("Ada <a@x>, b@y,", &[("Ada", "a@x"), ("", "b@y")]),
            ("\"Lovelace, Ada\" <a@x>", &[("Lovelace, Ada", "a@x")]),
            ("\"a \\\"b\\\" c\" <a@x>", &[("a \"b\" c", "a@x")]),
            ("=?utf-8?q?Ad=C3=A9?= <a@x>", &[("Ad\u{e9}", "a@x")]),
            ("\"=?utf-8?q?Ad=C3=A9?=\" <a@x>", &[("Ad\u{e9}", "a@x")]),
            ("a@x (Ada (the first))", &[("Ada (the first)", "a@x")]),
            (
                "team: a@x, Bob <b@y>; c@z",
                &[("", "a@x"), ("Bob", "b@y"), ("", "c@z")],
            ),
            ("undisclosed-recipients:;", &[]),
            ("nobody", &[("nobody", "")]),
            ("", &[]),
            (", ,", &[]),
            ("\"a b\"@x", &[("", "\"a b\"@x")]),
            ("Open <a@x", &[("Open", "a@x")]),
            (
                "Name <\"a>b\"@x.org>, c@z",
                &[("Name", "\"a>b\"@x.org"), ("", "c@z")],
            ),
            ("\"x\" <\"<i>\"@b.c>", &[("x", "\"<i>\"@b.c")]),
            ("<\"a\\\">, b\"@x>", &[("", "\"a\\\">, b\"@x")]),
        ] {
            let expected: Vec<_> = expected
                .iter()
                .map(|(name, address)| ((*name).to_owned(), (*address).to_owned()))
                .collect();
            assert_eq!(addresses(value), expected, "{value}");
        }
    }
}
