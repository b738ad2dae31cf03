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
pub mod chunk;
pub mod client;
pub mod command;
pub mod data;
pub mod directory;
pub mod envelope;
pub mod event;
mod extension;
pub mod fields;
#[doc(hidden)]
pub mod hops;
pub mod line;
pub mod login;
pub mod mechanism;
pub mod path;
pub mod policy;
pub mod reply;
pub mod sasl;
pub mod security;
pub mod senders;
pub mod service;
pub mod session;
pub mod stats;
mod syntax;
pub mod trace;
pub mod transaction;
pub mod visible;
pub mod xclient;
