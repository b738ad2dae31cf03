//! Words of the lines about the queue.

use core::fmt::Write;

use crate::outbound::queue::RecipientState;
use crate::smtp::dsn::Notify;
use crate::smtp::path::ReversePath;

/// The word for a state.
pub(super) fn state(state: RecipientState) -> &'static str {
    match state {
        RecipientState::Waiting => "waiting",
        RecipientState::Ready => "ready",
        // Its report is under way.
        RecipientState::Active | RecipientState::Expired => "active",
        RecipientState::Held => "held",
        RecipientState::Uncertain => "uncertain",
    }
}

/// A time in seconds of the epoch.
pub(super) fn seconds(ms: u64) -> u64 {
    ms / 1000
}

/// An address without brackets; empty for the null sender.
pub(super) fn sender(sender: &ReversePath) -> String {
    match sender {
        ReversePath::Null => String::new(),
        ReversePath::Mailbox(mailbox) => mailbox.to_string(),
    }
}

/// The events that a sender asked to be told of, as NOTIFY has them.
pub(super) fn notify(notify: Notify) -> String {
    let mut words = String::new();
    for (is_asked_for, word) in [
        (notify.success, "SUCCESS"),
        (notify.failure, "FAILURE"),
        (notify.delay, "DELAY"),
    ] {
        let separator = if words.is_empty() { "" } else { "," };
        if is_asked_for {
            // Memory takes all that is written.
            let _ = write!(words, "{separator}{word}");
        }
    }
    if words.is_empty() {
        words.push_str("NEVER");
    }
    words
}
