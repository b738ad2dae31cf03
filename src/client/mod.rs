//! The other end of the wire: `mailoop send`.
//!
//! [`message`] makes what is sent out of what was given, [`send`] carries it through one connection. What is
//! said on the way is decided by the state machine in [`smtp::client`](crate::smtp::client).

pub mod message;
pub mod send;
mod socket;
mod transcript;
