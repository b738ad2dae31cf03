//! The engine of `src/net` without any mail: an echo server over real sockets, under TLS and over a network that misbehaves by
//! seed, and drivers that do all that a driver may do.
//!
//! Every driver here is [`checked`]: it panics where the engine breaks the contract of `Driver`. `MAILOOP_SIM_SEEDS=100000` runs
//! more seeds, `MAILOOP_SIM_SEED=17` one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::print_stdout, clippy::cast_possible_truncation)]
#![allow(unreachable_pub)]

mod bench;
mod checked;
#[path = "../common/mod.rs"]
mod common;
mod datagrams;
mod dials;
mod echo;
mod endings;
#[path = "../simulation/network.rs"]
mod network;
#[path = "../simulation/prng.rs"]
mod prng;
mod script;
#[path = "../common/seeds.rs"]
mod seeds;
mod sockets;
mod turns;
mod wire;
mod world;
