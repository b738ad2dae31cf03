//! Faults by rule: a server for tests that refuses, delays, hangs up or loses mail exactly as it is told.
//!
//! A rule is one line, `WHERE [PATTERN] [#N|#N+|N/min] [by ip|from|rcpt] = WHAT`, as `rcpt *@busy.example #1 = 450 4.2.1 busy`. The
//! first that fits decides. Every rule counts what fits its place and pattern, also where an earlier one has decided, so that
//! what a rule does never depends on those before it.

mod error;
mod glob;
mod own;
mod parse;
mod place;
mod reply;
mod rule;
mod rules;

pub use error::FaultError;
pub use own::rule_of;
pub use place::{FaultKey, FaultPlace};
pub use reply::FaultReply;
pub use rule::{FaultOutcome, FaultRule};
pub use rules::{FaultRules, FaultSubject, RULES_MAX};
