//! A trace shows a [record](crate::observe): as text for a person, as a dialogue for a test, on a timeline for a viewer.
//!
//! A record is read as a stream, however long it is. What is held of it is a [`TracedConnection`](connections::TracedConnection) for
//! each connection that is open in it at the same time, and what a format says that it holds.

mod chrome;
mod connections;
mod dialogue;
mod run;
mod text;
mod time;
mod verdicts;
mod writer;

#[cfg(test)]
mod tests;

pub use run::{TraceFormat, TraceOptions, run};
