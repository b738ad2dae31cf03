//! Mail filters: what they are told, what they decide, and what becomes of messages, with the real server and scripted filters on real
//! sockets.

#![cfg(feature = "milter")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::print_stdout)]

#[path = "../common/mod.rs"]
mod common;

#[allow(dead_code)]
#[cfg(feature = "relay")]
#[path = "../relay/postfix.rs"]
mod postfix;
#[allow(dead_code)]
#[cfg(feature = "relay")]
#[path = "../relay/sink.rs"]
mod sink;
#[allow(dead_code)]
#[cfg(feature = "relay")]
#[path = "../relay/site.rs"]
mod site;

#[cfg(feature = "relay")]
mod beside;
#[cfg(feature = "catch")]
mod catch;
mod changes;
mod faults;
mod hostile;
mod places;
#[cfg(feature = "relay")]
mod quarantine;
#[cfg(all(feature = "auth", feature = "relay", feature = "tls"))]
mod real;
#[cfg(feature = "record")]
mod recorded;
mod settings;
mod steps;

use std::io::{Read, Write};

use common::client::Client;

/// A whole reply, whose lines are joined by CRLF.
fn hear<S: Read + Write>(client: &mut Client<S>) -> String {
    let mut reply = client.hear();
    let mut last = reply.clone();
    while last.as_bytes().get(3) == Some(&b'-') {
        last = client.hear();
        reply = format!("{reply}\r\n{last}");
    }
    reply
}
