//! Logins by SASL (RFC 4954, RFC 4422): mechanisms as state machines that know no file and no network.
//!
//! An [`Exchange`] is one login, seen from the server. [`users`] are those it lets in, [`scram`] is what both sides of
//! SCRAM-SHA-256 compute, [`text`] how names and messages are written.

mod anybody;
pub mod client;
mod database;
mod exchange;
mod messages;
pub mod scram;
pub mod text;
pub mod users;

pub(super) use anybody::anybody;
pub use database::read_users;
pub use exchange::Exchange;
pub use users::Users;
