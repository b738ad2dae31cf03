//! Observers of the server: the record of all that came in to its loop, and of what it decided.
//!
//! A [record](record) is a file of [frames](frame). [`record`] writes it around a running server; what reads one is in
//! [`replay`](crate::replay) and in the trace.

pub mod codec;
pub(crate) mod crc;
pub mod file;
#[cfg(feature = "milter")]
pub(crate) mod filters;
pub mod frame;
mod mask;
#[cfg(feature = "relay")]
pub mod names;
pub mod outcome;
pub(crate) mod packed;
pub mod record;
#[cfg(feature = "relay")]
pub mod relay;
pub mod rules;
