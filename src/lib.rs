//! mailoop: a mail server in one thread.
//!
//! One poll loop owns a slab of connections. Each has its own SMTP session; it owns a buffer only while it keeps input that is no
//! whole line, or output that its peer has not taken. Complete lines move the session's state machine on.
//!
//! Three parts stand by themselves, for others to build on:
//!
//! - [`net`] is the engine: poll, sockets, TLS, timers, and the life of a connection. It knows no protocol, and imports nothing of
//!   this crate; its front page holds an echo server.
//! - [`smtp`] is the protocol, sans-IO: octets in, events out. It knows no socket, no file and no clock.
//! - [`store`] is where accepted mail goes. It knows no socket either, and of the protocol only the envelope.
//!
//! Two put them together. [`inbound`] is the driver on the engine that serves SMTP, LMTP and submission; [`server`] is its event
//! loop, with the store. Arrows go one way: `server → inbound → {net, smtp, store}`.
//!
//! The rest is the program `mailoop`: its command line and configuration, the start and reload of a server, the tools `send`,
//! `load` and `top`. Its modules are public for the binary and for tests, and hidden here; `docs/architecture.md` has a map of them.
//!
//! # A session without a server
//!
//! A [session](smtp::session) needs no socket. This driver hands over all that a client says at once, and keeps the message in
//! memory:
//!
//! ```
//! use std::rc::Rc;
//!
//! use bytes::BytesMut;
//! use mailoop::smtp::envelope::{Peer, QueueId};
//! use mailoop::smtp::event::{Event, CloseReason};
//! use mailoop::smtp::policy::Policy;
//! use mailoop::smtp::service::Service;
//! use mailoop::smtp::session::{Session, TransactionPool};
//!
//! let (policy, pool) = (Rc::new(Policy::default()), Rc::new(TransactionPool::default()));
//! let mut session = Session::new(policy, pool, Service::Smtp, Peer::Local);
//! let mut replies = BytesMut::new();
//! let mut message = Vec::new();
//! let mut input = &b"HELO client\r\nMAIL FROM:<ada@example.org>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n"[..];
//! session.greet(false, &mut replies);
//! loop {
//!     match session.next(&mut input, &mut replies) {
//!         Event::CheckRoom(transaction) => session.accept_sender(transaction, &mut replies),
//!         Event::CheckRecipient(recipient) => session.accept_recipient(recipient, 0, &mut replies),
//!         Event::BeginMessage => {
//!             session.receive_message(QueueId::new("TEST", 1), "Sat, 28 Nov 2026 15:09:45 +0000", &mut replies);
//!             // Only now a client goes on.
//!             input = b"Subject: hello\r\n\r\n..\r\n.\r\nQUIT\r\n";
//!         }
//!         Event::Text(text) => message.extend_from_slice(text),
//!         // By now the message has to be where no power cut can lose it.
//!         Event::EndOfMessage => drop(session.stored(Ok(()), &mut replies)),
//!         Event::Close(reason) => break assert_eq!(reason, CloseReason::Quit),
//!         Event::NeedInput => unreachable!("this client says all at once"),
//!         _ => {}
//!     }
//! }
//! assert_eq!(message, b"Subject: hello\r\n\r\n.\r\n");
//! assert!(replies.ends_with(b"250 Ok: queued as TEST0001\r\n221 Bye\r\n"));
//! ```

#![deny(unsafe_code)]

#[cfg(feature = "milter")]
pub mod filters;
#[cfg(feature = "http")]
pub mod http;
pub mod inbound;
#[cfg(feature = "milter")]
pub mod milter;
pub mod net;
#[cfg(feature = "record")]
pub mod observe;
#[cfg(feature = "relay")]
pub mod outbound;
#[cfg(feature = "record")]
pub mod replay;
pub mod server;
pub mod smtp;
pub mod store;

#[doc(hidden)]
pub mod cli;
#[doc(hidden)]
pub mod config;
#[cfg(any(feature = "relay", feature = "top"))]
#[doc(hidden)]
pub mod control;
#[doc(hidden)]
pub mod exit;
#[cfg(any(
    feature = "http",
    feature = "judge",
    feature = "record",
    feature = "relay"
))]
#[doc(hidden)]
pub mod json;
#[cfg(feature = "judge")]
#[doc(hidden)]
pub mod judge;
#[doc(hidden)]
pub mod logging;
#[doc(hidden)]
pub mod machine;
#[doc(hidden)]
pub mod privileges;
#[doc(hidden)]
pub mod sandbox;
#[doc(hidden)]
pub mod serve;
#[doc(hidden)]
pub mod signals;
#[cfg(feature = "stream")]
#[doc(hidden)]
pub mod stream;
#[doc(hidden)]
pub mod terminal;
#[cfg(any(
    feature = "catch",
    feature = "judge",
    feature = "relay",
    feature = "send",
    feature = "top"
))]
#[doc(hidden)]
pub mod tools;
#[cfg(feature = "record")]
#[doc(hidden)]
pub mod trace;
