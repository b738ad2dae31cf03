//! TLS as a client, against servers whose TLS is good, old, broken or not there: what becomes of mail to each, by the level of TLS.

#![cfg(all(feature = "relay", feature = "tls"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;

mod certificates;
mod dane;
mod domains;
mod fates;
#[allow(dead_code, unreachable_pub)]
#[path = "../sts/host.rs"]
mod host;
mod mta_sts;
mod openssl;
mod peers;
mod policies;
mod routes;
mod table;
