//! The closing line of `cargo test`: how many tests were skipped, for want of what, and how to get it.
//!
//! Cargo runs test programs in the order of their names, so this one is the last. It has no test harness, so that it also
//! speaks when only some tests were asked for.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::print_stdout)]

#[allow(dead_code)]
#[path = "common/skipped.rs"]
mod skipped;

use std::env;

fn main() {
    // A runner that asks which tests there are is told of none.
    if !env::args().any(|argument| argument == "--list") {
        println!("\n{}", skipped::sum());
    }
}
