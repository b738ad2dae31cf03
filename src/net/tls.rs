//! TLS by rustls, for both roles and over any transport.
//!
//! rustls knows no socket: ciphertext is put in and taken out here. It holds octets that the socket knows nothing of: text that
//! was decrypted and not read yet, which comes before the socket is asked again, and ciphertext, which is taken out at once and
//! kept in `sealed` until there is room for it.

mod associations;
mod certificates;
mod chain;
mod end_point;
mod key;
mod suites;
mod trust;

use core::fmt;
use std::io::{self, BufRead, ErrorKind, Read as _, Write as _};
use std::rc::Rc;
use std::sync::Arc;

use bytes::{Buf, BufMut, BytesMut};
use rustls::client::ClientConnection;
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::server::{NoServerSessionStorage, ServerConnection};
use rustls::{
    ClientConfig, Connection as Session, HandshakeKind, ServerConfig, SupportedCipherSuite,
};

pub use certificates::{Certificate, CertificateError, Certificates, is_of_version_1};
pub use end_point::end_point;
pub use trust::client_config;

use super::link::{Handshake, HandshakeStep, HandshakeWork, StartTls, TlsFacts, TlsSession};
use super::transport::{Read, Transport};

/// The most octets of text that one record takes (RFC 8446 §5.1).
const RECORD_TEXT_BYTES_MAX: usize = 16 * 1024;

/// Configuration of TLS as a server.
#[derive(Clone, Debug)]
pub struct Acceptor {
    config: Arc<ServerConfig>,
    certificates: Arc<Certificates>,
}

impl Acceptor {
    /// An acceptor that shows these certificates, for TLS 1.2 and 1.3.
    ///
    /// # Errors
    /// The system has no random octets.
    pub fn new(certificates: Certificates) -> Result<Self, rustls::Error> {
        let certificates = Arc::new(certificates);
        let builder = ServerConfig::builder_with_provider(ring::default_provider().into())
            .with_safe_default_protocol_versions()?;
        let mut config = builder
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&certificates) as _);
        // Every suite is a good one. We choose, as the best that both know is the same for all clients then; scanners blame
        // a server that leaves it to them.
        config.ignore_client_order = true;
        // Clients keep what it takes to come back (RFC 8446 §2.2, RFC 5077): here nothing is remembered of them.
        config.ticketer = ring::Ticketer::new()?;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        Ok(Self {
            config: Arc::new(config),
            certificates,
        })
    }
}

impl StartTls for Acceptor {
    fn start(&self, early: BytesMut, unsent: BytesMut) -> io::Result<Box<dyn TlsSession>> {
        let session = ServerConnection::new(Arc::clone(&self.config)).map_err(failed)?;
        let certificates = Some(Arc::clone(&self.certificates));
        Tls::start(session.into(), certificates, early, unsent)
    }

    fn identity(&self) -> &[u8] {
        self.certificates.identity()
    }
}

/// Configuration of TLS as a client of one server.
#[derive(Clone, Debug)]
pub struct Connector {
    config: Arc<ClientConfig>,
    server: ServerName<'static>,
}

impl Connector {
    /// A connector to the server of this name, which its certificate has to be for.
    #[must_use]
    pub fn new(config: Arc<ClientConfig>, server: ServerName<'static>) -> Self {
        Self { config, server }
    }
}

impl StartTls for Connector {
    fn start(&self, early: BytesMut, unsent: BytesMut) -> io::Result<Box<dyn TlsSession>> {
        let (config, server) = (Arc::clone(&self.config), self.server.clone());
        let session = ClientConnection::new(config, server).map_err(failed)?;
        Tls::start(session.into(), None, early, unsent)
    }

    /// A client shows no certificate.
    fn identity(&self) -> &[u8] {
        &[]
    }
}

/// The TLS of one connection.
struct Tls {
    session: Session,
    /// The certificates of a server; a client has none.
    certificates: Option<Arc<Certificates>>,
    /// Ciphertext that was read before it was known to be such.
    early: BytesMut,
    /// Ciphertext that waits for room in the socket.
    sealed: BytesMut,
    /// Whether the last read of the socket has drained it, as far as that can tell.
    drained: bool,
}

impl Tls {
    fn start(
        session: Session,
        certificates: Option<Arc<Certificates>>,
        early: BytesMut,
        unsent: BytesMut,
    ) -> io::Result<Box<dyn TlsSession>> {
        let mut tls = Self {
            session,
            certificates,
            early,
            sealed: unsent,
            drained: false,
        };
        // A client speaks first.
        tls.seal()?;
        Ok(Box::new(tls))
    }

    /// Reads the socket once and decrypts; how many octets that were.
    fn receive(&mut self, transport: &mut dyn Transport) -> io::Result<usize> {
        let mut source = CiphertextReader {
            transport,
            early: &mut self.early,
            drained: false,
        };
        let received = self.session.read_tls(&mut source)?;
        self.drained = source.drained;
        let processed = self.session.process_new_packets();
        self.seal()?;
        if let Err(error) = processed {
            // The alert says what is wrong. Nobody waits for it to get through.
            let _ = self.flush(transport);
            return Err(failed(error));
        }
        Ok(received)
    }

    /// Takes ciphertext out of rustls.
    fn seal(&mut self) -> io::Result<()> {
        while self.session.wants_write() {
            self.session.write_tls(&mut (&mut self.sealed).writer())?;
        }
        Ok(())
    }

