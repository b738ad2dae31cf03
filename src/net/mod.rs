//! The engine: sockets, readiness and time for any protocol. It imports nothing else of this crate.
//!
//! - [`endpoint`] reads the address of a server or a listener.

pub mod endpoint;
