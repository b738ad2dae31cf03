//! MTA-STS: policies are fetched over real sockets, from policy hosts that do as they should and from hostile ones, and outlive a
//! restart. Time is given, so that nobody waits for a minute.

#![cfg(all(feature = "relay", feature = "tls"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::cast_possible_truncation, unreachable_pub)]

#[path = "../common/mod.rs"]
mod common;
#[allow(dead_code)]
#[path = "../names/message.rs"]
mod message;
#[allow(dead_code)]
#[path = "../names/script.rs"]
mod script;

mod fetches;
mod host;
mod hostile;
mod live;
mod names;
mod restart;
mod server;
mod world;
