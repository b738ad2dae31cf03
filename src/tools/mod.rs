//! Programs at the other end of the wire: `mailoop send`, `mailoop load` and `mailoop top`.
//!
//! [`message`] makes what is sent out of what was given, [`send`] carries it through one connection, `load` many
//! through as many as are asked for. What both do on a connection is one driver of the engine, `dialogue`, in the clear or under
//! TLS ([`encryption`]); the state machine in [`smtp::client`](crate::smtp::client) decides what is said. Their loops run in a
//! [`world`], which may be recorded or replayed. `top` and `queue` speak with a control socket of a server.

#[cfg(feature = "send")]
mod dialogue;
#[cfg(feature = "send")]
pub mod encryption;
#[cfg(feature = "catch")]
pub mod expect;
#[cfg(feature = "judge")]
pub mod judge;
#[cfg(feature = "load")]
pub mod load;
#[cfg(feature = "send")]
pub mod login;
#[cfg(feature = "send")]
pub mod message;
#[cfg(feature = "send")]
pub mod opening;
#[cfg(feature = "relay")]
pub mod queue;
#[cfg(feature = "send")]
pub mod send;
#[cfg(all(feature = "send", feature = "tls"))]
pub mod tls;
#[cfg(feature = "top")]
pub mod top;
#[cfg(any(feature = "judge", feature = "send"))]
pub mod world;
