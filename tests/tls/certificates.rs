//! Certificates: which one a client is shown, what becomes of them over a reload, and what clients keep to come back.

use std::fs;
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::Arc;

use rustix::process::Signal;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, HandshakeKind, StreamOwned};
use tempfile::TempDir;

use super::common::client::Client;
use super::common::{TestServer, tls, wait_until};

const RELOADED: &str = "signal=HUP configuration reloaded";
const KEPT: &str = "signal=HUP warning=\"the old configuration stays: ";

type Secured = Client<StreamOwned<ClientConnection, TcpStream>>;

/// Files that hold a certificate and its key each.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, file: &str) -> PathBuf {
        self.0.path().join(file)
    }

    /// Writes a new one for the server of this name; the certificate.
    fn write(&self, file: &str, name: &str) -> CertificateDer<'static> {
        let pem = tls::certificate_and_key(name);
        fs::write(self.path(file), &pem).unwrap();
        CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
    }

    /// A server of TLS with these files.
    fn serve(&self, files: &[&str]) -> TestServer {
        let mut options = vec!["--listen-tls".to_owned(), "127.0.0.1:0".to_owned()];
        for file in files {
            let path = self.path(file).to_str().unwrap().to_owned();
            options.extend(["--tls-cert".to_owned(), path.clone()]);
            options.extend(["--tls-key".to_owned(), path]);
        }
        let options: Vec<_> = options.iter().map(String::as_str).collect();
        TestServer::start(&options)
    }
}

/// A client that asked for the server of this name, and was greeted: what it may keep to come back has come by then.
fn greeted(server: &TestServer, config: &Arc<ClientConfig>, name: &str) -> Secured {
    let tls = tls::client_of(Arc::clone(config), name);
    let mut client = Client::new(StreamOwned::new(tls, server.connect()));
    client.expect("220");
    client
}

/// The certificate that it was shown.
fn shown(client: &Secured) -> CertificateDer<'_> {
    client.stream.get_ref().conn.peer_certificates().unwrap()[0].clone()
}

fn kind(client: &Secured) -> HandshakeKind {
    client.stream.get_ref().conn.handshake_kind().unwrap()
}

fn reload(server: &TestServer, answer: &str) {
    let count = || server.log().matches(answer).count();
    let before = count();
    server.signal(Signal::HUP);
    wait_until(answer, || count() > before);
}

#[test]
fn the_certificate_is_that_of_the_server_that_was_asked_for() {
    let files = Files::new();
    let first = files.write("first", "a.example");
    let second = files.write("second", "b.example");
    let wild = files.write("wild", "*.c.example");
    let server = files.serve(&["first", "second", "wild"]);
    let config = tls::trusting();
    for (name, certificate) in [
        ("a.example", &first),
        ("b.example", &second),
        ("B.EXAMPLE", &second),
        ("mail.c.example", &wild),
        ("c.example", &first),
        ("x.mail.c.example", &first),
        ("other.example", &first),
        // Addresses are no names: it is not said which server is wanted (RFC 6066 §3).
        ("127.0.0.1", &first),
    ] {
        let client = greeted(&server, &config, name);
        assert_eq!(&shown(&client), certificate, "{name}");
    }
}

#[test]
fn new_clients_see_the_new_certificate_and_running_sessions_go_on() {
    let files = Files::new();
    let old = files.write("pem", "a.example");
    let mut server = files.serve(&["pem"]);
    let config = tls::trusting();
    let mut running = greeted(&server, &config, "a.example");
    assert_eq!(shown(&running), old);
    let new = files.write("pem", "a.example");
    reload(&server, RELOADED);
    running.ask("NOOP", "250");
    // One that resumed would see no certificate anew.
    let client = greeted(&server, &tls::trusting(), "a.example");
    assert_eq!(shown(&client), new);

    fs::write(files.path("pem"), "no certificate").unwrap();
    reload(&server, KEPT);
    let log = server.log();
    let told = log.lines().find(|line| line.contains(KEPT)).unwrap();
    assert!(told.contains("there is no PEM"), "{told}");
    let mut client = greeted(&server, &tls::trusting(), "a.example");
    assert_eq!(shown(&client), new);
    client.ask("QUIT", "221");
    running.ask("QUIT", "221");
    drop((client, running));
    server.stop();
}

