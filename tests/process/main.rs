//! The program run as a process and watched from outside: its sockets, its files, its log; and its parts over real sockets.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;

mod activation;
mod admission;
mod attacks;
#[cfg(all(feature = "catch", feature = "send", feature = "tls"))]
mod catch;
#[cfg(target_os = "linux")]
mod channel;
mod check;
mod chunks;
#[cfg(all(feature = "auth", feature = "send"))]
mod client_login;
#[cfg(all(feature = "record", feature = "send"))]
mod client_record;
#[cfg(feature = "send")]
mod client_send;
#[cfg(all(feature = "send", feature = "tls"))]
mod client_tls;
#[cfg(feature = "top")]
mod control;
mod delivery;
mod descriptors;
mod dialogues;
#[cfg(feature = "catch")]
mod expect;
mod first_minute;
mod full_pipe;
#[cfg(all(feature = "milter", target_os = "linux"))]
mod hold;
#[cfg(feature = "http")]
mod http;
#[cfg(feature = "http")]
mod live;
mod lmtp;
#[cfg(feature = "load")]
mod load;
mod log;
mod log_lines;
#[cfg(feature = "auth")]
mod logins;
#[cfg(feature = "auth")]
mod passwd;
mod privileges;
mod processes;
#[cfg(feature = "relay")]
mod queue;
#[cfg(feature = "record")]
mod record;
mod reload;
mod sandbox;
#[cfg(feature = "send")]
mod send;
mod server;
#[cfg(all(feature = "relay", target_os = "linux"))]
mod spool;
mod store_process;
mod submission;
mod surroundings;
#[cfg(feature = "top")]
mod top;
#[cfg(feature = "record")]
mod trace;
mod xclient;
