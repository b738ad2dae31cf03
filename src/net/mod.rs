//! The engine of an event-driven program: one poll loop, non-blocking connections, and drivers for their protocols.
//!
//! Layers, each on the one before it:
//!
//! - [`endpoint`] reads the address of a server or a listener; [`dialer`] begins connections.
//! - [`transport`]: the trait of a non-blocking stream of octets; [`socket`] is the one of the system.
//! - [`link`]: a transport in the clear, and from some point on TLS over it. `tls` is the adapter of rustls, for both roles.
//! - [`channel`]: a link with the rules of edge-triggered I/O, and output that is bounded by backpressure.
//! - [`driver`]: one protocol on one connection. [`connections`]: the slab of them, with turns, timers and the end, which is
//!   bounded by a [`budget`] of work.
//! - [`engine`]: one poll, listeners and connections of one kind. [`poller`]: the poll itself, with a [`token`] for each source.
//!
//! # An echo server
//!
//! ```no_run
//! use std::io;
//!
//! use mailoop::net::driver::{Close, Driver, ConnectionFailure, Step, Turn, Wait};
//! use mailoop::net::endpoint::SocketAddress;
//! use mailoop::net::engine::Engine;
//! use mailoop::net::listener::Listener;
//!
//! /// One connection. It keeps nothing: what comes goes back.
//! struct Echo;
//!
//! impl Driver for Echo {
//!     type Shared = ();
//!     type Ticket = ();
//!     type Completion = ();
//!     type Reason = io::Result<()>;
//!
//!     fn input(&mut self, input: &mut &[u8], turn: &mut Turn<'_, ()>) -> Step<Self> {
//!         turn.output.extend_from_slice(input);
//!         *input = &[];
//!         if turn.is_output_full() {
//!             // Backpressure: a peer that does not read is not read either.
//!             return Step::Wait(Wait::Output);
//!         }
//!         Step::Continue
//!     }
//!
//!     fn eof(&mut self, _: &mut Turn<'_, ()>) -> Step<Self> {
//!         Step::Close(Close::after_eof(Ok(())))
//!     }
//!
//!     fn failed(&mut self, failure: ConnectionFailure, _: &mut Turn<'_, ()>) -> io::Result<()> {
//!         Err(failure.into())
//!     }
//! }
//!
//! fn main() -> io::Result<()> {
//!     let address = SocketAddress::Tcp(([127, 0, 0, 1], 0).into());
//!     let listener = Listener::bind((), &address, false)?;
//!     println!("listening on {}", listener.address());
//!     let mut engine = Engine::new(vec![listener], ())?;
//!     loop {
//!         engine.tick(None, |_, _| Some(Echo), |_, _| {})?;
//!     }
//! }
//! ```
//!
//! Invariant: nothing here imports another module of this crate, so that the folder can be lifted out.

pub mod budget;
pub mod channel;
mod connection;
pub mod connections;
mod counts;
pub mod descriptors;
pub mod dialer;
pub mod driver;
pub mod endpoint;
pub mod engine;
pub mod epoch;
pub mod link;
pub mod listener;
pub mod listeners;
pub mod peer;
pub mod poller;
pub mod socket;
mod timers;
#[cfg(feature = "tls")]
pub mod tls;
pub mod token;
pub mod transport;

pub use connection::LINGER_TIMEOUT;
