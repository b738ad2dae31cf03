//! Counts of connections, in all and from each address.

use std::collections::HashMap;
use std::net::IpAddr;

/// The counts that a connection belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Presence {
    /// Whether it counts at all.
    pub(super) open: bool,
    /// The client's address, where it has one and it is known.
    pub(super) ip: Option<IpAddr>,
}

/// The counts.
#[derive(Debug, Default)]
pub(super) struct ConnectionCounts {
    open: usize,
    by_ip: HashMap<IpAddr, usize>,
}

impl ConnectionCounts {
    /// Notes that a connection that counted as `before` counts as `after`.
    pub(super) fn note(&mut self, before: Presence, after: Presence) {
        self.open = self.open + usize::from(after.open) - usize::from(before.open);
        if before.ip == after.ip {
            return;
        }
        if let Some(ip) = after.ip {
            *self.by_ip.entry(ip).or_insert(0) += 1;
        }
        if let Some(ip) = before.ip
            && let Some(alike) = self.by_ip.get_mut(&ip)
        {
            *alike -= 1;
            if *alike == 0 {
                self.by_ip.remove(&ip);
            }
        }
    }

    /// Connections in all.
    pub(super) fn open(&self) -> usize {
        self.open
    }

    /// Connections from `ip`.
    pub(super) fn open_from(&self, ip: IpAddr) -> usize {
        self.by_ip.get(&ip).copied().unwrap_or(0)
    }
}
