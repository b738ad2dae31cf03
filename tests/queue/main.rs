//! The queue of mail that is sent on, in a world that is made up: sites that are up, down, slow, or say no in every way there is, an
//! operator, and a clock that is set ([`world`]). What must hold whatever happens is checked by [`ledger`].
//!
//! `cargo test` runs 100 seeds. `MAILOOP_SIM_SEEDS=100000` runs more, `MAILOOP_SIM_SEED=17` one, with a trace.

#![cfg(feature = "relay")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::print_stdout, clippy::cast_possible_truncation)]
#![allow(unreachable_pub)]

mod found;
mod ledger;
mod operator;
mod peers;
#[path = "../simulation/prng.rs"]
mod prng;
mod scenarios;
#[path = "../common/seeds.rs"]
mod seeds;
mod simulation;
mod sizes;
mod world;
