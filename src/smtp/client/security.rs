//! How a client's words get to the server.

use crate::smtp::security::ChannelBindings;

/// How what is said gets to the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChannelSecurity {
    /// In the clear: anybody may listen.
    Clear,
    /// Within this machine: nobody else listens.
    Local,
    /// In the clear until STARTTLS, without which nothing is to be said (RFC 3207).
    StartTls,
    /// In TLS, that may be bound to.
    Tls(ChannelBindings),
}

impl ChannelSecurity {
    /// Whether nobody listens.
    #[must_use]
    pub fn is_private(&self) -> bool {
        matches!(self, Self::Local | Self::Tls(_))
    }

    /// What a login may be bound to, by its name, where there is something.
    #[must_use]
    pub fn binding(&self) -> Option<(&'static str, &[u8])> {
        let Self::Tls(bindings) = self else {
            return None;
        };
        match (&bindings.exporter, &bindings.end_point) {
            (Some(octets), _) => Some(("tls-exporter", octets)),
            (None, Some(octets)) => Some(("tls-server-end-point", octets)),
            (None, None) => None,
        }
    }
}
