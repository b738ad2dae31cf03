//! The security of the channel between a client and its server.

use crate::smtp::security::ChannelBindings;

/// Protection of a channel against others who listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChannelSecurity {
    /// In the clear: anybody may listen.
    Clear,
    /// Within this machine: nobody else listens.
    Local,
    /// In the clear until STARTTLS, without which nothing is to be said (RFC 3207).
    StartTls,
    /// In the clear where the server offers no STARTTLS, else in TLS.
    MayStartTls,
    /// In TLS, that may be bound to.
    Tls(ChannelBindings),
}

impl ChannelSecurity {
    /// Whether nobody listens.
    #[must_use]
    pub fn is_private(&self) -> bool {
        matches!(self, Self::Local | Self::Tls(_))
    }

    /// The channel binding for a login, with its name, where there is one.
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
