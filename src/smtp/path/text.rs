//! Text that is mostly short.

use core::cmp::Ordering;
use core::fmt;
use core::hash::{Hash, Hasher};
use core::ops::Deref;
use std::sync::Arc;

/// As many octets are held inline: nearly all addresses fit.
const INLINE_BYTES_MAX: usize = 62;

/// An immutable string that is held inline as long as it is short: to read an address allocates nothing.
#[derive(Clone)]
pub(super) struct Text(Place);

#[derive(Clone)]
enum Place {
    Inline(u8, [u8; INLINE_BYTES_MAX]),
    /// Shared, since a recipient mostly is the mailbox that it leads to; by an `Arc`, since the command line is parsed by what
    /// asks for that.
    Heap(Arc<str>),
}

impl Text {
    /// Its octets: unlike as a string, these need no check that they are one.
    pub(super) fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Place::Inline(length, bytes) => &bytes[..usize::from(*length)],
            Place::Heap(text) => text.as_bytes(),
        }
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        match &self.0 {
            // Only whole strings were written, so this never falls back.
            Place::Inline(..) => str::from_utf8(self.as_bytes()).unwrap_or_default(),
            Place::Heap(text) => text,
        }
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        let mut bytes = [0; INLINE_BYTES_MAX];
        Self(
            match (bytes.get_mut(..text.len()), u8::try_from(text.len())) {
                (Some(place), Ok(length)) => {
                    place.copy_from_slice(text.as_bytes());
                    Place::Inline(length, bytes)
                }
                _ => Place::Heap(text.into()),
            },
        )
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Text {}

impl PartialOrd for Text {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Text {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl Hash for Text {
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
            assert_eq!(&*Text::from(&*text), text);
            let is_inline = matches!(Text::from(&*text).0, Place::Inline(..));
            assert_eq!(is_inline, length <= INLINE_BYTES_MAX);
        }
        assert!(Text::from("a") < Text::from("b"));
        assert_eq!(Text::from("a"), Text::from("a"));
    }
}
