//! The facts about a spool that is recorded.

use std::cell::Cell;

use crate::observe::frame::SpoolState;

/// The facts about a recorded spool.
pub(super) struct WatchedSpool {
    /// Its state after the last call.
    pub(super) state: SpoolState,
    /// The state that the record has.
    pub(super) told: Cell<Option<SpoolState>>,
    /// Whether calls are recorded.
    pub(super) is_observed: bool,
}

impl Default for WatchedSpool {
    fn default() -> Self {
        Self {
            state: SpoolState::default(),
            told: Cell::new(None),
            is_observed: true,
        }
    }
}
