//! The other end of the wire: `mailoop send` and `mailoop load`.
//!
//! [`message`] makes what is sent out of what was given, [`send`] carries it through one connection, `load` many
//! through as many as are asked for. A connection is a [`wire`], in the clear or under [`tls`]; what is said on the way
//! is decided by the state machine in
//! [`smtp::client`](crate::smtp::client).

mod exchange;
#[cfg(feature = "load")]
pub mod load;
#[cfg_attr(not(feature = "auth"), path = "login_absent.rs")]
pub mod login;
pub mod message;
pub mod send;
mod socket;
#[cfg(feature = "tls")]
pub mod tls;
#[cfg(not(feature = "tls"))]
#[path = "tls_absent.rs"]
pub mod tls;
mod transcript;
pub mod wire;
