//! The engine of an event-driven program: one poll loop, non-blocking connections, and drivers for their protocols.
//!
//! Layers, each on the one before it:
//!
//! - [`endpoint`] reads the address of a server or a listener; [`dialer`] begins connections.
//! - [`transport`]: the trait of a non-blocking stream of octets; [`socket`] is the one of the system.
//! - [`link`]: a transport in the clear, and from some point on TLS over it. `tls` is the adapter of rustls, for both roles.
//! - [`channel`]: a link with the rules of edge-triggered I/O, and output that is bounded by backpressure.
//!
//! - [`driver`]: one protocol on one connection. [`connections`]: the slab of them, with turns, timers and the end, which is
//!   bounded by a [`budget`] of work.
//! - [`poller`]: the poll itself, with a [`token`] for each source.
//!
//! Invariant: nothing here imports another module of this crate, so that the folder can be lifted out.

pub mod budget;
pub mod channel;
mod connection;
pub mod connections;
mod counts;
pub mod descriptors;
pub mod dialer;
pub mod driver;
pub mod endpoint;
pub mod epoch;
pub mod link;
pub mod listener;
pub mod listeners;
pub mod peer;
pub mod poller;
pub mod socket;
mod timers;
#[cfg(feature = "tls")]
pub mod tls;
pub mod token;
pub mod transport;

pub use connection::LINGER_TIMEOUT;
