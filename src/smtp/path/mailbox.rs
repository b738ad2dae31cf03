//! One address, in all its spellings.

use core::fmt;
use std::borrow::Cow;

use super::domain;
use super::grammar::is_unquoted;
use super::text::AddressText;

/// One address, `local-part@domain`, as its client wrote it. It is syntactically valid by construction, and may be in
/// UTF-8 (RFC 6531 §3.3).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mailbox {
    pub(super) text: AddressText,
    /// The position of the `@` between local-part and domain; a quoted local-part may hold others.
    pub(super) at: usize,
}

impl Mailbox {
    /// The address as it was written: quotes and case are kept, a source route and brackets are not.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The octets of [`as_str`](Self::as_str), which need no check that they are UTF-8.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// Whether its local-part holds this octet of ASCII.
    pub(in crate::smtp) fn has_in_local_part(&self, octet: u8) -> bool {
        self.text.as_bytes()[..self.at].contains(&octet)
    }

    /// The part before the `@`, as it was written.
    #[must_use]
    pub fn local_part(&self) -> &str {
        &self.text[..self.at]
    }

    /// The part before the `@` without quotes and escapes: what two spellings of one mailbox have in common.
    #[must_use]
    pub fn local_part_unquoted(&self) -> Cow<'_, str> {
        let local = self.local_part();
        let Some(quoted) = local
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'))
        else {
            return Cow::Borrowed(local);
        };
        if !quoted.contains('\\') {
            return Cow::Borrowed(quoted);
        }
        let mut unquoted = String::with_capacity(quoted.len());
        let mut characters = quoted.chars();
        while let Some(character) = characters.next() {
            unquoted.extend(if character == '\\' {
                characters.next()
            } else {
                Some(character)
            });
        }
        Cow::Owned(unquoted)
    }

    /// The part behind the `@`: a domain, or an address literal in its brackets.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.text[self.at + 1..]
    }

    /// Whether it needs no SMTPUTF8.
    #[must_use]
    pub fn is_ascii(&self) -> bool {
        self.text.as_bytes().is_ascii()
    }

    /// The domain with its U-labels as A-labels (RFC 5890), in lower case then; one in ASCII as it was written.
    #[must_use]
    pub fn ascii_domain(&self) -> Cow<'_, str> {
        let domain = self.domain();
        // It was seen when the address was read that there are such.
        domain::to_ascii(domain).unwrap_or(Cow::Borrowed(domain))
    }

    /// The mailbox spelled plainly: ASCII in lower case, the domain as A-labels, in quotes only if it needs them.
    /// All spellings of one mailbox have this one in common. Beyond ASCII a local-part is what its octets are: which
    /// others somebody would take for the same, in case or in composition, is for its server to say (RFC 5321 §2.3.11),
    /// and the answer would change with each version of Unicode.
    #[must_use]
    pub fn plain(&self) -> Self {
        self.with_local_part(&self.local_part_unquoted())
    }

    /// Whether it is spelled [plainly](Self::plain), as far as a glance tells.
    pub(in crate::smtp) fn is_plain(&self) -> bool {
        let is_plain = |byte: &u8| byte.is_ascii() && !byte.is_ascii_uppercase() && *byte != b'"';
        self.text.as_bytes().iter().all(is_plain)
    }

    /// Whether its local-part has the form of a route: `user%other`, `other!user`, or `"user@other"`. There were servers
    /// that sent such mail on to the other host.
    pub(in crate::smtp) fn has_route(&self) -> bool {
        match &self.text.as_bytes()[..self.at] {
            [b'"', quoted @ ..] => quoted.contains(&b'@'),
            unquoted => unquoted.iter().any(|byte| b"%!".contains(byte)),
        }
    }

    /// The mailbox `unquoted` of the same domain, spelled [plainly](Self::plain). Quotes may make it longer than an address
    /// on the wire may be.
    pub(in crate::smtp) fn with_local_part(&self, unquoted: &str) -> Self {
        let mut text = quoted_if_needed(unquoted);
        let at = text.len();
        text.push('@');
        text.push_str(&self.ascii_domain());
        text.make_ascii_lowercase();
        Self {
            text: AddressText::from(&*text),
            at,
        }
    }
}

impl fmt::Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A local-part as an address has it: without quotes where it needs none (RFC 5321 §4.1.2).
pub(in crate::smtp) fn quoted_if_needed(unquoted: &str) -> String {
    if !unquoted.is_empty() && unquoted.bytes().all(is_unquoted) {
        return unquoted.to_owned();
    }
    let mut quoted = String::with_capacity(unquoted.len() + 2);
    quoted.push('"');
    for character in unquoted.chars() {
        if matches!(character, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted.push('"');
    quoted
}