#[test]
fn what_the_file_no_longer_names_is_there_no_more() {
    let files = Files::new();
    let config = files.path("mailoop.toml");
    let listen = "listen = ['127.0.0.1:0']\n";
    fs::write(&config, format!("{listen}tls-self-signed = true\n")).unwrap();
    let server = TestServer::start(&["--config", config.to_str().unwrap()]);
    let mut client = Client::connect(server.address());
    client.hello();
    fs::write(&config, listen).unwrap();
    reload(&server, RELOADED);
    client.ask("STARTTLS", "454 4.7.0");
    let mut client = Client::connect(server.address());
    client.hello();
    client.ask("STARTTLS", "502 5.5.1");
    fs::write(&config, format!("{listen}tls-self-signed = true\n")).unwrap();
    reload(&server, RELOADED);
    let mut client = Client::connect(server.address());
    client.hello();
    client.ask("STARTTLS", "220");
    tls::secured(client).ask("NOOP", "250");
}

#[test]
fn a_reload_within_a_handshake_disturbs_nobody() {
    let files = Files::new();
    files.write("pem", "a.example");
    let server = files.serve(&["pem"]);
    let mut slow = StreamOwned::new(tls::client(), server.connect());
    slow.conn.write_tls(&mut slow.sock).unwrap();
    wait_until("it to be answered", || {
        slow.sock.peek(&mut [0; 1]).is_ok_and(|octets| octets > 0)
    });
    let new = files.write("pem", "a.example");
    reload(&server, RELOADED);
    let mut slow = Client::new(slow);
    slow.expect("220");
    assert_ne!(shown(&slow), new);
    slow.ask("QUIT", "221");
}

#[test]
fn a_certificate_of_our_own_making_stays_the_same_over_a_reload() {
    let server = TestServer::start(&["--listen-tls", "127.0.0.1:0", "--tls-self-signed"]);
    let before = greeted(&server, &tls::trusting(), "a.example");
    reload(&server, RELOADED);
    let after = greeted(&server, &tls::trusting(), "a.example");
    assert_eq!(shown(&before), shown(&after));
}

#[test]
fn who_comes_back_resumes_until_the_certificate_is_another() {
    for version in [&TLS12, &TLS13] {
        let files = Files::new();
        files.write("pem", "a.example");
        let server = files.serve(&["pem"]);
        let config = tls::trusting_in(&[version]);
        for expected in [HandshakeKind::Full, HandshakeKind::Resumed] {
            let mut client = greeted(&server, &config, "a.example");
            assert_eq!(kind(&client), expected, "{version:?}");
            client.ask("QUIT", "221");
        }
        reload(&server, RELOADED);
        let client = greeted(&server, &config, "a.example");
        assert_eq!(kind(&client), HandshakeKind::Resumed, "{version:?}");
        // What a login is bound to would be the new one, which a client that resumes does not see.
        let new = files.write("pem", "a.example");
        reload(&server, RELOADED);
        let client = greeted(&server, &config, "a.example");
        assert_eq!(kind(&client), HandshakeKind::Full, "{version:?}");
        assert_eq!(shown(&client), new);
        // A ticket of one server's is none for another.
        let client = greeted(&server, &config, "b.example");
        assert_ne!(kind(&client), HandshakeKind::Resumed, "{version:?}");
        let other = files.serve(&["pem"]);
        let client = greeted(&other, &config, "a.example");
        assert_eq!(kind(&client), HandshakeKind::Full, "{version:?}");
    }
}

#[test]
fn a_session_that_resumes_is_a_session_as_any() {
    for version in [&TLS12, &TLS13] {
        let mut server = TestServer::start(&["--listen-tls", "127.0.0.1:0", "--tls-self-signed"]);
        let config = tls::trusting_in(&[version]);
        for _ in 0..2 {
            let mut client = greeted(&server, &config, "a.example");
            client.hello_again();
            client.envelope("b@example.org");
            client.ask(".", "250");
            client.ask("QUIT", "221");
            assert_eq!(client.rest(), "");
        }
        server.stop();
        let name = if version.version == TLS12.version {
            "TLSv1.2"
        } else {
            "TLSv1.3"
        };
        for path in server.new_mail("b@example.org") {
            let message = fs::read_to_string(path).unwrap();
            assert!(
                message.contains(name) && message.contains("ESMTPS"),
                "{message}"
            );
        }
        assert_eq!(server.new_mail("b@example.org").len(), 2);
    }
}
