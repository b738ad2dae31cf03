//! Texts on hold as sessions know them, which do not see the hold itself: a record stands between, or takes its place.

use super::{HeldRead, Hold};
use crate::store::Failure;

/// A text on hold. Only a [`Hold`] makes one, or what stands for it in a replay, and it cannot be copied: whoever has it must give it back
/// to that hold, once, to [`drop_text`](Hold::drop_text).
#[derive(Debug)]
#[must_use]
pub struct HeldText {
    /// The key of its hold for it.
    pub(super) key: usize,
}

impl HeldText {
    /// Makes a text that its hold finds again by `key`.
    pub fn new(key: usize) -> Self {
        Self { key }
    }

    /// The key that its hold gave it.
    #[must_use]
    pub fn key(&self) -> usize {
        self.key
    }
}

/// What a session does with texts on hold.
pub trait HeldTexts {
    /// As [`Hold::begin`].
    fn begin(&mut self) -> HeldText;

    /// As [`Hold::write`].
    ///
    /// # Errors
    /// As there.
    fn write(&mut self, text: &mut HeldText, octets: &[u8]) -> Result<(), Failure>;

    /// As [`Hold::len`].
    fn len(&mut self, text: &HeldText) -> u64;

    /// As [`Hold::read`].
    ///
    /// # Errors
    /// As there.
    fn read(
        &mut self,
        text: &HeldText,
        offset: u64,
        bytes_max: usize,
    ) -> Result<HeldRead<'_>, Failure>;

    /// As [`Hold::drop_text`].
    fn drop_text(&mut self, text: HeldText);
}

impl HeldTexts for Hold {
    fn begin(&mut self) -> HeldText {
        Hold::begin(self)
    }

    fn write(&mut self, text: &mut HeldText, octets: &[u8]) -> Result<(), Failure> {
        Hold::write(self, text, octets)
    }

    fn len(&mut self, text: &HeldText) -> u64 {
        Hold::len(self, text)
    }

    fn read(
        &mut self,
        text: &HeldText,
        offset: u64,
        bytes_max: usize,
    ) -> Result<HeldRead<'_>, Failure> {
        Hold::read(self, text, offset, bytes_max)
    }

    fn drop_text(&mut self, text: HeldText) {
        Hold::drop_text(self, text);
    }
}
