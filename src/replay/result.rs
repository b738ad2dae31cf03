//! The result of a replay, and why there is none.

use core::fmt;
use std::io;

use super::difference::Difference;
use crate::net::driver::ConnectionId;
use crate::net::epoch::Nanoseconds;
use crate::observe::file::RecordError;

/// No record is so long, in nanoseconds: 146 years.
pub(super) const TIME_MAX: Nanoseconds = 1 << 62;

/// The result of a replay to its end.
#[derive(Debug, Default)]
pub struct Replayed {
    /// The ticks that ran.
    pub ticks: u64,
    /// The connections that there were, refused ones as well.
    pub connections: u64,
    /// Octets of text that were written.
    pub octets: u64,
    /// Whether the record does not end as one that was ended.
    pub is_cut_short: bool,
    /// The first difference, after which nothing was compared.
    pub difference: Option<Box<Difference>>,
}

/// Why a record cannot be replayed.
#[derive(Debug)]
pub enum ReplayError {
    /// The file cannot be opened.
    Open(io::Error),
    /// The record cannot be read.
    Record(RecordError),
    /// The record begins neither with the rules of a server nor as that of a client.
    NoServer,
    /// The record is of this command, of which no connection can be cut out.
    OnlyWhole(&'static str),
    /// The record is of this command, which this program lacks.
    NotBuilt(&'static str),
    /// The record does not have this connection.
    NoConnection(ConnectionId),
}

impl From<RecordError> for ReplayError {
    fn from(error: RecordError) -> Self {
        Self::Record(error)
    }
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(error) => error.fmt(f),
            Self::Record(error) => error.fmt(f),
            Self::NoServer => f.write_str("it is no record of a server or a client"),
            Self::OnlyWhole(command) => write!(
                f,
                "it is a record of mailoop {command}, which replays as a whole: leave --connection out"
            ),
            Self::NotBuilt(command) => write!(
                f,
                "it is a record of mailoop {command}, which this program was built without"
            ),
            Self::NoConnection(connection) => write!(f, "it has no connection {connection}"),
        }
    }
}
