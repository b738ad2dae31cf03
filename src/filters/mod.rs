//! Mail filters: connections to programs that speak the Sendmail mail filter protocol, and what they decide on sessions.
//!
//! - `requests` is what the sessions of clients ask, `verdict` what they are told, and `answers` the seam to what tells them.
//! - `session` is all that the filters of one client are told and have decided: each step goes to one after the other.
//! - `content` is the part of it in which they see the message, and change it.
//! - `desk` is all sessions, between the requests and the connections.
//! - `link` is one connection to a filter, as a driver of the engine; `service` makes them, and has the work done once a tick.
//! - `network` is the seam to sockets. `settings` is what the operator has decided, `log` what is logged.
//!
//! Invariant: every request gets its verdict, at the latest when the time of each filter is up: a filter that is not there, hangs
//! or speaks nonsense costs nobody more than that.

pub mod answers;
mod content;
pub mod desk;
pub mod link;
mod log;
pub mod network;
pub mod requests;
pub mod service;
mod session;
pub mod settings;
pub mod verdict;
