//! mailoop: a mail server in one thread.
//!
//! One poll loop owns a slab of connections. Each connection has its own read and write buffer and its
//! own SMTP session; complete lines come out of the read buffer and move the session's state machine on.
//!
//! Knowledge flows one way: `main → server → {net, smtp, store}`.
//!
//! - [`net`] is the engine: what carries octets. It knows no protocol.
//! - [`smtp`] is the protocol. It knows no socket, no file and no clock: bytes in, events out.
//! - [`store`] is where accepted mail goes. It knows no socket either.
//! - [`server`] is the loop. It carries bytes between the two, and of all that serves only it knows mio.
//! - [`net`] reads addresses of servers and listeners. It imports nothing of this crate.
//! - `tools` is the other end of the wire: `mailoop send` and `mailoop load`.
//! - [`cli`] reads the command line. What it, the environment and a file say about the [options](config::options) becomes
//!   one [`config`], which is checked before a socket opens; [`exit`] is how a command ends, [`logging`] where its
//!   log lines go.
//! - The [`terminal`] is where passwords are asked for; [`machine`] has a name that servers and clients say.
//! - [`serve`](mod@serve) puts it all together. [`privileges`] are given up once the listeners are open; the [`sandbox`] leaves the running server what it needs.
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

pub mod cli;
pub mod config;
pub mod exit;
pub mod inbound;
pub mod logging;
pub mod machine;
pub mod net;
pub mod privileges;
pub mod sandbox;
pub mod serve;
pub mod server;
pub mod signals;
pub mod smtp;
pub mod store;
pub mod terminal;
#[cfg(feature = "send")]
pub mod tools;
