//! Failures of TLS as reports have them (RFC 8460 §4.3).

#[cfg(feature = "tls")]
mod rustls;

use std::io;

/// The reason why no session in TLS came about, or none that was good enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TlsFailure {
    /// The server does not offer STARTTLS.
    NoStartTls,
    /// The certificate is not for the server.
    HostMismatch,
    /// The certificate, or one by which it is vouched for, has expired.
    Expired,
    /// Nobody who is trusted vouches for the certificate, or it is no good for a server.
    NotTrusted,
    /// No TLSA record allows the certificate.
    TlsaInvalid,
    /// The answers of DNS are not authentic.
    DnssecInvalid,
    /// The server has no TLSA records, and has to have some.
    DaneRequired,
    /// The policy of the domain cannot be fetched (MTA-STS, RFC 8461 §3.3).
    PolicyUnfetched,
    /// The policy of the domain is none.
    PolicyInvalid,
    /// The server of the policy cannot be verified.
    PolicyUntrusted,
    /// Anything else: no TLS at all, none of our versions, or an end in the middle of the handshake.
    Other,
}

impl TlsFailure {
    /// All of them, for counters.
    pub const ALL: [Self; 11] = [
        Self::NoStartTls,
        Self::HostMismatch,
        Self::Expired,
        Self::NotTrusted,
        Self::TlsaInvalid,
        Self::DnssecInvalid,
        Self::DaneRequired,
        Self::PolicyUnfetched,
        Self::PolicyInvalid,
        Self::PolicyUntrusted,
        Self::Other,
    ];

    /// The reason by which a handshake ended with this error. A build without TLS has no handshakes.
    #[must_use]
    pub fn of_handshake(error: &io::Error) -> Self {
        #[cfg(feature = "tls")]
        if let Some(failure) = rustls::failure(error) {
            return failure;
        }
        let _ = error;
        Self::Other
    }

    /// What a person is told of the error by which a handshake ended.
    #[must_use]
    pub fn account_of_handshake(error: &io::Error) -> String {
        #[cfg(feature = "tls")]
        if let Some(account) = rustls::account(error) {
            return account;
        }
        error.to_string()
    }

    /// The result type in a report (RFC 8460 §4.3).
    #[must_use]
    pub fn result_type(self) -> &'static str {
        match self {
            Self::NoStartTls => "starttls-not-supported",
            Self::HostMismatch => "certificate-host-mismatch",
            Self::Expired => "certificate-expired",
            Self::NotTrusted => "certificate-not-trusted",
            Self::TlsaInvalid => "tlsa-invalid",
            Self::DnssecInvalid => "dnssec-invalid",
            Self::DaneRequired => "dane-required",
            Self::PolicyUnfetched => "sts-policy-fetch-error",
            Self::PolicyInvalid => "sts-policy-invalid",
            Self::PolicyUntrusted => "sts-webpki-invalid",
            Self::Other => "validation-failure",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_has_a_result_type_of_its_own() {
        let mut types = TlsFailure::ALL.map(TlsFailure::result_type).to_vec();
        types.sort_unstable();
        types.dedup();
        assert_eq!(types.len(), TlsFailure::ALL.len());
    }

    #[test]
    fn an_error_of_the_system_is_a_failure_like_any_other() {
        let error = io::ErrorKind::ConnectionReset.into();
        assert_eq!(TlsFailure::of_handshake(&error), TlsFailure::Other);
    }
}
