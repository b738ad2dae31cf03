//! What several benches share: how long criterion measures, the message, the server and its clients.

// Each bench uses its own part of this module.
#![allow(dead_code, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used)]

pub mod client;
pub mod server;

use std::time::Duration;

use criterion::Criterion;

pub const KIB: usize = 1024;
pub const MIB: usize = 1024 * KIB;

/// Short enough that all of a bench is done in a minute or two; `--measurement-time` asks for more.
pub fn criterion() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        // A tenth of the default: the plots take as long as the measurements otherwise.
        .nresamples(10_000)
}

/// A message of `size` octets, in lines as people write them.
pub fn text(size: usize) -> Vec<u8> {
    const HEADER: &str = "From: <sender@example.org>\r\nSubject: benchmark\r\n\r\n";
    const LINE: &str =
        "The quick brown fox jumps over the lazy dog, and then over the next one.\r\n";
    const CRLF: &[u8] = b"\r\n";
    let mut text = HEADER.as_bytes().to_vec();
    while text.len() + LINE.len() <= size - CRLF.len() {
        text.extend_from_slice(LINE.as_bytes());
    }
    text.resize(size - CRLF.len(), b'-');
    text.extend_from_slice(CRLF);
    text
}
