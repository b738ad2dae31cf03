//! Facts about the TLS of a session, as far as they matter to the protocol.

use std::rc::Rc;

/// The TLS of one session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Security {
    /// The version, as the trace field names it: `TLSv1.3`.
    pub version: &'static str,
    /// The cipher suite by the name that OpenSSL gives it, which other servers write as well.
    pub cipher: &'static str,
    /// The bits of its key.
    pub bits: u16,
    /// The channel bindings for a login.
    pub bindings: ChannelBindings,
}

/// Octets that only the two ends of one TLS session know: who speaks of them is at its other end, not in between.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChannelBindings {
    /// `tls-exporter` (RFC 9266), where the version of TLS has it.
    pub exporter: Option<[u8; 32]>,
    /// `tls-server-end-point` (RFC 5929 §4): the hash of the server's certificate, where that names one.
    pub end_point: Option<Rc<[u8]>>,
}

impl ChannelBindings {
    /// Whether a client can be expected to bind to them. Before TLS 1.3 clients have `tls-unique` (RFC 9266 §3), which
    /// rustls does not tell: offered PLUS there, they would choose it and fail.
    #[must_use]
    pub fn are_usable(&self) -> bool {
        self.exporter.is_some()
    }
}
