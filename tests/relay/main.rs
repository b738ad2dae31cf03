//! Mail that is sent on, from end to end: running servers with routes to scripted hops, to each other, and to the servers of
//! others, over real sockets.

#![cfg(feature = "relay")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::print_stdout, clippy::cast_possible_truncation)]

#[path = "../common/mod.rs"]
mod common;

mod awkward;
mod beside;
mod failures;
mod mail;
mod onward;
mod operator;
mod peers;
mod postfix;
#[cfg(feature = "record")]
mod recorded;
mod reports;
mod servers;
mod sink;
mod site;
mod start;
mod strangers;
