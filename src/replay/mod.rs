//! The replay of a record: the server's core, or the loop of a client, runs on the recorded inputs, without socket, disk or clock.
//!
//! [`Script`](script::Script) is the record as the core meets it. Where the core makes a call, the next frame must be the same call,
//! whose recorded result it gets; where it decides something, the next frame must be the same decision. The first frame that is
//! another one is the difference, after which nothing is compared any more.

#[cfg_attr(not(feature = "send"), path = "../not_built.rs")]
mod client;
#[cfg(any(feature = "relay", feature = "send"))]
mod client_login;
mod contents;
mod cut;
mod difference;
#[cfg_attr(not(feature = "milter"), path = "no_filters.rs")]
mod filters;
#[cfg(feature = "milter")]
mod hold;
mod login;
mod probe;
#[cfg_attr(not(feature = "relay"), path = "no_relay.rs")]
mod relay;
mod result;
mod run;
mod script;
#[cfg(feature = "relay")]
mod spool;
mod steps;
mod store;
mod tls;
mod transport;

pub use difference::Difference;
pub use result::{ReplayError, Replayed};
pub use run::replay;
