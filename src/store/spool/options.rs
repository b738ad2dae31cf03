//! The configuration of a store that sends mail on.

use std::path::{Path, PathBuf};
use std::time::Duration;

/// The longest rest before a spool process is started again that was lost soon.
const RESTART_REST_MAX: Duration = Duration::from_secs(5);

/// The configuration of a [`RelayStore`](super::RelayStore).
#[derive(Clone, Debug)]
pub struct RelayStoreOptions {
    /// The folder of the spool, which is made if it is missing.
    pub root: PathBuf,
    /// The number of queued messages from which on no more are taken.
    pub queued_max: usize,
    /// The longest rest before a spool process is started again that was lost soon.
    pub restart_rest_max: Duration,
}

impl RelayStoreOptions {
    /// A spool in `root`, whose process is started again as is usual.
    #[must_use]
    pub fn new(root: &Path, queued_max: usize) -> Self {
        Self {
            root: root.to_owned(),
            queued_max,
            restart_rest_max: RESTART_REST_MAX,
        }
    }
}
