//! A connection as queues and tickets remember it.

use crate::net::driver::ConnectionId;

/// A connection by its key, which is used again, and its id, which is not.
#[derive(Clone, Copy)]
pub(super) struct ConnectionName {
    pub(super) key: usize,
    pub(super) id: ConnectionId,
}
