//! The place of what is known of mail filters, in a build that knows none.

use crate::smtp::event::Event;
use crate::store::{Draft, Failure, Store};

pub(super) use NoFiltering as Filtering;

/// All that is known of filters: nothing.
#[derive(Default)]
pub(super) struct NoFiltering {}

impl NoFiltering {
    pub(super) fn note_login(&mut self, _: &'static str) {}

    pub(super) fn note_parameters(&mut self, _: &Event<'_>, _: &[u8]) {}

    pub(super) fn is_on_hold(&self) -> bool {
        false
    }

    pub(super) fn write(
        &mut self,
        draft: &mut Draft,
        text: &[u8],
        store: &mut dyn Store,
    ) -> Result<(), Failure> {
        store.write(draft, text)
    }
}
