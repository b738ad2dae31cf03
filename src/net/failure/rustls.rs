//! Failures of TLS by the errors of rustls.

use std::io;

use rustls::{CertificateError, Error};

use super::TlsFailure;
use crate::net::trust::AssociationMismatch;

/// What is wrong with a certificate, if that is why a handshake ended.
fn fault_of_certificate(error: &io::Error) -> Option<&CertificateError> {
    match error.get_ref()?.downcast_ref()? {
        Error::InvalidCertificate(why) => Some(why),
        _ => None,
    }
}

/// What a person is told of the error by which a handshake ended, where rustls itself tells it in the words of its code.
pub(super) fn account(error: &io::Error) -> Option<String> {
    let why = match fault_of_certificate(error)? {
        CertificateError::Other(other) => other.to_string(),
        CertificateError::UnsupportedSignatureAlgorithmContext { .. } => {
            "it is signed by an algorithm that is not supported".to_owned()
        }
        CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "its key does not fit the algorithm of a signature".to_owned()
        }
        _ => return None,
    };
    Some(format!("invalid peer certificate: {why}"))
}

/// The reason by which a handshake ended, if rustls has told one.
pub(super) fn failure(error: &io::Error) -> Option<TlsFailure> {
    Some(match fault_of_certificate(error)? {
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            TlsFailure::HostMismatch
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => TlsFailure::Expired,
        CertificateError::Other(other) if other.0.is::<AssociationMismatch>() => {
            TlsFailure::TlsaInvalid
        }
        _ => TlsFailure::NotTrusted,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustls::{AlertDescription, InvalidMessage, OtherError};

    use super::*;

    #[test]
    fn what_is_wrong_with_a_certificate_is_told_apart() {
        let other = |other| CertificateError::Other(OtherError(other));
        let cases = [
            (CertificateError::NotValidForName, TlsFailure::HostMismatch),
            (CertificateError::Expired, TlsFailure::Expired),
            (CertificateError::NotValidYet, TlsFailure::NotTrusted),
            (CertificateError::UnknownIssuer, TlsFailure::NotTrusted),
            (
                other(Arc::new(AssociationMismatch)),
                TlsFailure::TlsaInvalid,
            ),
            (other(Arc::new(core::fmt::Error)), TlsFailure::NotTrusted),
        ];
        for (error, failure) in cases {
            let error = io::Error::new(io::ErrorKind::InvalidData, Error::from(error));
            assert_eq!(TlsFailure::of_handshake(&error), failure, "{error}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_certificate_is_told_in_words() {
        let account = |error: CertificateError| {
            let error = io::Error::new(io::ErrorKind::InvalidData, Error::from(error));
            TlsFailure::account_of_handshake(&error)
        };
        let mismatch = CertificateError::Other(OtherError(Arc::new(AssociationMismatch)));
        assert_eq!(
            account(mismatch),
            "invalid peer certificate: none of the server's TLSA records is for its certificate"
        );
        let unsupported = CertificateError::UnsupportedSignatureAlgorithmContext {
            signature_algorithm_id: vec![6; 9],
            supported_algorithms: Vec::new(),
        };
        assert!(account(unsupported).ends_with("an algorithm that is not supported"));
        assert!(account(CertificateError::UnknownIssuer).ends_with(": UnknownIssuer"));
    }

    #[test]
    fn other_ends_of_a_handshake_are_told_in_general() {
        for error in [
            Error::AlertReceived(AlertDescription::ProtocolVersion),
            Error::InvalidMessage(InvalidMessage::InvalidContentType),
            Error::DecryptError,
        ] {
            let error = io::Error::new(io::ErrorKind::InvalidData, error);
            assert_eq!(TlsFailure::of_handshake(&error), TlsFailure::Other);
        }
    }
}
