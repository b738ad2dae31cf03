//! All that sends mail on but the network and the spool, which are in memory here: what becomes of a message when hosts break off,
//! when routes are others, and when the spool cannot be read for a while.

#![cfg(feature = "relay")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::cast_possible_truncation, unreachable_pub)]

mod ends;
mod hosts;
mod jobs;
mod mx;
mod reload;
mod reports;
mod spool;
mod trouble;
mod world;
mod zone;
