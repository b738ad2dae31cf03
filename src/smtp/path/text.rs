//! AddressText that is mostly short.

use core::cmp::Ordering;
use core::fmt;
use core::hash::{Hash, Hasher};
use core::ops::Deref;
use std::sync::Arc;

/// The octets that are held inline: nearly all addresses fit.
const INLINE_BYTES_MAX: usize = 62;

/// An immutable string that is held inline as long as it is short: to read an address allocates nothing.
#[derive(Clone)]
pub(super) struct AddressText(Repr);

#[derive(Clone)]
enum Repr {
    Inline(u8, [u8; INLINE_BYTES_MAX]),
    /// Shared, since a recipient mostly is the mailbox that it leads to; by an `Arc`, since the command line is parsed by what
    /// asks for that.
    Heap(Arc<str>),
}

impl AddressText {
    /// Holds octets that are ASCII; `None` for any others.
    pub(super) fn from_ascii(octets: &[u8]) -> Option<Self> {
        if !octets.is_ascii() {
            return None;
        }
        match Self::inline(octets) {
            Some(text) => Some(text),
            None => str::from_utf8(octets).ok().map(Self::from),
        }
    }

    /// Holds a whole string, if it is short.
    fn inline(octets: &[u8]) -> Option<Self> {
        let mut bytes = [0; INLINE_BYTES_MAX];
        let length = u8::try_from(octets.len()).ok()?;
        bytes.get_mut(..octets.len())?.copy_from_slice(octets);
        Some(Self(Repr::Inline(length, bytes)))
    }

    /// Its octets: unlike as a string, these need no check that they are one.
    pub(super) fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Repr::Inline(length, bytes) => &bytes[..usize::from(*length)],
            Repr::Heap(text) => text.as_bytes(),
        }
    }
}

impl Deref for AddressText {
    type Target = str;

    fn deref(&self) -> &str {
        match &self.0 {
            // Only whole strings were written, so this never falls back.
            Repr::Inline(..) => str::from_utf8(self.as_bytes()).unwrap_or_default(),
            Repr::Heap(text) => text,
        }
    }
}

impl From<&str> for AddressText {
    fn from(text: &str) -> Self {
        Self::inline(text.as_bytes()).unwrap_or_else(|| Self(Repr::Heap(text.into())))
    }
}

impl fmt::Debug for AddressText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl PartialEq for AddressText {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for AddressText {}

impl PartialOrd for AddressText {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for AddressText {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl Hash for AddressText {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_long_text_is_the_same_text() {
        for length in [0, 1, INLINE_BYTES_MAX, INLINE_BYTES_MAX + 1, 300] {
            let text = "\u{fc}".repeat(length / 2) + &"x".repeat(length % 2);
            assert_eq!(&*AddressText::from(&*text), text);
            let is_inline = matches!(AddressText::from(&*text).0, Repr::Inline(..));
            assert_eq!(is_inline, length <= INLINE_BYTES_MAX);
        }
        assert!(AddressText::from("a") < AddressText::from("b"));
        assert_eq!(AddressText::from("a"), AddressText::from("a"));
    }
}
