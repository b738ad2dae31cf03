//! Names of hosts, as the resolver compares, keeps and asks them.

use core::fmt;
use std::rc::Rc;

use domain::base::Name;
use domain::base::name::ToName;

/// The most octets of a name in text (RFC 1035 §2.3.4).
const NAME_BYTES_MAX: usize = 253;
/// The most octets of a label.
const LABEL_BYTES_MAX: usize = 63;

/// A name of a host: absolute, in lower case, without the final dot. Letters, digits, `-` and `_` only, so that nothing of it has
/// to be escaped anywhere.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostName(Rc<str>);

impl HostName {
    /// Reads a name, with or without the final dot. `None` for text that is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.strip_suffix('.').unwrap_or(text);
        let is_name = text.len() <= NAME_BYTES_MAX && text.split('.').all(is_label);
        is_name.then(|| Self(text.to_ascii_lowercase().into()))
    }

    /// Takes a name from a message. `None` for one that is no name of a host.
    pub(super) fn from_message(name: &impl ToName) -> Option<Self> {
        Self::parse(&name_text(name))
    }

    /// The number of its octets as text.
    pub(super) fn octets(&self) -> usize {
        self.0.len()
    }

    /// The text of the name.
    pub(super) fn text(&self) -> Rc<str> {
        Rc::clone(&self.0)
    }

    /// The name in a domain, as for a search list. `None` if that is too long.
    #[must_use]
    pub fn within(&self, domain: &Self) -> Option<Self> {
        Self::parse(&format!("{self}.{domain}"))
    }

    /// Whether the name has only one label, as `mail` has.
    #[must_use]
    pub fn is_single_label(&self) -> bool {
        !self.0.contains('.')
    }

    /// Whether the name is `localhost`, or below it: such names lead to this machine, and no name server is asked (RFC 6761 §6.3).
    #[must_use]
    pub fn is_localhost(&self) -> bool {
        self.0
            .strip_suffix("localhost")
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    }

    /// Whether the name ends as an IPv4 address does: no host has such a name (RFC 1123 §2.1), and name servers do not know it.
    #[must_use]
    pub fn is_numeric(&self) -> bool {
        let last = self.0.rsplit('.').next().unwrap_or_default();
        last.bytes().all(|octet| octet.is_ascii_digit())
    }

    /// The name as messages have it, where letters are in upper case as the bits of `case` say, from the lowest on.
    pub(super) fn to_wire(&self, case: u64) -> Vec<u8> {
        let mut wire = Vec::with_capacity(self.0.len() + 2);
        let mut case = case;
        for label in self.0.split('.') {
            #[expect(clippy::cast_possible_truncation, reason = "a label has 63 octets")]
            wire.push(label.len() as u8);
            for mut octet in label.bytes() {
                if octet.is_ascii_lowercase() {
                    if case & 1 == 1 {
                        octet.make_ascii_uppercase();
                    }
                    case >>= 1;
                }
                wire.push(octet);
            }
        }
        wire.push(0);
        wire
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text of a name in a message, in lower case and without the final dot: that of a host name, or what [`HostName::parse`] takes for
/// none, with escapes as in zone files (RFC 1035 §5.1). Empty for the root.
pub(super) fn name_text(name: &impl ToName) -> String {
    let name: Name<Vec<u8>> = name.to_name();
    if name.is_root() {
        return String::new();
    }
    let mut text = name.to_string();
    text.make_ascii_lowercase();
    text
}

fn is_label(label: &str) -> bool {
    let is_part = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_');
    (1..=LABEL_BYTES_MAX).contains(&label.len()) && label.bytes().all(is_part)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Option<String> {
        HostName::parse(text).map(|name| name.to_string())
    }

    #[test]
    fn names_are_lower_case_and_absolute() {
        assert_eq!(parse("Mail.Example.ORG."), Some("mail.example.org".into()));
        assert_eq!(parse("_25._tcp.a-b"), Some("_25._tcp.a-b".into()));
        let longest = format!("{}.{}", "a".repeat(63), "b".repeat(63));
        assert_eq!(parse(&longest), Some(longest));
        let full = ["a".repeat(63), "b".repeat(63), "c".repeat(63)].join(".");
        assert!(parse(&format!("{full}.{}", "d".repeat(61))).is_some());
        assert_eq!(parse(&format!("{full}.{}", "d".repeat(62))), None);
    }

    #[test]
    fn other_text_is_no_name() {
        for text in [
            "",
            ".",
            "..",
            "a..b",
            ".a",
            "a b",
            "a/b",
            "ä.example",
            "a\\.b",
            "a\0",
            "[::1]",
            "a:25",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
        assert_eq!(parse(&"a".repeat(64)), None);
    }

    #[test]
    fn case_is_mixed_by_the_bits_and_nothing_else_changes() {
        let name = HostName::parse("a1-bc.de").unwrap();
        assert_eq!(name.to_wire(0), b"\x05a1-bc\x02de\0");
        assert_eq!(name.to_wire(0b10101), b"\x05A1-bC\x02dE\0");
    }

    #[test]
    fn names_of_messages_are_text_that_is_a_host_name_or_looks_like_none() {
        for (labels, expected) in [
            (&b"\x04Mail\x07eXample\0"[..], "mail.example"),
            (b"\0", ""),
            (b"\x05[::1]\0", "[::1]"),
            (b"\x06mail.a\0", "mail\\.a"),
            (b"\x01.\0", "\\."),
            (b"\x02a\0\x01 \0", "a\\000.\\ "),
            (b"\x01\\\x02\xc3\xa4\0", "\\\\.\\195\\164"),
        ] {
            let name = Name::from_octets(labels.to_vec()).unwrap();
            assert_eq!(name_text(&name), expected);
            let is_plain = expected == "mail.example";
            assert_eq!(HostName::from_message(&name).is_some(), is_plain);
        }
    }

    #[test]
    fn numbers_at_the_end_are_those_of_an_address() {
        for (name, is) in [("192.0.2.1", true), ("a.7", true), ("1.a", false)] {
            assert_eq!(HostName::parse(name).unwrap().is_numeric(), is, "{name}");
        }
    }

    #[test]
    fn localhost_and_what_is_below_it() {
        for (name, is) in [
            ("localhost", true),
            ("mail.localhost.", true),
            ("notlocalhost", false),
            ("localhost.example", false),
        ] {
            assert_eq!(HostName::parse(name).unwrap().is_localhost(), is, "{name}");
        }
    }
}
