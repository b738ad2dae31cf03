//! The Sendmail mail filter protocol (milter), versions 6 down to 2, as the mail server speaks it: sans-IO, octets in and out.
//!
//! A filter is asked at each step of a session, and says whether it goes on. At the end of a message it may ask for changes. There is
//! no RFC; what is not plain from libmilter's mfdef.h is done as Postfix does it.
//!
//! - [`client`] is one connection to a filter: which [`step`] is told to it, which [`reply`] may come when.
//! - [`wire`] cuts packets out of the octets, within bounds. [`terms`] are what both sides agreed on at first, with the
//!   [`macros`](mod@macros) that the filter wants to know.
//! - [`custom_reply`] checks the reply to the client that a filter gives in its own words.
//! - [`changes`] keeps what a filter changes in a message, and applies it to its header [`fields`]; [`body`] is for the lines of a
//!   body that it puts in the place of another.
//! - [`error`] names what a filter did wrong.
//!
//! There is a crate for packets, miltr-common. It decodes a packet only once all of it is in memory, whatever length that claims to
//! have, knows no order of replies and no lists of macros, and brings a dozen packages along; the codec is the smaller half of this.

pub mod body;
pub mod changes;
pub mod client;
pub mod commands;
pub mod custom_reply;
pub mod error;
pub mod fields;
pub mod macros;
pub mod reply;
pub mod step;
pub mod terms;
pub mod wire;

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests;
