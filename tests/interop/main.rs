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
#[cfg(feature = "catch")]
mod inbox;
#[cfg(feature = "tls")]
mod injection;
#[cfg(feature = "milter")]
mod libmilter;
mod lmtp;
mod msmtp;
mod nodemailer;
#[cfg(feature = "milter")]
mod opendkim;
#[cfg(feature = "tls")]
mod openssl;
mod postfix;
#[cfg(feature = "milter")]
mod postfix_changes;
#[cfg(feature = "send")]
mod readers;
#[cfg(feature = "relay")]
mod reports;
#[cfg(feature = "catch")]
mod rules;
#[cfg(feature = "tls")]
mod secured;
mod smtplib;
#[cfg(all(feature = "auth", feature = "tls"))]
mod submitters;
mod swaks;
