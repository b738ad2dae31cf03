//! The server: the event loop around the engine, the store, and what the system has for both.
//!
//! [`core`] is the server without its poll, with the order of a tick; `event_loop` owns the poll, the [listeners](crate::net::listeners) and the
//! signals. `control` answers whoever watches, from what `loop_stats` counts meanwhile. Where a service manager starts the program, listeners may come by [`activation`].

pub mod activation;
#[cfg_attr(not(feature = "top"), path = "no_control.rs")]
mod control;
pub mod core;
mod descriptors;
mod event_loop;
#[cfg(feature = "top")]
mod loop_stats;
pub mod probe;
mod service_manager;
pub mod store_channel;

pub use event_loop::{Server, Stop};
pub use service_manager::ServiceManager;
