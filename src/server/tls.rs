//! TLS over any transport. rustls knows no socket: ciphertext is put in and taken out here, in the clear it is a
//! [`Transport`] like any other ([`Link`](super::transport::Link)).
//!
//! rustls holds octets that the socket knows nothing of: text that was decrypted and not read yet, which comes before
//! the socket is asked again, and ciphertext, which is taken out at once and kept in `sealed` until there is room for it.

mod certificates;
mod suites;

use std::io::{self, BufRead, ErrorKind, Read, Write};
use std::rc::Rc;
use std::sync::Arc;

use bytes::{Buf, BufMut, BytesMut};
use rustls::crypto::ring;
use rustls::server::{NoServerSessionStorage, ServerConnection};
use rustls::{HandshakeKind, ServerConfig, SupportedCipherSuite};

pub use certificates::{Certificate, CertificateError, Certificates, is_of_version_1};

use super::budget::{HANDSHAKE_ROUNDS, HANDSHAKE_STEP_ROUNDS};
use super::transport::Transport;
use crate::smtp::security::{ChannelBindings, Security};

/// The most octets of text that one record takes (RFC 8446 §5.1).
const RECORD_TEXT_BYTES_MAX: usize = 16 * 1024;

/// What it takes to begin TLS with a client.
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

    /// The same with other certificates. Tickets that it gave away are good as long as the certificates are the same: a client
    /// that comes back by one has not seen the new certificate, so a login could not be bound to it.
    ///
    /// # Errors
    /// The system has no random octets.
    pub fn with_certificates(&self, certificates: Certificates) -> Result<Self, rustls::Error> {
        if certificates.are_alike(&self.certificates) {
            return Ok(self.clone());
        }
        let certificates = Arc::new(certificates);
        let mut config = (*self.config).clone();
        config.cert_resolver = Arc::clone(&certificates) as _;
        config.ticketer = ring::Ticketer::new()?;
        Ok(Self {
            config: Arc::new(config),
            certificates,
        })
    }

    /// Begins TLS with a client that has sent `early` already. What is `unsent` still goes out in the clear, before
    /// the first octet of TLS.
    pub(super) fn begin(&self, early: BytesMut, unsent: BytesMut) -> io::Result<Tls> {
        let session = ServerConnection::new(Arc::clone(&self.config)).map_err(failed)?;
        Ok(Tls {
            session,
            certificates: Arc::clone(&self.certificates),
            early,
            sealed: unsent,
            drained: false,
        })
    }
}

/// The TLS of one connection.
pub(super) struct Tls {
    session: ServerConnection,
    certificates: Arc<Certificates>,
    /// Ciphertext that was read before it was known to be such.
    early: BytesMut,
    /// Ciphertext that waits for the socket to have room.
    sealed: BytesMut,
    /// Whether the last read has left nothing in rustls nor, as far as that can tell, in the socket.
    drained: bool,
}

impl Tls {
    /// Goes on with the handshake after one more read, and takes off the `rounds` which that cost; what protects the connection
    /// once it is done.
    ///
    /// # Errors
    /// The peer is gone, or it does not speak TLS as it should.
    pub(super) fn handshake<T: Transport>(
        &mut self,
        socket: &mut T,
        rounds: &mut u32,
    ) -> io::Result<Option<Security>> {
        let held = self.sealed.len();
        let received = self.receive(socket);
        // What was read and is wrong may have been signed for before that showed.
        let has_answered = self.sealed.len() > held || received.is_err();
        *rounds = rounds.saturating_sub(self.step_rounds(has_answered, &received));
        if received? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        Ok((!self.session.is_handshaking()).then(|| self.security()))
    }

    /// The rounds of a step of the handshake. It signed if it answered a ClientHello of a client that does not come back by
    /// a ticket.
    fn step_rounds(&self, has_answered: bool, received: &io::Result<usize>) -> u32 {
        match received {
            Err(error) if error.kind() != ErrorKind::InvalidData => return 0,
            Ok(_) if !self.session.is_handshaking() => return HANDSHAKE_STEP_ROUNDS,
            _ => {}
        }
        match self.session.handshake_kind() {
            Some(HandshakeKind::Full | HandshakeKind::FullWithHelloRetryRequest)
                if has_answered =>
            {
                let certificate = self.certificates.choose(self.session.server_name());
                certificate.map_or(HANDSHAKE_ROUNDS, Certificate::handshake_rounds)
            }
            _ => HANDSHAKE_STEP_ROUNDS,
        }
    }

