//! What to tell a person of a TLS session that failed.

use std::io;

use rustls::{CertificateError, Error};

use super::host;

/// What is wrong with the TLS of this server, and what to do about it, if it is that what `error` tells.
#[must_use]
pub fn explain(error: &io::Error, server: &str) -> Option<String> {
    let error = error.get_ref()?.downcast_ref()?;
    Some(match error {
        Error::InvalidCertificate(why) => {
            let host = host(server);
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
        Error::PeerIncompatible(why) => {
            format!("it has no TLS 1.2 or 1.3 in common with us: {why:?}")
        }
        Error::AlertReceived(alert) => format!("it refused the TLS session: {alert:?}"),
        other => format!("the TLS session failed: {other}"),
    })
}

/// The names in a certificate, which rustls gives as `DnsName("mail.example.org")`.
fn for_whom(presented: &[String]) -> String {
    let names: Vec<&str> = presented
        .iter()
        .filter_map(|name| name.split('"').nth(1))
        .collect();
    if names.is_empty() {
        "and names no host".to_owned()
    } else {
        format!("but for {}; use that name in --server", names.join(", "))
    }
}
