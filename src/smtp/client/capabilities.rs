//! Capabilities that a server announces in its reply to EHLO (RFC 5321 §4.1.1.1).

use super::reply::ServerReply;
use crate::smtp::mechanism::Mechanism;

/// The extensions that matter to this client.
#[derive(Clone, Debug, Default)]
pub(super) struct Capabilities {
    /// RFC 6152.
    pub(super) eight_bit_mime: bool,
    /// RFC 2920.
    pub(super) pipelining: bool,
    /// The mechanisms of AUTH that we know (RFC 4954).
    pub(super) mechanisms: Vec<Mechanism>,
    /// RFC 3207.
    pub(super) starttls: bool,
    /// RFC 1870.
    pub(super) size: bool,
    /// The argument of SIZE, if it sets a limit.
    pub(super) size_max: Option<u64>,
}

impl Capabilities {
    /// Reads the lines behind the first.
    pub(super) fn read(reply: &ServerReply) -> Self {
        let mut capabilities = Self::default();
        for text in reply.texts().skip(1) {
            let mut words = text.split(u8::is_ascii_whitespace);
            let keyword = words.next().unwrap_or_default();
            let is = |name: &str| keyword.eq_ignore_ascii_case(name.as_bytes());
            capabilities.eight_bit_mime |= is("8BITMIME");
            capabilities.pipelining |= is("PIPELINING");
            capabilities.starttls |= is("STARTTLS");
            if is("AUTH") {
                capabilities.mechanisms = words.filter_map(Mechanism::named).collect();
            } else if is("SIZE") {
                let argument = words.next().and_then(|word| str::from_utf8(word).ok());
                capabilities.size = true;
                // RFC 1870 §4: zero, or no argument, sets no limit.
                capabilities.size_max = argument
                    .and_then(|octets| octets.parse().ok())
                    .filter(|&octets| octets > 0);
            }
        }
        capabilities
    }
}
