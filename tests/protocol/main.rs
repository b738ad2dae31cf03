//! What needs nothing but octets: sessions, parsers, decoders, replies, and what options and tables make of a
//! configuration.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;

#[cfg(all(feature = "auth", feature = "send"))]
mod client_login;
#[cfg(feature = "send")]
mod client_replies;
#[cfg(feature = "send")]
mod client_session;
mod configuration;
mod directory;
mod fields;
mod hops;
mod message_data;
mod options;
mod paths;
mod proxy;
#[cfg(all(
    feature = "auth",
    feature = "record",
    feature = "smtputf8",
    feature = "tls"
))]
mod records;
#[cfg(feature = "auth")]
mod sasl;
mod tables;
mod trace;
