//! `mailoop deliver` without a network: what it takes out of a model of a stream is in each mailbox once.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
#![cfg(feature = "stream")]

mod dialogue;
mod model;
mod simulation;
mod world;
