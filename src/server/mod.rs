//! The server: the event loop around the engine, the store, and what the system has for both.
//!
//! [`core`] is the server without its poll, with the order of a tick; `event_loop` owns the poll, the [listeners](crate::net::listeners) and the
//! signals. `control` answers whoever watches, from what `loop_stats` counts meanwhile. Where a service manager starts the program, listeners may come by [`activation`].

pub mod activation;
mod beside;
mod commits;
#[cfg_attr(not(any(feature = "relay", feature = "top")), path = "no_control.rs")]
mod control;
pub mod core;
pub mod descriptors;
mod event_loop;
#[cfg(feature = "catch")]
mod faults;
#[cfg(feature = "milter")]
mod filtering;
#[cfg_attr(not(feature = "milter"), path = "no_filters.rs")]
mod filters;
#[cfg_attr(not(feature = "http"), path = "no_http.rs")]
mod http;
#[cfg(feature = "http")]
pub mod http_clients;
#[cfg(feature = "http")]
mod live;
#[cfg(any(feature = "relay", feature = "top"))]
mod loop_stats;
#[cfg(feature = "http")]
pub mod measured_store;
#[cfg(feature = "http")]
mod metrics;
#[cfg(feature = "relay")]
pub mod network;
pub mod probe;
#[cfg(feature = "relay")]
mod queue_access;
#[cfg(feature = "relay")]
pub mod queue_answers;
#[cfg_attr(not(feature = "relay"), path = "no_relay.rs")]
mod relay;
#[cfg(feature = "relay")]
mod sending;
mod service_manager;
pub mod store_channel;
mod store_channels;
#[cfg_attr(not(feature = "stream"), path = "no_stream.rs")]
mod stream;
#[cfg(feature = "stream")]
mod stream_network;
#[cfg(feature = "stream")]
mod streaming;
mod tokens;
#[cfg(feature = "catch")]
mod transcripts;
#[cfg(feature = "http")]
mod watch;

pub use event_loop::{Server, Stop};
pub use service_manager::ServiceManager;
