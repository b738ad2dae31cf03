//! The real loop without network, disk or clock (`MemoryServer`): what it must do right whatever these do.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;

mod admission;
mod channel;
mod chunks;
mod connections;
mod dialogues;
mod endings;
#[cfg(feature = "auth")]
mod logins;
mod pipelining;
mod proxied;
mod reload;
mod submission;
mod turns;
mod xclient;
