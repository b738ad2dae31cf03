//! Mail for anywhere beside name servers that say all kinds of things: for each of many zones, what becomes of mail, with which status, and
//! which connections are made. The zones are lines of the scripted name server of tests/names.

#![cfg(feature = "relay")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::print_stdout, clippy::cast_possible_truncation)]
#![allow(unreachable_pub)]

#[path = "../common/mod.rs"]
mod common;
#[allow(dead_code)]
#[path = "../names/message.rs"]
mod message;
#[allow(dead_code)]
#[path = "../relay/postfix.rs"]
mod postfix;
#[allow(dead_code)]
#[path = "../names/script.rs"]
mod script;
#[allow(dead_code)]
#[path = "../relay/sink.rs"]
mod sink;

mod beside;
mod faults;
mod hosts;
mod name_server;
mod refused;
mod world;
mod zone;
mod zones;
