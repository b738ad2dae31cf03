//! What a connection costs in memory: `cargo bench --bench memory`, some seconds, on Linux.
//!
//! So many connections are brought to the same point and stay there; the server's resident memory is read before and
//! after. A part of them comes first, so that what the server has once is not counted. Each row is a server of its own.
//! The kernel's own memory for a socket, some KiB, is not in the numbers: it is not the server's.
//!
//! `MAILOOP_BENCH_CONNECTIONS` is how many there are.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod common;

use std::env;
use std::io::{Read, Write};

use common::KIB;
use common::client::{Client, Step, hello, transaction};
use common::server::Server;
use mailoop::net::descriptors::raise_limit;

const CONNECTIONS: u64 = 2000;
/// Those before the first reading.
const FIRST: u64 = 200;

fn main() {
    let _ = raise_limit();
    let count = env::var("MAILOOP_BENCH_CONNECTIONS");
    let count = count.map_or(CONNECTIONS, |count| count.parse().expect("a number"));
    let server = Server::sink();
    let Some(start) = server.resident() else {
        println!("this system does not tell what memory is resident");
        return;
    };
    println!("a server without connections: {} KiB", start / 1024);
    println!("bytes for each of {count} idle connections, by what they have done");
    println!("| | greeting | and EHLO | and a message of 1 KiB |");
    println!("|---|---|---|---|");
    print_row("plain", count, Server::sink, |server| {
        Client::connect(server.address)
    });
    #[cfg(feature = "tls")]
    tls::print_rows(count);
}

/// Prints what a connection costs of a kind that `start` and `connect` make.
fn print_row<S: Read + Write>(
    name: &str,
    count: u64,
    start: impl Fn() -> Server,
    mut connect: impl FnMut(&Server) -> Client<S>,
) {
    let [greeting, ehlo] = [1, 2].map(|steps| hello().into_iter().take(steps).collect::<Vec<_>>());
    let mut message = hello();
    message.extend(transaction(KIB, false));
    let [greeting, ehlo, message] =
        [greeting, ehlo, message].map(|dialogue| each(&start(), count, &dialogue, &mut connect));
    println!("| {name} | {greeting} | {ehlo} | {message} |");
}

/// Octets of the server for a connection that is idle behind `dialogue`.
fn each<S: Read + Write>(
    server: &Server,
    count: u64,
    dialogue: &[Step],
    connect: &mut impl FnMut(&Server) -> Client<S>,
) -> u64 {
    let mut idle = Vec::new();
    let mut resident_with = |count| {
        for _ in 0..count {
            let mut client = connect(server);
            client.converse(dialogue);
            idle.push(client);
        }
        server.resident().expect("the server runs")
    };
    let few = resident_with(FIRST);
    resident_with(count).saturating_sub(few) / count
}

#[cfg(feature = "tls")]
mod tls {
    use std::fs;
    use std::sync::Arc;

    use rcgen::{CertificateParams, KeyPair};
    use rustls::client::Resumption;
    use rustls::crypto::ring;
    use rustls::pki_types::{CertificateDer, ServerName};
    use rustls::version::{TLS12, TLS13};
    use rustls::{
        ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion,
    };

    use super::common::server::folder;
    use super::{Client, Server, print_row};

    const HOSTNAME: &str = "mail.example.org";

    pub(super) fn print_rows(count: u64) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new([HOSTNAME.to_owned()])
            .and_then(|parameters| parameters.self_signed(&key))
            .unwrap();
        let folder = folder();
        let [certificate_file, key_file] =
            ["certificate", "key"].map(|name| folder.path().join(name));
        fs::write(&certificate_file, certificate.pem()).unwrap();
        fs::write(&key_file, key.serialize_pem()).unwrap();
        for (name, version) in [("TLS 1.2", &TLS12), ("TLS 1.3", &TLS13)] {
            let config = config(certificate.der(), version);
            let start = || Server::tls_sink(&certificate_file, &key_file);
            print_row(name, count, start, |server| {
                let name = ServerName::try_from(HOSTNAME).unwrap();
                let tls = ClientConnection::new(Arc::clone(&config), name).unwrap();
                let socket = Client::connect(server.address).into_stream();
                Client::new(StreamOwned::new(tls, socket))
            });
        }
    }

    /// What a client goes by that trusts this certificate and comes for the first time.
    fn config(
        certificate: &CertificateDer<'static>,
        version: &'static SupportedProtocolVersion,
    ) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(certificate.clone()).unwrap();
        let mut config = ClientConfig::builder_with_provider(ring::default_provider().into())
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.resumption = Resumption::disabled();
        Arc::new(config)
    }
}
