//! The protocol, sans-IO: RFC 5321 as state machines that know no socket, file or clock.
//!
//! A server [`Session`](session::Session) takes the bytes that a client sent and says, one
//! [`Event`](event::Event) at a time, what is to be done about them; replies are written into a buffer it
//! is handed. `client` is its mirror.
//!
//! On the way in: [`line`](mod@line) cuts commands out of the bytes, [`command`] and [`path`] read them, [`data`]
//! and [`chunk`] decode the message, [`fields`] completes its header where that is asked for. On the way out: [`reply`] and [`trace`]. What they agree on about a message is its
//! [`envelope`]. Who sends it is asked by [`auth`].

#[cfg(feature = "auth")]
pub mod auth;
#[doc(hidden)]
pub mod by_clause;
pub mod chunk;
pub mod client;
pub mod command;
pub mod data;
pub mod directory;
pub mod dsn;
pub mod envelope;
#[cfg(any(feature = "http", feature = "judge", feature = "record"))]
pub(crate) mod escape;
pub mod event;
pub mod extension;
#[cfg(feature = "catch")]
pub mod faults;
pub mod fields;
#[doc(hidden)]
pub mod hops;
pub mod line;
#[doc(hidden)]
pub mod log_value;
pub mod login;
#[cfg(any(feature = "http", feature = "record"))]
pub(crate) mod mask;
pub mod mechanism;
mod own_hops;
pub mod path;
pub mod policy;
pub mod reply;
pub mod route;
pub mod sasl;
pub mod security;
pub mod senders;
pub mod service;
pub mod session;
pub mod stats;
pub mod status;
mod syntax;
pub mod trace;
pub mod transaction;
pub mod visible;
pub mod xclient;
