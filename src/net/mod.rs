//! The engine of an event-driven program: one poll loop, non-blocking connections, and drivers for their protocols.
//!
//! Layers, each on the one before it:
//!
//! - [`endpoint`] reads the address of a server or a listener; [`dialer`] begins connections.
//! - [`transport`]: the trait of a non-blocking stream of octets; [`socket`] is the one of the system.
//! - [`datagram`]: sockets for datagrams, which have none of what follows.
//! - [`link`]: a transport in the clear, and from some point on TLS over it. `tls` is the adapter of rustls, for both roles.
//!   [`trust`] says whom a client trusts, [`failure`] why that came to nothing.
//! - [`channel`]: a link with the rules of edge-triggered I/O, and output that is bounded by backpressure.
//! - [`lifecycle`]: the stages in the life of a connection, as `docs/architecture.md` draws them.
//! - [`driver`]: one protocol on one connection. [`connections`]: the slab of them, with turns, timers and the end, which is
//!   bounded by a [`budget`] of work.
//! - [`engine`]: one poll, listeners and connections of one kind. [`poller`]: the poll itself, with a [`token`] for each source.
//!
//! # An echo server
//!
//! ```
//! use std::io::{self, Read, Write};
//! use std::net::{Shutdown, TcpStream};
//!
//! use mailoop::net::driver::{Close, ConnectionFailure, Driver, Step, Turn};
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
//!         // The engine reads no more from a peer that does not read: backpressure.
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
//!     let listener = Listener::bind((), &SocketAddress::Tcp(([127, 0, 0, 1], 0).into()), false)?;
//!     let address = listener.address().to_string();
//!     let mut engine = Engine::new(vec![listener], ())?;
//!
//!     // A client that says all at once, even before it is accepted.
//!     let mut client = TcpStream::connect(address)?;
//!     client.write_all(b"hello")?;
//!     client.shutdown(Shutdown::Write)?;
//!
//!     // The event loop: accept, serve, remove. A server would go on for ever; this one has a single client.
//!     let mut accepted = 0;
//!     while accepted == 0 || !engine.connections().is_empty() {
//!         let mut welcome = || Some(Echo).inspect(|_| accepted += 1);
//!         engine.tick(None, |_, _| welcome(), |_, _| {})?;
//!     }
//!     let mut echo = String::new();
//!     client.read_to_string(&mut echo)?;
//!     assert_eq!(echo, "hello");
//!     Ok(())
//! }
//! ```
//!
//! Invariant: nothing here imports another module of this crate, so that the folder can be lifted out.

pub mod budget;
pub mod carrier;
pub mod channel;
pub mod cidr;
mod connection;
mod connection_id;
pub mod connections;
mod counts;
pub mod datagram;
mod der;
pub mod descriptors;
pub mod dialer;
pub mod driver;
pub mod endpoint;
pub mod engine;
pub mod epoch;
pub mod failure;
pub mod lifecycle;
pub mod link;
pub mod listener;
pub mod listeners;
pub mod peer;
pub mod poller;
pub mod probe;
pub mod socket;
mod timers;
#[cfg(feature = "tls")]
pub mod tls;
pub mod token;
pub mod transport;
pub mod trust;

pub use connection::LINGER_TIMEOUT;
