//! Counts of what was published, for metrics.

/// Counts of what a store has published to its stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamCounts {
    /// Records that were published, each once.
    pub published: u64,
    /// Records that were published again.
    pub again: u64,
    /// Records that the stream has acknowledged.
    pub acknowledged: u64,
    /// Messages that could not be stored, open ones too.
    pub failed: u64,
    /// Octets that wait to be acknowledged.
    pub unacknowledged_bytes: usize,
    /// Whether there is a connection to a server of the stream.
    pub is_connected: bool,
}
