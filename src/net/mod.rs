//! The engine of an event-driven program: what carries octets, without any protocol.
//!
//! Layers, each on the one before it:
//!
//! - [`endpoint`] reads the address of a server or a listener; [`dialer`] begins connections, and [`listener`] accepts
//!   them, also where [`descriptors`] have run out.
//! - [`transport`]: the trait of a non-blocking stream of octets; [`socket`] is the one of the system.
//! - [`link`]: a transport in the clear, and from some point on TLS over it. `tls` is the adapter of rustls, for both roles.
//! - [`channel`]: a link with the rules of edge-triggered I/O, and output that is bounded by backpressure.
//!
//! Invariant: nothing here imports another module of this crate, so that the folder can be lifted out.

pub mod channel;
pub mod descriptors;
pub mod dialer;
pub mod endpoint;
pub mod link;
pub mod listener;
pub mod socket;
#[cfg(feature = "tls")]
pub mod tls;
pub mod transport;
