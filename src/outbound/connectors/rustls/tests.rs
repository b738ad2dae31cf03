//! Sessions that are resumed, and those that must not be.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::sync::Arc;

use rcgen::{Certificate, CertificateParams, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use rustls::{
    ClientConnection, HandshakeKind, ServerConfig, ServerConnection, SupportedProtocolVersion,
};

use super::*;
use crate::net::trust::TlsAssociation;

const HOST: &str = "mx.example.org";

fn shared() -> SharedConnectors {
    SharedConnectors {
        configs: HashMap::new(),
        resumption: Resumption::in_memory_sessions(SESSIONS_MAX),
    }
}

/// A server that lets its clients resume, with its certificate.
fn server(version: &'static SupportedProtocolVersion) -> (Arc<ServerConfig>, Certificate) {
    let key = KeyPair::generate().unwrap();
    let parameters = CertificateParams::new([HOST.to_owned()]).unwrap();
    let certificate = parameters.self_signed(&key).unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let mut config = ServerConfig::builder_with_provider(ring::default_provider().into())
        .with_protocol_versions(&[version])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    config.ticketer = ring::Ticketer::new().unwrap();
    (Arc::new(config), certificate)
}

/// The kind of handshake that a client with this configuration has with a server.
fn handshake(config: Arc<ClientConfig>, server: &Arc<ServerConfig>) -> HandshakeKind {
    let mut server = ServerConnection::new(Arc::clone(server)).unwrap();
    let mut client = ClientConnection::new(config, HOST.try_into().unwrap()).unwrap();
    while client.wants_write() || server.wants_write() {
        let mut wire = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut wire).unwrap();
        }
        server.read_tls(&mut &*wire).unwrap();
        server.process_new_packets().unwrap();
        let mut wire = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
        client.read_tls(&mut &*wire).unwrap();
        client.process_new_packets().unwrap();
    }
    client.handshake_kind().unwrap()
}

#[test]
fn a_session_is_resumed_only_by_whom_it_was_verified_for() {
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let (server, certificate) = server(version);
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), certificate.pem()).unwrap();
        let record = TlsAssociation {
            usage: 3,
            selector: 0,
            matching: 0,
            data: certificate.der().as_ref().into(),
        };
        let association = Trust::Associations {
            records: Rc::new([record]),
            names: Rc::new([]),
        };
        let authorities = Trust::Authorities(file.path().to_owned());
        let mut shared = shared();
        let mut meet = |trust: &Trust| handshake(shared.config(trust).unwrap(), &server);
        use HandshakeKind::{Full, Resumed};
        assert_eq!(meet(&Trust::Anybody), Full, "{version:?}");
        assert_eq!(meet(&Trust::Anybody), Resumed, "{version:?}");
        assert_eq!(meet(&authorities), Full, "{version:?}");
        assert_eq!(meet(&authorities), Resumed, "{version:?}");
        assert_eq!(meet(&Trust::Anybody), Full, "{version:?}");
        for _ in 0..2 {
            assert_eq!(meet(&association), Full, "{version:?}");
        }
        assert_eq!(
            shared.configs.len(),
            2,
            "those of TLSA records are not kept"
        );
    }
}

#[test]
fn a_file_of_authorities_is_read_once() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let key = KeyPair::generate().unwrap();
    let parameters = CertificateParams::new([HOST.to_owned()]).unwrap();
    fs::write(file.path(), parameters.self_signed(&key).unwrap().pem()).unwrap();
    let trust = Trust::Authorities(file.path().to_owned());
    let mut shared = shared();
    let first = shared.config(&trust).unwrap();
    drop(file);
    assert!(Arc::ptr_eq(&first, &shared.config(&trust).unwrap()));
    assert!(shared.connector("other.example.org", &trust).is_ok());
}

#[test]
fn a_name_that_no_certificate_can_have_is_an_error() {
    let mut shared = shared();
    for host in ["", ".", "-", "a b.example", "mx..example", "mx.example:25"] {
        let outcome = shared.connector(host, &Trust::Anybody);
        assert!(matches!(outcome, Err(TrustError::NoName(name)) if name == host));
    }
    for host in [
        "mx.example",
        "mx.example.",
        "192.0.2.1",
        "2001:db8::1",
        "_25.mx.example",
    ] {
        assert!(shared.connector(host, &Trust::Anybody).is_ok(), "{host}");
    }
}