    /// Reads text; 0 if the peer will send no more. Whether it has said so makes no difference: what is not complete
    /// by then counts for nothing, and what was is answered. After one read of the socket that gave no text it was
    /// [`ErrorKind::Interrupted`]: records without text must not hold a turn.
    pub(super) fn read<T: Transport>(
        &mut self,
        socket: &mut T,
        buffer: &mut [u8],
    ) -> io::Result<usize> {
        self.drained = false;
        if let Some(count) = self.open(buffer)? {
            return Ok(count);
        }
        self.receive(socket)?;
        let read = self.open(buffer)?;
        // Text that is left, or the end of it, is heard of from nobody else.
        let mut reader = self.session.reader();
        let is_empty = |error: io::Error| error.kind() == ErrorKind::WouldBlock;
        self.drained &= reader.fill_buf().is_err_and(is_empty);
        read.ok_or_else(|| ErrorKind::Interrupted.into())
    }

    /// Takes text that was decrypted; 0 if no more will come, `None` if none has come yet.
    fn open(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        match self.session.reader().read(buffer) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(Some(0)),
            read => read.map(Some),
        }
    }

    /// Reads the socket once and decrypts; how many octets that were.
    fn receive<T: Transport>(&mut self, socket: &mut T) -> io::Result<usize> {
        let mut source = Source {
            socket,
            early: &mut self.early,
            drained: false,
        };
        let received = self.session.read_tls(&mut source)?;
        self.drained = source.drained;
        let processed = self.session.process_new_packets();
        self.seal()?;
        if let Err(error) = processed {
            // The alert says what is wrong. Nobody waits for it to get through.
            let _ = self.flush(socket);
            return Err(failed(error));
        }
        Ok(received)
    }

    /// Whether the last read has drained the socket, and rustls.
    pub(super) fn is_drained(&self) -> bool {
        self.drained
    }

    /// Encrypts, and holds what comes of it. It is called only while nothing is held.
    pub(super) fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        let record = &text[..text.len().min(RECORD_TEXT_BYTES_MAX)];
        let taken = self.session.writer().write(record)?;
        self.seal()?;
        Ok(taken)
    }

    /// Takes out of rustls what it has to say.
    fn seal(&mut self) -> io::Result<()> {
        while self.session.wants_write() {
            self.session.write_tls(&mut (&mut self.sealed).writer())?;
        }
        Ok(())
    }

    /// Octets that wait for the socket to have room.
    pub(super) fn held(&self) -> usize {
        self.sealed.len()
    }

    /// Writes what is held.
    pub(super) fn flush<T: Transport>(&mut self, socket: &mut T) -> io::Result<()> {
        while !self.sealed.is_empty() {
            match socket.write(&self.sealed) {
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

    /// Holds the word for that this was all (RFC 8446 §6.1). It is said once, however often this is called.
    pub(super) fn take_leave(&mut self) -> io::Result<()> {
        self.session.send_close_notify();
        self.seal()
    }

    fn security(&self) -> Security {
        let suite = self.session.negotiated_cipher_suite();
        let (cipher, bits) = suite.map_or(suites::UNKNOWN, |suite| suites::name(suite.suite()));
        let is_1_3 = matches!(suite, Some(SupportedCipherSuite::Tls13(_)));
        let exporter = is_1_3.then(|| {
            let label = b"EXPORTER-Channel-Binding";
            self.session
                .export_keying_material([0; 32], label, None)
                .ok()
        });
        let certificate = self.certificates.choose(self.session.server_name());
        Security {
            version: if is_1_3 { "TLSv1.3" } else { "TLSv1.2" },
            cipher,
            bits,
            bindings: ChannelBindings {
                // RFC 9266 §4.2: before TLS 1.3 its octets may be the same in two sessions.
                exporter: exporter.flatten(),
                end_point: certificate.and_then(Certificate::end_point).map(Rc::from),
            },
        }
    }
}

/// What ciphertext is read from: first what came early, then the socket.
struct Source<'a, T> {
    socket: &'a mut T,
    early: &'a mut BytesMut,
    drained: bool,
}

impl<T: Transport> Read for Source<'_, T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !self.early.is_empty() {
            let count = self.early.len().min(buffer.len());
            self.early.copy_to_slice(&mut buffer[..count]);
            return Ok(count);
        }
        let received = self.socket.read(buffer)?;
        self.drained = self.socket.short_read_drains() && received < buffer.len();
        Ok(received)
    }
}

fn failed(error: rustls::Error) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, error)
}
