//! The ids of connections.

use core::fmt;
use core::str::FromStr;

/// The name of a connection in the log; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

impl ConnectionId {
    /// The first id of connections that a server makes itself, beside those of its clients.
    pub const FIRST_OUTGOING: Self = Self(1 << 48);

    /// Whether it is one of those.
    #[must_use]
    pub fn is_outgoing(self) -> bool {
        self >= Self::FIRST_OUTGOING
    }

    /// The number of one of those, counted from 1.
    #[must_use]
    pub fn outgoing_number(self) -> Option<u64> {
        let before = self.0.checked_sub(Self::FIRST_OUTGOING.0)?;
        before.checked_add(1)
    }
}

/// Text that is no id of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoConnectionId;

impl fmt::Display for NoConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a connection is a number, as conn= has it, or out-1 and on")
    }
}

impl core::error::Error for NoConnectionId {}

impl FromStr for ConnectionId {
    type Err = NoConnectionId;

    fn from_str(text: &str) -> Result<Self, NoConnectionId> {
        let id = match text.strip_prefix("out-") {
            Some(number) => number.parse().ok().and_then(|number: u64| {
                let before = number.checked_sub(1)?;
                Self::FIRST_OUTGOING.0.checked_add(before)
            }),
            None => text.parse().ok(),
        };
        id.map(Self).ok_or(NoConnectionId)
    }
}

/// The number; of connections that a server makes itself `out-1` and on.
impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.outgoing_number() {
            Some(number) => write!(f, "out-{number}"),
            None => self.0.fmt(f),
        }
    }
}

/// A connection as queues and tickets remember it: by its key, which is used again, and its id, which is not.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionName {
    pub(super) key: usize,
    pub(super) id: ConnectionId,
}

impl ConnectionName {
    /// The key, by which events name it.
    #[must_use]
    pub fn key(&self) -> usize {
        self.key
    }

    /// The id.
    #[must_use]
    pub fn id(&self) -> ConnectionId {
        self.id
    }
}
