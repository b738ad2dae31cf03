//! Mail that is sent on: the queue, the connections to other servers, names, reports.
//!
//! - [`queue`] says which message is tried when, and where; it knows no socket and no clock.
//! - [`connection`] drives one connection to a [`hop`]: [deliveries](delivery) and their outcomes go over a [`desk`]. TLS
//!   comes from its [`connectors`].
//! - [`dns`] turns names of hosts into addresses, sans-IO; [`names`] lends it sockets and files. [`sts`] has the policies of domains
//!   (MTA-STS).
//! - [`mx`] finds the hosts that a domain names for its mail, and what they have to show.
//! - [`dispatcher`] brings them together with the spool: it [opens](opening) connections to [sites], gives them mail, and tells all who
//!   have to know what came of it. [`relay`] is that within the tick of the server.
//! - [`report`] writes what senders are told of failures, delays and deliveries.

pub mod connection;
pub mod connectors;
pub mod delivery;
mod delivery_log;
pub mod desk;
pub mod dispatcher;
pub mod dns;
pub mod hop;
pub mod mx;
pub mod names;
pub mod network;
pub mod opening;
pub mod outgoing;
pub mod queue;
pub mod relay;
pub mod report;
pub mod response;
pub mod sites;
pub mod sts;
pub mod tls_results;
