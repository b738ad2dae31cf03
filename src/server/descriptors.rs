//! How many descriptors there are, and so how many connections; and the one that is kept for bad times.

use std::fs::File;
use std::io;

use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::Limits;

/// Descriptors that are no connection's: standard streams, poll, signals, listeners, the store's pipes and folders.
const NOT_FOR_CONNECTIONS: u64 = 64;
/// A connection needs its socket, and a file while its message arrives: in the store process, or else in this one.
const PER_CONNECTION: u64 = 2;

/// Lowers the limit on connections to what the descriptors allow.
pub(super) fn cap(limits: Limits) -> Limits {
    raise_limit();
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

/// Raises the soft limit on descriptors to the hard one, for this process and those it starts later.
pub fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current < limit.maximum || limit.current.is_some() && limit.maximum.is_none() {
        let raised = Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            log::warn!(
                "warning=\"descriptor limit stays at {:?}: {error}\"",
                limit.current
            );
        }
    }
}

/// How many connections the descriptors allow, at least one.
fn connections_allowed() -> usize {
    let Some(descriptors) = getrlimit(Resource::Nofile).current else {
        return usize::MAX;
    };
    let connections = descriptors.saturating_sub(NOT_FOR_CONNECTIONS) / PER_CONNECTION;
    usize::try_from(connections).unwrap_or(usize::MAX).max(1)
}

/// EMFILE or ENFILE: the process or the machine has no descriptor left.
pub(super) fn is_out_of_descriptors(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::MFILE | Errno::NFILE)
    )
}

/// A descriptor kept for bad times. Without it a server that has run out of descriptors could neither accept
/// clients nor make them go away, and its poll would tell of them for ever.
pub(super) struct Reserve(Option<File>);

impl Reserve {
    pub(super) fn new() -> Self {
        Self(File::open("/dev/null").ok())
    }

    /// Gives the descriptor up; whether there was one.
    pub(super) fn release(&mut self) -> bool {
        self.0.take().is_some()
    }

    /// Takes a descriptor again, if it was given up.
    pub(super) fn restore(&mut self) {
        if self.0.is_none() {
            *self = Self::new();
        }
    }
}
