//! What the spool process has reported, for the event loop.

use super::id::{MailId, SpoolPlace};
use super::store::QueuedMail;
use crate::store::{Finished, Ticket};

/// Reports since they were last taken.
#[derive(Debug, Default)]
pub(super) struct SpoolNews {
    pub(super) finished: Vec<Finished>,
    pub(super) queued: Vec<QueuedMail>,
    pub(super) moved: Vec<(MailId, SpoolPlace)>,
    pub(super) read_ahead: Vec<Ticket>,
}

impl SpoolNews {
    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        let Self {
            finished,
            queued,
            moved,
            read_ahead,
        } = self;
        finished.is_empty() && queued.is_empty() && moved.is_empty() && read_ahead.is_empty()
    }
}
