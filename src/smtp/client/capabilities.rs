//! Capabilities that a server announces in its reply to EHLO (RFC 5321 §4.1.1.1).

use super::reply::ServerReply;
use crate::smtp::mechanism::Mechanism;

/// The extensions that matter to this client.
#[derive(Clone, Debug, Default)]
pub(super) struct Capabilities {
    /// RFC 6152.
    pub(super) eight_bit_mime: bool,
    /// RFC 3030 §3, with CHUNKING, by which it is sent.
    pub(super) binary_mime: bool,
    /// RFC 3461.
    pub(super) dsn: bool,
    /// RFC 6531.
    pub(super) smtputf8: bool,
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
    /// RCPTMAX of LIMITS (RFC 9422 §3.2).
    pub(super) recipients_max: Option<usize>,
    /// MAILMAX of LIMITS (RFC 9422 §3.1).
    pub(super) messages_max: Option<u64>,
}

impl Capabilities {
    /// Reads the lines behind the first.
    pub(super) fn read(reply: &ServerReply) -> Self {
        let mut capabilities = Self::default();
        let mut chunking = false;
        for text in reply.texts().skip(1) {
            let mut words = text.split(u8::is_ascii_whitespace);
            let keyword = words.next().unwrap_or_default();
            let is = |name: &str| keyword.eq_ignore_ascii_case(name.as_bytes());
            capabilities.eight_bit_mime |= is("8BITMIME");
            capabilities.pipelining |= is("PIPELINING");
            capabilities.binary_mime |= is("BINARYMIME");
            capabilities.dsn |= is("DSN");
            capabilities.smtputf8 |= is("SMTPUTF8");
            chunking |= is("CHUNKING");
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
            } else if is("LIMITS") {
                capabilities.read_limits(words);
            }
        }
        capabilities.binary_mime &= chunking;
        capabilities
    }

    /// Reads the limits of RFC 9422 that are known here. None of them is 0 (§3).
    fn read_limits<'a>(&mut self, words: impl Iterator<Item = &'a [u8]>) {
        let words = words.filter_map(|word| str::from_utf8(word).ok());
        for (name, value) in words.filter_map(|word| word.split_once('=')) {
            if name.eq_ignore_ascii_case("RCPTMAX") {
                self.recipients_max = value.parse().ok().filter(|&max| max > 0);
            } else if name.eq_ignore_ascii_case("MAILMAX") {
                self.messages_max = value.parse().ok().filter(|&max| max > 0);
            }
        }
    }
}
