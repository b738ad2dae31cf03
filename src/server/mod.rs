//! The loop. Of all that serves, only this knows mio.
//!
//! One turn of it, [`Server::tick`], is the whole program:
//!
//! ```text
//! poll readiness → serve ready connections → commit the store once → expire deadlines → reap and accept
//! ```
//!
//! `event_loop` owns the poll, the [listeners](crate::net::listener) and the signals, and hands readiness to [`connections`],
//! the slab of [`connection`]s with all that concerns more than one of them. A connection is generic over its
//! [`Transport`](crate::net::transport::Transport), over which its channel begins TLS where that is asked for. Who connects through a trusted [`proxy`], named by its [`cidr`], is known from a header in front.
//! Where a service manager starts the program, listeners may come by [`activation`].

pub mod activation;
pub mod budget;
pub mod census;
pub mod cidr;
mod clock;
pub mod connection;
pub mod connections;
mod deadlines;
mod descriptors;
mod epoch;
mod event_loop;
pub(crate) mod log_line;
pub mod peer;
pub mod proxy;
mod service_manager;
pub mod store_channel;
pub mod totals;

use std::time::Duration;

pub use event_loop::{Server, Stop};
pub use service_manager::ServiceManager;

/// What bounds the connections of a server.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most connections at a time.
    pub connections_max: usize,
    /// The most of them from one IP address; 0 for no limit.
    pub connections_per_ip_max: usize,
    /// The most connections that linger; the oldest goes first.
    pub lingering_max: usize,
    /// How long a client may take for a whole command, or until the next bytes of a message.
    pub idle_timeout: Duration,
    /// How many bytes a second of a message have to come at least, averaged over an idle timeout; 0 for no limit.
    pub min_rate: u64,
    /// How long a connection may last; a message that keeps the least rate is not cut short by it.
    pub session_timeout: Duration,
    /// How long transactions in flight may take once the server was told to stop.
    pub drain_timeout: Duration,
    /// How many octets a message that begins must leave in the store; 0 for any.
    pub min_free: u64,
    /// After how many stored messages the server stops by itself; 0 for never.
    pub exit_after: u64,
}
