//! Mail programs that others wrote deliver to the running server, talk to it by hand, and read what it stored.
//!
//! A test whose program is not installed says so and passes; where `CI` is set it fails.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;
mod message;

mod curl;
mod deploy;
#[cfg(all(feature = "auth", feature = "tls"))]
mod gsasl;
mod hand;
mod haproxy;
#[cfg(feature = "tls")]
mod injection;
mod lmtp;
mod msmtp;
mod nodemailer;
#[cfg(feature = "tls")]
mod openssl;
mod postfix;
#[cfg(feature = "send")]
mod readers;
#[cfg(feature = "tls")]
mod secured;
mod smtplib;
#[cfg(all(feature = "auth", feature = "tls"))]
mod submitters;
mod swaks;
