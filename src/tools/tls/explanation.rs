//! Explanations for a person of why a TLS session failed.

use std::io;

use rustls::{AlertDescription, CertificateError, Error};

use crate::net::endpoint::Endpoint;
use crate::net::tls::is_of_version_1;

/// Explains what is wrong with the TLS of this server, and what to do about it, if `error` comes from there.
pub(super) fn explain(error: &io::Error, server: &Endpoint) -> Option<String> {
    let error = error.get_ref()?.downcast_ref()?;
    Some(match error {
        Error::InvalidCertificate(why) if is_of_version_1(why) => {
            "its certificate is of X.509 version 1, by which no server can be checked; one of version 3 has to take its place there"
                .to_owned()
        }
        Error::InvalidCertificate(why) => {
            let host = server.host();
            let why = match why {
                // Some we know have the same name as who has signed this one; or it is one to sign others with.
                CertificateError::UnknownIssuer
                | CertificateError::BadSignature
                | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. }
                | CertificateError::Other(_) => {
                    "is vouched for by nobody we trust; name who does with --tls-ca FILE".to_owned()
                }
                CertificateError::NotValidForNameContext { presented, .. } => {
                    format!("is not for {host}, {}", for_whom(presented))
                }
                CertificateError::NotValidForName => format!("is not for {host}"),
                CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                    "has expired; it has to be renewed there".to_owned()
                }
                CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                    "is not valid yet; is the clock right here?".to_owned()
                }
                other => format!("is no good: {other}"),
            };
            format!("its certificate {why}; --insecure goes without this check")
        }
        // What is no TLS is most likely SMTP.
        Error::InvalidMessage(_) => {
            "it does not speak TLS here; does it want --starttls, or another port?".to_owned()
        }
        Error::PeerIncompatible(_) | Error::AlertReceived(AlertDescription::ProtocolVersion) => {
            "it speaks no TLS of our versions, 1.2 and 1.3, or not as we do".to_owned()
        }
        Error::AlertReceived(alert) => format!("it refused the TLS session: {alert:?}"),
        other => format!("the TLS session failed: {other}"),
    })
}

/// The names in a certificate, which rustls gives as `DnsName("mail.example.org")` or `IpAddress(127.0.0.1)`.
fn for_whom(presented: &[String]) -> String {
    let names: Vec<&str> = presented
        .iter()
        .filter_map(|name| name.split_once('(')?.1.strip_suffix(')'))
        .map(|name| name.trim_matches('"'))
        .collect();
    if names.is_empty() {
        "and names no host".to_owned()
    } else {
        format!("but for {}; use that name in --server", names.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_for_names_and_addresses() {
        let presented = [
            "DnsName(\"a.example\")",
            "IpAddress(127.0.0.1)",
            "OtherName",
        ];
        let told = for_whom(&presented.map(str::to_owned));
        assert_eq!(
            told,
            "but for a.example, 127.0.0.1; use that name in --server"
        );
        assert_eq!(for_whom(&[]), "and names no host");
    }
}
