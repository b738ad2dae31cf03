//! The judge, judged: each planted fault of a server or a client is found by a check whose sentence names it, and those that are
//! right are told so.

#![cfg(feature = "judge")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;

mod clients;
mod forms;
mod judged;
mod oracle;
mod runs;
mod servers;
