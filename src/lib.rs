//! mailoop: a mail server in one thread.
//!
//! One poll loop owns a slab of connections. Each connection has its own read and write buffer and its
//! own SMTP session; complete lines come out of the read buffer and move the session's state machine on.
//!
//! Knowledge flows one way: `main → server → {smtp, store}`.
//!
//! - [`smtp`] is the protocol. It knows no socket, no file and no clock: bytes in, events out.
//! - [`store`] is where accepted mail goes. It knows no socket either.
//! - [`server`] is the loop. It carries bytes between the two, and of all that serves only it knows mio.
//! - [`client`] is the other end of the wire: `mailoop send` and `mailoop load`.
//! - [`cli`] reads the command line. What it, the environment and a file say about the [`options`] becomes one
//!   [`config`], which is checked before a socket opens; [`exit`] is how a command ends, [`logging`] where its
//!   log lines go.
//! - `passwd` keeps the file of those who may log in, and asks for their passwords at the `terminal`.
//! - [`serve`](mod@serve) puts it all together. [`privileges`] are given up once the listeners are open; [`confine`] leaves the running server what it needs.

#![deny(unsafe_code)]

pub mod cli;
pub mod client;
pub mod config;
pub mod confine;
pub mod exit;
pub mod logging;
pub mod options;
#[cfg(feature = "auth")]
pub mod passwd;
pub mod privileges;
pub mod serve;
pub mod server;
pub mod signals;
pub mod smtp;
pub mod store;
#[cfg(feature = "auth")]
pub mod terminal;
