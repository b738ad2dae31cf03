//! What it takes: memory, allocations, and time among a crowd. Here are tests that need a program of their own: one counts
//! what the whole program allocates, others open thousands of connections.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;

mod allocations;
#[cfg(feature = "catch")]
mod catch;
mod crowd;
mod memory;
#[cfg(feature = "relay")]
mod relay;
#[cfg(feature = "relay")]
mod spool;
