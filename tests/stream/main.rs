//! The connection to a stream, and what speaks on it, over a [model] of the servers in memory.
//!
//! `cargo test` runs so many seeds as is usual, `MAILOOP_SIM_SEEDS=100000` more, `MAILOOP_SIM_SEED=17` one, with a trace.

#![cfg(feature = "stream")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::print_stdout, clippy::cast_possible_truncation)]
#![allow(unreachable_pub)]

#[path = "../common/mod.rs"]
mod common;
mod model;
mod oracle;
#[path = "../simulation/prng.rs"]
#[allow(dead_code)]
mod prng;
mod real;
mod scenes;
#[path = "../common/seeds.rs"]
mod seeds;
mod simulation;
mod witness;
mod world;
