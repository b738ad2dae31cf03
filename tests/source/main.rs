//! What holds of the source itself, and of how these tests go about it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;

mod arrows;
mod defects;
mod guide;
mod layers;
mod programs;
mod replies;
mod scan;
mod shape;
