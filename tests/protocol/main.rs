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
#[cfg(feature = "catch")]
mod faults;
mod fields;
mod hops;
#[cfg(feature = "http")]
mod http;
#[cfg(feature = "catch")]
mod json;
mod message_data;
mod options;
mod paths;
mod proxy;
#[cfg(feature = "relay")]
mod queue_answers;
#[cfg(all(
    feature = "auth",
    feature = "record",
    feature = "smtputf8",
    feature = "tls"
))]
mod records;
#[cfg(feature = "relay")]
mod relay;
#[cfg(feature = "relay")]
mod reports;
#[cfg(feature = "auth")]
mod sasl;
mod tables;
mod trace;
