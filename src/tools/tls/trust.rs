//! Verification of servers: the authorities that a client trusts.

use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::{fs, io};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};

use super::explanation::explain;
use crate::net::endpoint::Endpoint;
use crate::net::link::StartTls;
use crate::net::tls::Connector;
use crate::tools::encryption::{ServerTrust, TrustError};

/// The authorities that have to vouch for a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Trust {
    /// One of those whom this machine trusts.
    #[default]
    Machine,
    /// One of those in this PEM file, and nobody else.
    Authorities(PathBuf),
    /// Nobody has to: whoever answers will do.
    Anybody,
}

impl ServerTrust for Trust {
    fn connector(&self, server: &Endpoint) -> Result<Rc<dyn StartTls>, TrustError> {
        let config = client_config(self)?;
        let name = ServerName::try_from(server.host().into_owned())
            .map_err(|_| TrustError::NoName(server.clone()))?;
        Ok(Rc::new(Connector::new(config, name)))
    }

    fn includes_anybody(&self) -> bool {
        *self == Self::Anybody
    }

    fn explain(&self, error: &io::Error, server: &Endpoint) -> Option<String> {
        explain(error, server)
    }
}

impl From<Error> for TrustError {
    fn from(error: Error) -> Self {
        Self::Tls(error.to_string())
    }
}

/// Configures sessions with servers: TLS 1.2 or 1.3, and a certificate that somebody vouches for. Each is a session of
/// its own: none resumes another.
fn client_config(trust: &Trust) -> Result<Arc<ClientConfig>, TrustError> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?;
    let verifier = |trusted| {
        let algorithms = provider.signature_verification_algorithms;
        Arc::new(Verifier {
            trusted,
            algorithms,
        })
    };
    let verifier: Arc<dyn ServerCertVerifier> = match trust {
        Trust::Machine => webpki(machine()?, &provider)?,
        Trust::Authorities(path) => {
            let listed = certificates(path)?;
            let webpki = webpki(listed.clone(), &provider)?;
            verifier(TrustedCertificates::Listed { listed, webpki })
        }
        Trust::Anybody => verifier(TrustedCertificates::Any),
    };
    let mut config = builder
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

fn machine() -> Result<Vec<CertificateDer<'static>>, TrustError> {
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() {
        let why = found.errors.first().map(|error| format!(" ({error})"));
        return Err(TrustError::NoAuthorities(why.unwrap_or_default()));
    }
    Ok(found.certs)
}

fn certificates(path: &PathBuf) -> Result<Vec<CertificateDer<'static>>, TrustError> {
    let text = fs::read(path).map_err(|error| TrustError::Unreadable(path.clone(), error))?;
    match CertificateDer::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>() {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(TrustError::NoCertificate(path.clone())),
    }
}

fn webpki(
    authorities: Vec<CertificateDer<'static>>,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<WebPkiServerVerifier>, TrustError> {
    let mut roots = RootCertStore::empty();
    // Machines keep some that are too old to be read; the others do.
    roots.add_parsable_certificates(authorities);
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .build()
        .map_err(|error| Error::General(error.to_string()).into())
}

/// Verifies a server by its certificate, and that it has the key of that.
#[derive(Debug)]
struct Verifier {
    trusted: TrustedCertificates,
    algorithms: WebPkiSupportedAlgorithms,
}

/// The certificates that a [`Verifier`] takes.
#[derive(Debug)]
enum TrustedCertificates {
    /// The certificates that were named, and those that they vouch for.
    Listed {
        listed: Vec<CertificateDer<'static>>,
        webpki: Arc<WebPkiServerVerifier>,
    },
    /// Any certificate.
    Any,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let TrustedCertificates::Listed { listed, webpki } = &self.trusted else {
            return Ok(ServerCertVerified::assertion());
        };
        match webpki.verify_server_cert(end_entity, intermediates, name, ocsp_response, now) {
            // `openssl req -x509` makes certificates that may sign others, which webpki takes from no server.
            Err(Error::InvalidCertificate(CertificateError::Other(_)))
                if listed.iter().any(|listed| listed == end_entity) =>
            {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, name)?;
                Ok(ServerCertVerified::assertion())
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
