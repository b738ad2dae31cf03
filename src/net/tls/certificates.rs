//! Certificates of a server, chosen by the name that a client asks for.

use core::fmt;
use std::sync::Arc;

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use rustls::SignatureAlgorithm;
use rustls::client::verify_server_name;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use time::{Duration, OffsetDateTime};

use super::end_point::end_point;
use crate::net::link::HandshakeWork;

/// The lifetime of a certificate that the server makes for itself, at each start.
const SELF_SIGNED_LIFETIME: Duration = Duration::days(365);

/// One certificate with its chain and key.
#[derive(Debug)]
pub struct Certificate {
    key: Arc<CertifiedKey>,
    end_point: Option<Box<[u8]>>,
}

/// Why octets make no certificate.
#[derive(Debug)]
pub enum CertificateError {
    /// There is none in them.
    NoCertificate,
    /// There is no private key in them.
    NoKey,
    /// The private key is of a kind that is not known.
    UnfitKey,
    /// The certificate is none, or the key is not that of the certificate.
    Unfit(rustls::Error),
    /// None could be made.
    NotMade(rcgen::Error),
}

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCertificate => f.write_str("there is no PEM certificate in it"),
            Self::NoKey => f.write_str("there is no PEM private key in it, or it is encrypted"),
            Self::UnfitKey => f.write_str(
                "the private key has to be RSA of 2048 to 4096 bits, ECDSA on P-256 or P-384, or Ed25519",
            ),
            Self::Unfit(rustls::Error::InconsistentKeys(_)) => {
                f.write_str("the key is not that of the certificate")
            }
            Self::Unfit(rustls::Error::InvalidCertificate(reason)) if is_of_version_1(reason) => {
                f.write_str(
                    "the certificate is of X.509 version 1, which clients do not take; make one of version 3, with a subjectAltName",
                )
            }
            // As a whole it would speak of the certificate of a peer.
            Self::Unfit(rustls::Error::InvalidCertificate(reason)) => {
                write!(f, "the certificate cannot be used: {reason}")
            }
            Self::Unfit(error) => write!(f, "{error}"),
            Self::NotMade(error) => write!(f, "cannot make a certificate: {error}"),
        }
    }
}

impl core::error::Error for CertificateError {}

/// Whether a certificate is of X.509 version 1, which has no room for the names of a server (RFC 5280 §4.1.2.1). No type of
/// rustls says so.
#[must_use]
pub fn is_of_version_1(error: &rustls::CertificateError) -> bool {
    matches!(error, rustls::CertificateError::Other(other) if other.to_string() == "UnsupportedCertVersion")
}

impl Certificate {
    /// Reads a certificate, with what leads from it to a root behind it, and its private key, both in PEM.
    ///
    /// # Errors
    /// There is no such thing, or the two do not fit together.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, CertificateError> {
        let chain = CertificateDer::pem_slice_iter(chain).collect::<Result<Vec<_>, _>>();
        let chain = chain.map_err(|_| CertificateError::NoCertificate)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| CertificateError::NoKey)?;
        Self::new(chain, &key)
    }

    /// Makes one that nobody vouches for, for the server that is called `hostname`.
    ///
    /// # Errors
    /// The system has no random octets, or the name is none for a certificate.
    pub fn self_signed(hostname: &str) -> Result<Self, CertificateError> {
        let made = || {
            let key = KeyPair::generate()?;
            let mut parameters = CertificateParams::new([hostname.to_owned()])?;
            parameters.distinguished_name = DistinguishedName::new();
            let name = &mut parameters.distinguished_name;
            name.push(DnType::CommonName, hostname);
            // Clocks differ, and some clients refuse what is good for longer (CA/Browser Forum, §6.3.2).
            let now = OffsetDateTime::now_utc();
            parameters.not_before = now - Duration::DAY;
            parameters.not_after = now + SELF_SIGNED_LIFETIME;
            let certificate = parameters.self_signed(&key)?;
            Ok((certificate, key))
        };
        let (certificate, key) = made().map_err(CertificateError::NotMade)?;
        let key = PrivateKeyDer::try_from(key.serialize_der());
        let key = key.map_err(|_| CertificateError::NoKey)?;
        Self::new(vec![certificate.der().clone()], &key)
    }

    fn new(
        chain: Vec<CertificateDer<'static>>,
        key: &PrivateKeyDer<'static>,
    ) -> Result<Self, CertificateError> {
        let Some(first) = chain.first() else {
            return Err(CertificateError::NoCertificate);
        };
        let end_point = end_point(first);
        let key = any_supported_type(key).map_err(|_| CertificateError::UnfitKey)?;
        let key = CertifiedKey::new(chain, key);
        key.keys_match().map_err(CertificateError::Unfit)?;
        Ok(Self {
            key: Arc::new(key),
            end_point,
        })
    }

    /// The channel binding `tls-server-end-point` (RFC 5929 §4.1), if the certificate has one.
    #[must_use]
    pub fn end_point(&self) -> Option<&[u8]> {
        self.end_point.as_deref()
    }

    /// The work of a handshake that signs with its key.
    pub(super) fn signing_work(&self) -> HandshakeWork {
        match self.key.key.algorithm() {
            SignatureAlgorithm::RSA => HandshakeWork::RsaSignature,
            _ => HandshakeWork::Signature,
        }
    }

    /// Whether it is for a server of this name.
    fn is_for(&self, name: &ServerName<'_>) -> bool {
        let Some(certificate) = self.key.cert.first() else {
            return false;
        };
        ParsedCertificate::try_from(certificate)
            .is_ok_and(|certificate| verify_server_name(&certificate, name).is_ok())
    }
}

/// The certificates of a server, one for each of its names. The first is also for clients that name none of them.
#[derive(Debug)]
pub struct Certificates {
    all: Vec<Certificate>,
    identity: Vec<u8>,
}

impl Certificates {
    /// Takes these certificates; without any no client is served.
    #[must_use]
    pub fn new(all: Vec<Certificate>) -> Self {
        let mut identity = Vec::new();
        for certificate in &all {
            // Each is in DER, which tells its own length; only where a chain ends it does not.
            let chain = &certificate.key.cert;
            identity.extend_from_slice(&chain.len().to_be_bytes());
            identity.extend(chain.iter().flat_map(|each| each.iter().copied()));
        }
        Self { all, identity }
    }

    /// One that nobody vouches for, made for the server that is called `hostname`. Those for one name are as good as each other.
    ///
    /// # Errors
    /// The errors of [`Certificate::self_signed`].
    pub fn self_signed(hostname: &str) -> Result<Self, CertificateError> {
        Ok(Self {
            all: vec![Certificate::self_signed(hostname)?],
            identity: hostname.as_bytes().to_vec(),
        })
    }

    /// Octets that are equal for two that show clients the same, see [`StartTls::identity`](crate::net::link::StartTls::identity).
    pub(super) fn identity(&self) -> &[u8] {
        &self.identity
    }

    /// Chooses the certificate for a client that asked for the server with this `name` (RFC 6066 §3).
    #[must_use]
    pub fn choose(&self, name: Option<&str>) -> Option<&Certificate> {
        let name = name.and_then(|name| ServerName::try_from(name).ok());
        let named = name.and_then(|name| self.all.iter().find(|each| each.is_for(&name)));
        named.or(self.all.first())
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.choose(hello.server_name())
            .map(|certificate| Arc::clone(&certificate.key))
    }
}
