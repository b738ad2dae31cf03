//! Names of hosts: the resolver beside scripted name servers, without sockets and with them.
//!
//! Scripts are lines such as `mail.example A = 300 192.0.2.1`: see [`script`]. `MAILOOP_SIM_SEEDS=100000` mutates more messages,
//! `MAILOOP_SIM_SEED=17` those of one seed.

#![cfg(feature = "relay")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::print_stdout, clippy::cast_possible_truncation)]
#![allow(unreachable_pub)]

#[path = "../common/mod.rs"]
mod common;
#[allow(dead_code)]
#[path = "../simulation/prng.rs"]
mod prng;
#[path = "../common/seeds.rs"]
mod seeds;

mod aliases;
mod bounds;
mod files;
mod kinds;
mod message;
mod mutations;
mod programs;
mod script;
mod simulation;
mod situations;
mod sockets;
mod within;
mod world;
