//! Policy hosts: each has an address of its own, and a thread.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::common::client::read_some;
use crate::common::tls::Authority;

/// The time after which a thread looks whether it is to end.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// What a host does with each connection.
#[derive(Clone, Debug)]
pub enum Deed {
    /// It answers a request so, says in TLS that this was all, and hangs up.
    Say(Vec<u8>),
    /// It answers a request so, and hangs up without a word.
    Cut(Vec<u8>),
    /// It answers a request so, and then an octet at a time without end.
    Drip(Vec<u8>),
    /// It answers a request so, and then as fast as it can without end.
    Flood(Vec<u8>),
    /// It answers nothing, whatever it is asked.
    Hang,
    /// It says this in the clear.
    Clear(Vec<u8>),
}

/// A policy host.
pub struct PolicyHost {
    pub address: SocketAddr,
    /// The names that were asked for in TLS, and the requests.
    pub asked: Arc<Mutex<Vec<String>>>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl PolicyHost {
    /// One with a certificate for these names.
    pub fn start(authority: &Authority, names: &[&str], deed: Deed) -> Self {
        let pem = authority.certificate_and_key(names);
        Self::with_certificate(&pem, deed)
    }

    /// One that shows this certificate.
    pub fn with_certificate(pem: &str, deed: Deed) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        let server = Server {
            config: config(pem),
            deed,
            asked: Arc::default(),
            is_over: Arc::default(),
        };
        let (asked, is_over) = (Arc::clone(&server.asked), Arc::clone(&server.is_over));
        Self {
            address,
            asked,
            is_over,
            thread: Some(thread::spawn(move || server.serve(&listener))),
        }
    }
}

impl Drop for PolicyHost {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(
            ended.is_none_or(|ended| ended.is_ok()) || thread::panicking(),
            "a host panicked"
        );
    }
}

fn config(pem: &str) -> Arc<ServerConfig> {
    let chain = CertificateDer::pem_slice_iter(pem.as_bytes());
    let chain: Vec<_> = chain.map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).unwrap();
    let builder = ServerConfig::builder_with_provider(ring::default_provider().into());
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let config = builder.with_no_client_auth().with_single_cert(chain, key);
    Arc::new(config.unwrap())
}

/// What the threads of a host share.
#[derive(Clone)]
struct Server {
    config: Arc<ServerConfig>,
    deed: Deed,
    asked: Arc<Mutex<Vec<String>>>,
    is_over: Arc<AtomicBool>,
}

impl Server {
    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    fn serve(&self, listener: &TcpListener) {
        thread::scope(|scope| {
            while !self.is_over() {
                match listener.accept() {
                    Ok((stream, _)) => {
                        scope.spawn(|| drop(self.talk(stream)));
                    }
                    Err(_) => thread::sleep(Duration::from_millis(1)),
                }
            }
        });
    }

    /// Talks to a client, who may hang up at any time, which is its good right.
    fn talk(&self, mut stream: TcpStream) -> std::io::Result<()> {
        stream.set_nonblocking(false)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(LOOK_INTERVAL))?;
        stream.set_write_timeout(Some(LOOK_INTERVAL))?;
        match &self.deed {
            Deed::Hang => return self.wait_for_the_end(&mut stream),
            Deed::Clear(text) => {
                stream.write_all(text)?;
                return self.wait_for_the_end(&mut stream);
            }
            _ => {}
        }
        let tls = ServerConnection::new(Arc::clone(&self.config)).unwrap();
        let mut stream = StreamOwned::new(tls, stream);
        let request = self.read_request(&mut stream)?;
        let name = stream.conn.server_name().unwrap_or("no name").to_owned();
        self.asked.lock().unwrap().extend([name, request]);
        match &self.deed {
            Deed::Say(text) => {
                self.write(&mut stream, text)?;
                stream.conn.send_close_notify();
                stream.flush()
            }
            Deed::Cut(text) => self.write(&mut stream, text),
            Deed::Drip(text) => {
                self.write(&mut stream, text)?;
                while !self.is_over() {
                    self.write(&mut stream, b"x")?;
                    thread::sleep(Duration::from_millis(1));
                }
                Ok(())
            }
            Deed::Flood(text) => {
                self.write(&mut stream, text)?;
                while !self.is_over() {
                    self.write(&mut stream, &[b'x'; 4096])?;
                }
                Ok(())
            }
            Deed::Hang | Deed::Clear(_) => Ok(()),
        }
    }

    fn read_request(&self, stream: &mut impl Read) -> std::io::Result<String> {
        let mut request = Vec::new();
        let mut part = [0; 1000];
        while !request.ends_with(b"\r\n\r\n") {
            match read_some(stream, &mut part) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => request.extend_from_slice(&part[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock && !self.is_over() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(String::from_utf8(request).unwrap())
    }

    fn write(&self, stream: &mut impl Write, mut text: &[u8]) -> std::io::Result<()> {
        while !text.is_empty() {
            match stream.write(text) {
                Ok(count) => text = &text[count..],
                Err(error) if self.goes_on_after(&error) => {}
                Err(error) => return Err(error),
            }
        }
        loop {
            match stream.flush() {
                Err(error) if self.goes_on_after(&error) => {}
                flushed => return flushed,
            }
        }
    }

    /// A look is over, or was interrupted, as it is where this process was halted (signal(7)).
    fn goes_on_after(&self, error: &std::io::Error) -> bool {
        let is_in_vain = [ErrorKind::WouldBlock, ErrorKind::Interrupted].contains(&error.kind());
        is_in_vain && !self.is_over()
    }

    fn wait_for_the_end(&self, stream: &mut impl Read) -> std::io::Result<()> {
        while !self.is_over() {
            match read_some(stream, &mut [0; 1000]) {
                Ok(0) => break,
                Err(error) if error.kind() != ErrorKind::WouldBlock => break,
                _ => {}
            }
        }
        Ok(())
    }
}

/// A response with this text.
pub fn response(text: &str) -> Vec<u8> {
    let length = text.len();
    format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\r\n{text}")
        .into_bytes()
}

/// The text of a policy with this host.
pub fn policy(host: &str) -> String {
    format!("version: STSv1\r\nmode: enforce\r\nmx: {host}\r\nmax_age: 86400\r\n")
}
