//! Whole sessions: however the client's octets are cut, the same is said and the same is stored.

#![no_main]

#[path = "../cuts.rs"]
mod cuts;
mod driver;

use driver::{Driver, Setting};
use libfuzzer_sys::fuzz_target;
use mailoop::smtp::event::CloseReason;

// The first three octets choose the policy, what the store refuses, and how the others are cut.
fuzz_target!(|bytes: &[u8]| {
    let [policy, refusals, cut, input @ ..] = bytes else {
        return;
    };
    let setting = Setting::new(*policy, *refusals);
    let octets = Driver::run(&setting, cuts::pieces(input, 1));
    let pieces = Driver::run(&setting, cuts::pieces(input, *cut));
    if octets == pieces {
        return;
    }
    // What stands behind DATA is early only if it is there when DATA is read. Until then all is the same.
    let early = [
        &b"554 Error: you talk before it is your turn\r\n"[..],
        b"554 5.5.1 Error: you talk before it is your turn\r\n",
    ];
    let before = early
        .iter()
        .find_map(|reply| pieces.said.strip_suffix(*reply));
    let before = before.expect("the cuts made a difference");
    assert!(
        octets.said.starts_with(before),
        "the cuts made a difference"
    );
    assert!(octets.stored.starts_with(&pieces.stored));
    assert_eq!(pieces.reason, Some(CloseReason::Error));
    assert!(!setting.accepts_early_talk());
});
