//! Certificates, and clients that speak TLS.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ALL_VERSIONS, ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme,
    StreamOwned, SupportedProtocolVersion,
};

use super::client::Client;

/// A certificate for the server of this name, and its key, both in PEM.
pub fn certificate_and_key(name: &str) -> String {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new([name.to_owned()])
        .and_then(|parameters| parameters.self_signed(&key))
        .unwrap();
    certificate.pem() + &key.serialize_pem()
}

/// Who vouches for servers.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    /// One that nobody knows yet, of this name.
    pub fn new(name: &str) -> Self {
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(parameters, key).unwrap())
    }

    /// Its own certificate, in PEM: what clients trust that trust in it.
    pub fn certificate(&self) -> String {
        self.0.pem()
    }

    /// A certificate for the server of these names and addresses, and its key, both in PEM.
    pub fn certificate_and_key(&self, names: &[&str]) -> String {
        let key = KeyPair::generate().unwrap();
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let certificate = CertificateParams::new(names)
            .and_then(|parameters| parameters.signed_by(&key, &self.0))
            .unwrap();
        certificate.pem() + &key.serialize_pem()
    }
}

/// What a client goes by that takes any certificate.
pub fn trusting() -> Arc<ClientConfig> {
    trusting_in(ALL_VERSIONS)
}

/// The same in one of these versions of TLS.
pub fn trusting_in(versions: &[&'static SupportedProtocolVersion]) -> Arc<ClientConfig> {
    let config = ClientConfig::builder_with_provider(ring::default_provider().into())
        .with_protocol_versions(versions)
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(TakesAny))
        .with_no_client_auth();
    Arc::new(config)
}

/// The TLS of such a client.
pub fn client() -> ClientConnection {
    client_of(trusting(), "mail.example.org")
}

/// The TLS of a client that asks for this server.
pub fn client_of(config: Arc<ClientConfig>, server: &str) -> ClientConnection {
    let name = ServerName::try_from(server.to_owned()).unwrap();
    let mut tls = ClientConnection::new(config, name).unwrap();
    // What a test says at once is sealed at once, however much that is.
    tls.set_buffer_limit(None);
    tls
}

/// A client in TLS from the first octet.
pub fn connect(address: &str) -> Client<StreamOwned<ClientConnection, TcpStream>> {
    let stream = TcpStream::connect(address).unwrap();
    let timeout = Some(Duration::from_secs(60));
    stream.set_read_timeout(timeout).unwrap();
    Client::new(StreamOwned::new(client(), stream))
}

/// The same connection in TLS, once STARTTLS was answered.
pub fn secured<S: Read + Write>(clear: Client<S>) -> Client<StreamOwned<ClientConnection, S>> {
    assert_eq!(clear.stream.buffer(), b"", "nothing follows in the clear");
    Client::new(StreamOwned::new(client(), clear.stream.into_inner()))
}

/// Asks no certificate who it is.
#[derive(Debug)]
struct TakesAny;

impl ServerCertVerifier for TakesAny {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ring::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}
