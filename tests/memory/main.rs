//! The real loop without network, disk or clock (`MemoryServer`): what it must do right whatever these do.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;

mod admission;
#[cfg(all(feature = "catch", feature = "tls"))]
mod catch;
mod channel;
mod chunks;
mod connections;
mod dialogues;
mod endings;
#[cfg(feature = "auth")]
mod logins;
mod lost;
mod pipelining;
mod proxied;
#[cfg(feature = "relay")]
mod relay;
mod reload;
mod submission;
mod turns;
#[cfg(feature = "catch")]
mod waits;
mod xclient;
