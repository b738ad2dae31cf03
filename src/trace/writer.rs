//! The seam between the reading of a record and the formats of its trace.

use core::fmt;
use std::io::{self, Write};

use super::connections::TracedConnections;
use super::time::TraceTime;
use crate::net::driver::ConnectionId;
use crate::observe::file::RecordError;
use crate::observe::frame::Frame;

/// A writer of traces in one format.
pub(super) trait TraceWriter {
    /// Shows a frame.
    fn frame(&mut self, traced: &Traced<'_>, out: &mut dyn Write) -> io::Result<()>;

    /// Shows that the record is over.
    fn end(&mut self, end: &TraceEnd, out: &mut dyn Write) -> io::Result<()>;
}

/// A frame with what is known when it is read.
pub(super) struct Traced<'a> {
    pub(super) frame: &'a Frame<'a>,
    /// The connection that it concerns, if it concerns one.
    pub(super) connection: Option<ConnectionId>,
    pub(super) time: TraceTime,
    pub(super) connections: &'a TracedConnections,
}

/// The end of a record.
#[derive(Clone, Copy, Debug)]
pub(super) struct TraceEnd {
    pub(super) time: TraceTime,
    /// Whether its last frame is incomplete.
    pub(super) is_cut_short: bool,
}

/// Why there is no trace, or not all of one.
#[derive(Debug)]
pub(super) enum TraceError {
    /// The record cannot be read on.
    Record(RecordError),
    /// The record does not have the connection.
    UnknownConnection(ConnectionId),
    /// The trace cannot be written.
    Output(io::Error),
}

impl From<RecordError> for TraceError {
    fn from(error: RecordError) -> Self {
        Self::Record(error)
    }
}

impl From<io::Error> for TraceError {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

impl fmt::Display for TraceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Record(error) => error.fmt(f),
            Self::UnknownConnection(id) => write!(f, "the record has no connection {id}"),
            Self::Output(error) => write!(f, "cannot write the trace: {error}"),
        }
    }
}
