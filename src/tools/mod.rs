//! Programs at the other end of the wire: `mailoop send` and `mailoop load`.
//!
//! [`message`] makes what is sent out of what was given, [`send`] carries it through one connection, `load` many
//! through as many as are asked for. What both do on a connection is one driver of the engine, `dialogue`, in the clear or under
//! TLS ([`encryption`]); the state machine in [`smtp::client`](crate::smtp::client) decides what is said.

mod dialogue;
pub mod encryption;
#[cfg(feature = "load")]
pub mod load;
pub mod login;
pub mod message;
pub mod send;
#[cfg(feature = "tls")]
pub mod tls;
