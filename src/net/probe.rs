//! The seam for observers of connections: a trace, a record, a count.
//!
//! A driver that has a probe tells it what it used of its input and what it has said. Without one a driver pays a comparison
//! for each call.

use std::io;

use super::budget::TurnBudget;
use super::driver::ConnectionId;
use super::lifecycle::Lifecycle;

/// An observer of connections.
pub trait Probe {
    /// Sees that a turn of a connection begins, and what it may do; a replay gives it what it had.
    fn began_turn(&self, connection: ConnectionId, budget: TurnBudget) -> TurnBudget {
        let _ = connection;
        budget
    }

    /// Sees what was decided about a connection by more than what came of it, if anything was; a replay gives what there was.
    fn decided(&self, connection: ConnectionId, decision: Option<String>) -> Option<String> {
        let _ = connection;
        decision
    }

    /// Sees one step of a connection, at the moment at which it is taken.
    fn saw(&self, connection: ConnectionId, step: Seen<'_>);
}

/// One step of a connection, as its driver took it.
#[derive(Clone, Copy, Debug)]
pub enum Seen<'a> {
    /// The driver is served, or changed between two turns: what follows is of its connection.
    Served,
    /// The driver has taken these octets off its input.
    Used(Content, &'a [u8]),
    /// The driver has gone by these octets, at the start of its input, and left that for later.
    Left(&'a [u8]),
    /// The driver has appended these octets to its output.
    Said(&'a [u8]),
    /// The driver has appended these octets to its output, which show who it is.
    SaidCredentials(&'a [u8]),
    /// So many octets of the driver's [own text](super::driver::Driver::unwritten) are left to be written, at its start and each time
    /// that some were.
    OwnText {
        /// The octets.
        left: usize,
    },
    /// The transport was read from, with this result. Only a [told](super::carrier::Carrier::tell) carrier says so.
    Read(&'a io::Result<usize>),
    /// The transport was written to, with this result. Only a [told](super::carrier::Carrier::tell) carrier says so.
    Wrote(&'a io::Result<usize>),
    /// A turn is over, after which the connection waits for this.
    Waits(&'static str),
    /// The protocol is in the state of this name.
    State(&'static str),
    /// The connection has gone on to another stage of its life.
    Entered(Lifecycle),
    /// The connection is removed, for this reason, after so many octets read and written.
    Closed(&'static str, u64, u64),
}

/// The kind of octets that a driver used, on which depends who may see them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Lines of the protocol. A command may carry credentials all the same.
    Protocol,
    /// A line in which a client shows who it is.
    Credentials,
    /// Replies of a server, also challenges of a login.
    Reply,
    /// The text of a message.
    Text,
    /// The rest of a line that is too long, of which nothing is kept.
    Dropped,
}
