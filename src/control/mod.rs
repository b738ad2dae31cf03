//! The control socket: one line protocol by which a person or a program looks into a running server.
//!
//! `docs/control.md` describes the protocol. [`command`] is the table of what can be asked, [`report`] what is answered. [`Control`]
//! is the driver, in the same event loop as all others. It knows no server: what only that can answer it hands over as a
//! [`ControlRequest`], and waits for an [`AnswerPart`] as a session waits for its store. A long answer comes in parts, each made
//! after the last one was written: so neither the loop nor the memory is taken by a listing of ten thousand connections.
//!
//! A command is added as a row of the table, a request, and an arm where the server answers it.

pub mod command;
mod driver;
#[cfg(feature = "relay")]
pub mod queue;
#[cfg(feature = "relay")]
pub mod queue_report;
pub mod report;

pub use command::ControlRequest;
pub use driver::{AnswerPart, Control, ControlShared, ControlTicket, NextPart};

/// The first line of a server, before the name and version of its program. Its number is that of the protocol.
pub const GREETING: &str = "control 1";
/// The last line of an answer.
pub const END_LINE: &str = ".";
/// The beginning of the last line of an answer to a command that failed.
pub const ERROR_PREFIX: &str = "error ";
/// The beginning of the error of a command that may succeed later, after [`ERROR_PREFIX`].
pub const TRY_AGAIN_PREFIX: &str = "try again: ";
/// The most octets of a command line, without its end.
pub const COMMAND_BYTES_MAX: usize = 512;
