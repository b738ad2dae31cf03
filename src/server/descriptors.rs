//! The limit on connections that follows from the one on descriptors.

use crate::inbound::Limits;
use crate::net::descriptors;

/// Descriptors that are no connection's: standard streams, poll, signals, listeners, the store's pipes and folders.
const NOT_FOR_CONNECTIONS: u64 = 64;
/// A connection needs its socket, and a file while its message arrives: in the store process, or else in this one.
pub const DESCRIPTORS_PER_CONNECTION: usize = 2;

/// Lowers the limit on connections to what the descriptors allow.
pub(super) fn cap(limits: Limits) -> Limits {
    if let Err(error) = descriptors::raise_limit() {
        log::warn!("warning=\"{error}\"");
    }
    let allowed = connections_allowed();
    let connections_max = limits.connections_max.min(allowed);
    log::info!("connections_max={connections_max} descriptors_allow={allowed}");
    Limits {
        connections_max,
        // A connection's second descriptor is the store process's, as long as there is one.
        lingering_max: limits.lingering_max.min(allowed),
        ..limits
    }
}

/// The number of connections that the descriptors allow, at least one.
#[must_use]
pub fn connections_allowed() -> usize {
    let Some(descriptors) = descriptors::limit() else {
        return usize::MAX;
    };
    let connections =
        descriptors.saturating_sub(NOT_FOR_CONNECTIONS) / DESCRIPTORS_PER_CONNECTION as u64;
    usize::try_from(connections).unwrap_or(usize::MAX).max(1)
}
