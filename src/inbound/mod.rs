//! Drivers that bring mail: SMTP, LMTP and submission, with the proxies and XCLIENT peers that speak for clients.
//!
//! `driver` is what the engine calls. Its parts: `opening` from accept to greeting, `drive` from input to the store,
//! `questions` about senders and recipients that the store answers later, `timeouts`, `refusals` and `log`.

mod connection;
mod date;
mod drive;
mod driver;
#[cfg_attr(not(feature = "catch"), path = "no_faults.rs")]
mod faults;
#[cfg_attr(not(feature = "milter"), path = "no_filter_state.rs")]
mod filter_state;
#[cfg_attr(not(feature = "milter"), path = "no_filtering.rs")]
mod filtering;
mod judged;
mod log;
pub(crate) mod log_line;
pub mod metrics;
mod observed;
mod opening;
mod proxied;
pub mod proxy;
mod questions;
mod refusal_counts;
mod refusals;
pub mod rules;
mod security;
pub mod shared;
mod timeouts;
mod user_rate;
mod work;

pub use connection::{Completion, Inbound, Rejection};
pub use rules::{Limits, Rules};
pub use shared::Shared;
