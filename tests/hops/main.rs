//! Connections to hops in memory: dialogues of the driver with servers that follow a script, and with servers that answer by seed.
//!
//! `MAILOOP_SIM_SEEDS=100000` runs more seeds, `MAILOOP_SIM_SEED=17` one.

#![cfg(feature = "relay")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::print_stdout, clippy::cast_possible_truncation)]
#![allow(unreachable_pub)]

#[path = "../common/mod.rs"]
mod common;
mod dialogue;
mod faults;
#[path = "../simulation/prng.rs"]
#[allow(dead_code)]
mod prng;
mod seeded;
#[path = "../common/seeds.rs"]
#[allow(dead_code)]
mod seeds;
mod texts;
#[cfg(feature = "tls")]
mod tls;
mod world;
