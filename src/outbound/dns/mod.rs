//! Questions about names are answered: a stub resolver, sans-IO. Questions go out, messages come in, and time is an argument.
//!
//! - [`answer`]: what is asked of a name, what the resolver says of it, now or later, and why it may have found nothing.
//! - [`resolver`]: names under way, and what is to be sent for them. [`lookups`] are all of these, within bounds. `lookup` is one: the
//!   two families of addresses of a host, or the records of one other kind, and the domains of a search list. [`inquiry`] is one
//!   question to `servers`, until it is settled.
//! - [`message`]: a question as it goes out, and what an answer says. [`records`]: what is read of it, within bounds. [`stream`] is the
//!   driver of one over TCP.
//! - [`cache`], [`hosts`], [`config`]: what is known without asking, whom to ask, and who is trusted to have verified answers.
//!
//! The socket of each exchange is the caller's: see [`names`](super::names).
//!
//! Each kind of record is a variant of [`DnsRecordKind`](records::DnsRecordKind) and of [`NameRecords`](answer::NameRecords); all of
//! [`inquiry`] serves any of them.

pub mod answer;
pub mod cache;
pub mod config;
pub mod host_name;
pub mod hosts;
pub mod inquiry;
mod lookup;
pub mod lookups;
pub mod message;
mod order;
pub mod records;
pub mod resolver;
mod servers;
pub mod stream;
