//! The server on disks of our own.
//!
//! A disk is a piece of memory in the test, served by the Network Block Device protocol ([`nbd`]). `nbdfuse` makes a
//! file of it, the kernel a loop device of that, and there is a file system on the loop device. So every write and
//! every flush that the file system asks of a disk passes through [`device`], which remembers them and takes its time.
//!
//! `MAILOOP_DISK_FS` names another file system than ext4: `xfs` or `btrfs`. `MAILOOP_DISK_CUTS=1000` cuts the power as
//! often, at places that `MAILOOP_DISK_SEED` decides; the messages are the same for the same seed, the times at which
//! they come are not. `MAILOOP_DISK_DELAY` says how many milliseconds a slow disk takes. What was measured is shown by
//! `cargo test --test disk -- --nocapture`.
//!
//! Only root can mount file systems, and only where there are `/dev/fuse` and loop devices. Elsewhere the tests say
//! that they are skipped.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::print_stdout, clippy::cast_possible_truncation)]
#![allow(unreachable_pub)]

// They are made for the tests of streams; not all of it is used here.
#[allow(dead_code)]
#[cfg(feature = "stream")]
#[path = "../stream/real/clients.rs"]
mod clients;
#[path = "../common/mod.rs"]
mod common;
mod cut;
mod device;
mod image;
mod messages;
mod mount;
mod nbd;
mod power_cut;
mod probe;
// It is made for the simulation; not all of it is used here.
#[allow(dead_code)]
#[path = "../simulation/prng.rs"]
mod prng;
mod questions;
mod senders;
mod slow;
#[cfg(feature = "relay")]
mod spool_cut;
// It is made for the tests of the relay; not all of it is used here.
#[allow(dead_code)]
#[cfg(feature = "relay")]
#[path = "../relay/sink.rs"]
mod sink;
#[cfg(feature = "stream")]
mod stream_cut;
mod two;

use std::env;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Held by the test that runs: what one asks of the machine would disturb the other's times.
static MACHINE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    MACHINE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn number(variable: &str) -> Option<u64> {
    let value = env::var(variable).ok()?;
    Some(value.parse().expect("a number"))
}