    /// Takes text that was decrypted; 0 at its end, `None` if none has come yet.
    ///
    /// An end without close_notify, as an attacker can cause it (RFC 8446 §6.1), makes no difference to a server: it takes no
    /// command or message that is not complete. A client could take it for the end of a reply, so for it that is an error.
    fn open(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        match self.session.reader().read(buffer) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof && self.is_server() => {
                Ok(Some(0))
            }
            read => read.map(Some),
        }
    }

    fn is_server(&self) -> bool {
        self.certificates.is_some()
    }

    /// Whether nothing that was decrypted, not even its end, is left in rustls: nobody else tells of it.
    fn is_opened(&mut self) -> bool {
        let is_empty = |error: io::Error| error.kind() == ErrorKind::WouldBlock;
        self.session.reader().fill_buf().is_err_and(is_empty)
    }

    /// Computes the cost of a step of the handshake. A server signs in answer to a ClientHello that resumes no session; a client checks
    /// the signatures of a certificate.
    fn work_of_step(&self, has_answered: bool, received: &io::Result<usize>) -> HandshakeWork {
        match received {
            Err(error) if error.kind() != ErrorKind::InvalidData => return HandshakeWork::None,
            Ok(_) if self.is_server() && !self.session.is_handshaking() => {
                return HandshakeWork::Symmetric;
            }
            _ => {}
        }
        match (&self.certificates, self.session.handshake_kind()) {
            (Some(_), Some(HandshakeKind::Full | HandshakeKind::FullWithHelloRetryRequest))
                if has_answered =>
            {
                let certificate = self.own_certificate();
                certificate.map_or(HandshakeWork::Signature, Certificate::signing_work)
            }
            (Some(_), _) => HandshakeWork::Symmetric,
            (None, _) => HandshakeWork::Signature,
        }
    }

    /// The certificate that this server shows to its client.
    fn own_certificate(&self) -> Option<&Certificate> {
        match (&self.session, &self.certificates) {
            (Session::Server(session), Some(all)) => all.choose(session.server_name()),
            _ => None,
        }
    }

    fn facts(&self) -> TlsFacts {
        let suite = self.session.negotiated_cipher_suite();
        let (cipher, bits) = suite.map_or(suites::UNKNOWN, |suite| suites::name(suite.suite()));
        let is_1_3 = matches!(suite, Some(SupportedCipherSuite::Tls13(_)));
        let exporter = is_1_3.then(|| {
            let label = b"EXPORTER-Channel-Binding";
            let exported = self.session.export_keying_material([0; 32], label, None);
            exported.ok()
        });
        let end_point = if self.is_server() {
            let certificate = self.own_certificate();
            certificate.and_then(Certificate::end_point).map(Rc::from)
        } else {
            let chain = self.session.peer_certificates().unwrap_or_default();
            let certificate = chain.first();
            certificate.and_then(|it| end_point(it)).map(Rc::from)
        };
        TlsFacts {
            version: if is_1_3 { "TLSv1.3" } else { "TLSv1.2" },
            cipher,
            bits,
            exporter: exporter.flatten(),
            end_point,
        }
    }
}

impl TlsSession for Tls {
    fn handshake(&mut self, transport: &mut dyn Transport) -> HandshakeStep {
        let held = self.sealed.len();
        let received = self.receive(transport);
        // A server may have signed before what it had read turned out to be wrong.
        let has_answered = self.sealed.len() > held || received.is_err();
        let work = self.work_of_step(has_answered, &received);
        let outcome = match received {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Ok(_) if self.session.is_handshaking() => Ok(Handshake::Progress),
            Ok(_) => Ok(Handshake::Done(self.facts())),
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(Handshake::Progress),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(Handshake::WouldBlock),
            Err(error) => Err(error),
        };
        HandshakeStep { work, outcome }
    }

    fn is_handshaking(&self) -> bool {
        self.session.is_handshaking()
    }

    fn read(&mut self, transport: &mut dyn Transport, buffer: &mut [u8]) -> io::Result<Read> {
        let mut opened = self.open(buffer)?;
        let mut is_drained = false;
        if opened.is_none() {
            if let Err(error) = self.receive(transport) {
                return Read::from_error(error);
            }
            opened = self.open(buffer)?;
            is_drained = self.drained && self.is_opened();
        }
        Ok(match opened {
            None => Read::Progress,
            Some(0) => Read::Eof,
            Some(count) => Read::of_text(count, is_drained && count < buffer.len()),
        })
    }

    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        let record = &text[..text.len().min(RECORD_TEXT_BYTES_MAX)];
        let taken = self.session.writer().write(record)?;
        self.seal()?;
        Ok(taken)
    }

    fn held(&self) -> usize {
        self.sealed.len()
    }

    fn flush(&mut self, transport: &mut dyn Transport) -> io::Result<()> {
        while !self.sealed.is_empty() {
            match transport.write(&self.sealed) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => self.sealed.advance(written),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        // A connection that holds nothing owns no memory for it.
        self.sealed = BytesMut::new();
        Ok(())
    }

    fn close_notify(&mut self) -> io::Result<()> {
        self.session.send_close_notify();
        self.seal()
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

/// The stream of ciphertext: octets that came early, then the socket.
struct CiphertextReader<'a> {
    transport: &'a mut dyn Transport,
    early: &'a mut BytesMut,
    drained: bool,
}

impl io::Read for CiphertextReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !self.early.is_empty() {
            let count = self.early.len().min(buffer.len());
            self.early.copy_to_slice(&mut buffer[..count]);
            return Ok(count);
        }
        let received = self.transport.read(buffer)?;
        self.drained = self.transport.short_read_drains() && received < buffer.len();
        Ok(received)
    }
}

fn failed(error: rustls::Error) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, error)
}

#[cfg(test)]
mod tests;
