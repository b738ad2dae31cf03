//! HTTP/1.1 (RFC 9112), for the pages, the metrics and the REST of a running server.
//!
//! [`Http`] is the driver of one connection, in the same event loop as all others. It [reads a head](parse), looks whether it is let
//! [in](access), and takes the [body](body): an [`HttpRequest`] is whole before it is answered, and bounded. The driver knows no server:
//! it hands the request over, and waits for an [`HttpAnswer`] as a session waits for its store. What can be answered is an
//! [`HttpResponse`]; what cannot be yet, as for a message that has not come, is asked again; a stream of events goes on until one side
//! ends it. [`routes`] is the table of what can be asked.

pub mod access;
#[cfg(feature = "catch")]
mod api;
pub mod body;
mod date;
pub mod driver;
mod events;
pub mod live;
pub mod metrics;
#[cfg(feature = "catch")]
mod mime;
pub mod page;
pub mod parse;
mod probes;
pub mod request;
pub mod response;
pub mod routes;
#[cfg(feature = "catch")]
mod rules;
mod shared;
pub mod target;

pub use driver::Http;
pub use events::EVENTS_BYTES_MAX;
pub use request::{HttpRequest, Method, WaitProgress};
pub use response::{HttpAnswer, HttpResponse};
pub use shared::{HttpNews, HttpQuestion, HttpShared, HttpTicket};
