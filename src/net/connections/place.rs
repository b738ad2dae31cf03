//! A connection as queues remember it.

/// A place in a queue. A connection that stops to wait for its turn leaves its place where it is, to be skipped; only the
/// last place that it was given is good. Numbers are never used again, so that neither it nor the next connection with its key
/// has two turns.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) key: usize,
    pub(super) number: u64,
}
