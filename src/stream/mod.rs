//! The connection to a stream: a message log that several servers replicate (NATS JetStream), with which a
//! [store](crate::store::stream) speaks.
//!
//! - [`target`] is its address, [`settings`] what an operator says besides.
//! - [`wire`] reads what a server says, with [`headers`], [`info`] and [`complaint`]; [`say`] writes what we do.
//! - [`connection`] drives one connection to a server, whose messages go over a [`desk`]; [`monitor`] asks one what it promises.
//! - [`report`] is what servers say of the stream, [`promise`] whether that is enough.
//! - [`service`] brings them together, over a [`network`].

pub mod complaint;
pub mod connection;
pub mod desk;
pub mod headers;
pub mod info;
pub mod monitor;
pub mod network;
pub mod promise;
pub mod report;
pub mod say;
pub mod service;
pub mod settings;
pub mod target;
pub mod wire;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
