//! The store of a server for tests.

use super::parts::KeepMail;
use crate::store::Catch;
use crate::store::inbox::{Inbox, InboxLimits};

/// The octets that a message may have beside its own: its trace.
const TRACE_BYTES_MAX: usize = 64 * 1024;

/// The way in which this build keeps the mail of tests.
pub(super) fn built() -> Option<KeepMail> {
    Some(|catch, config, store| {
        let inbox = Inbox::new(InboxLimits {
            messages_max: catch.messages_max,
            bytes_max: catch.bytes_max,
        });
        // The largest message always finds room when it comes alone.
        let largest = usize::try_from(config.policy.message_bytes_max).unwrap_or(usize::MAX);
        let arriving_max = largest.saturating_add(TRACE_BYTES_MAX).max(catch.bytes_max);
        Box::new(Catch::new(store, inbox, arriving_max))
    })
}
