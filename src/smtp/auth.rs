//! Who a client is, by SASL (RFC 4954, RFC 4422): mechanisms as state machines that know no file and no network.
//!
//! [`scram`] is what both sides of SCRAM-SHA-256 compute, [`text`] how names and messages are written.

pub mod scram;
pub mod text;
