//! The program run as a process and watched from outside: its sockets, its files, its log; and its parts over real sockets.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;

mod activation;
mod admission;
mod attacks;
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
mod first_minute;
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
#[cfg(feature = "record")]
mod record;
mod reload;
mod sandbox;
#[cfg(feature = "send")]
mod send;
mod server;
mod store_process;
mod submission;
mod surroundings;
#[cfg(feature = "top")]
mod top;
#[cfg(feature = "record")]
mod trace;
mod xclient;
