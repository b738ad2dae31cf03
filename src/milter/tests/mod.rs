//! Whole conversations with filters that a script plays.

mod conversation;
pub(crate) mod filter;
mod inputs;
mod rules;
