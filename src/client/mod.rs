//! The other end of the wire: `mailoop send` and `mailoop load`.
//!
//! [`message`] makes what is sent out of what was given, [`send`] carries it through one connection, `load` many
//! through as many as are asked for. A connection is a [`Channel`](crate::net::channel::Channel), in the clear or under TLS
//! ([`encryption`]); what is said on the way is decided by the state machine in
//! [`smtp::client`](crate::smtp::client).

mod connect;
pub mod encryption;
mod exchange;
#[cfg(feature = "load")]
pub mod load;
pub mod login;
pub mod message;
pub mod send;
#[cfg(feature = "tls")]
pub mod tls;
mod transcript;
