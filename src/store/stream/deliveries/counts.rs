//! Counts of what was delivered, for metrics and the log.

use core::fmt;

/// Counts of what became of the messages that a stream has handed out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeliveryCounts {
    /// Messages that are in all of their mailboxes.
    pub delivered: u64,
    /// Those of them that were handed out before, to whomever: some were there already.
    pub again: u64,
    /// Tries that failed, after which the message is handed out again.
    pub failed: u64,
    /// Messages that were set aside.
    pub aside: u64,
    /// Messages that are here now.
    pub here: usize,
    /// Whether there is a connection to a server of the stream.
    pub is_connected: bool,
}

impl fmt::Display for DeliveryCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            delivered,
            again,
            failed,
            aside,
            ..
        } = self;
        write!(
            f,
            "messages={delivered} again={again} failed={failed} aside={aside}"
        )
    }
}
