//! TLS over a non-blocking socket.
//!
//! rustls knows no socket: this carries its records. It holds two things that the socket does not tell of, plaintext that
//! was not read yet and records that found no room. So a read hands out the first before it asks the socket, and a flush
//! is over only when the second are gone.

mod explanation;
mod trust;

use std::io::{self, ErrorKind, Read, Write};
use std::rc::Rc;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, ProtocolVersion};

pub use explanation::explain;
pub use rustls::ClientConfig;
pub use trust::{Trust, TrustError, client_config};

use crate::net::endpoint::Endpoint;
use crate::net::link::StartTls;
use crate::net::tls::{Connector, end_point};
use crate::smtp::security::ChannelBindings;

/// How a client gets under TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encryption {
    /// When that begins.
    pub start: Start,
    /// Who has to vouch for the server.
    pub trust: Trust,
}

/// When TLS begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With the first octet (RFC 8314 §3).
    AtOnce,
    /// By STARTTLS (RFC 3207).
    ByCommand,
}

impl Encryption {
    /// Whether TLS begins with the first octet.
    #[must_use]
    pub fn begins_at_once(&self) -> bool {
        self.start == Start::AtOnce
    }

    /// Whether the server may be anybody.
    #[must_use]
    pub fn trusts_anybody(&self) -> bool {
        self.trust == Trust::Anybody
    }

    /// What it takes to begin a session with this server.
    ///
    /// # Errors
    /// [`TrustError`] if it cannot be told whom to believe.
    pub fn session(&self, server: &Endpoint) -> Result<Tls, TrustError> {
        Tls::new(client_config(&self.trust)?, server)
    }

    /// Configures TLS with this server.
    ///
    /// # Errors
    /// [`TrustError`] if it cannot be told whom to believe, or no certificate can name the server.
    pub fn connector(&self, server: &Endpoint) -> Result<Rc<dyn StartTls>, TrustError> {
        let config = client_config(&self.trust)?;
        let name = ServerName::try_from(server.host().into_owned())
            .map_err(|_| TrustError::NoName(server.clone()))?;
        Ok(Rc::new(Connector::new(config, name)))
    }
}

/// A TLS session with a server, beside its socket.
#[derive(Debug)]
pub struct Tls {
    session: ClientConnection,
}

impl Tls {
    /// A session that is yet to begin, with a server whose certificate has to name the host of this endpoint.
    ///
    /// # Errors
    /// [`TrustError`] if no certificate can name it, or rustls cannot do what `config` asks for.
    pub fn new(config: Arc<ClientConfig>, server: &Endpoint) -> Result<Self, TrustError> {
        let name = ServerName::try_from(server.host().into_owned())
            .map_err(|_| TrustError::NoName(server.clone()))?;
        let session = ClientConnection::new(config, name)?;
        Ok(Self { session })
    }

    /// What a login may bind to, once the handshake is over.
    pub(super) fn bindings(&self) -> ChannelBindings {
        // RFC 9266 §4.2: before TLS 1.3 its octets may be the same in two sessions.
        let is_1_3 = self.session.protocol_version() == Some(ProtocolVersion::TLSv1_3);
        let exporter = is_1_3.then(|| {
            let label = b"EXPORTER-Channel-Binding";
            self.session.export_keying_material([0; 32], label, None)
        });
        let certificates = self.session.peer_certificates().unwrap_or_default();
        ChannelBindings {
            exporter: exporter.and_then(Result::ok),
            end_point: certificates
                .first()
                .and_then(|certificate| end_point(certificate))
                .map(Rc::from),
        }
    }

    /// Goes on with the handshake until it is over, or until the socket has no more.
    pub(super) fn shake_hands(&mut self, socket: &mut (impl Read + Write)) -> io::Result<bool> {
        blocked(self.flush(socket))?;
        while self.session.is_handshaking() {
            match self.receive(socket) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    pub(super) fn read(
        &mut self,
        socket: &mut (impl Read + Write),
        buffer: &mut [u8],
    ) -> io::Result<usize> {
        loop {
            match self.session.reader().read(buffer) {
                // It has no plaintext; whether the server has ended the session it knows after the next record.
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.receive(socket)?,
                read => return read,
            };
        }
    }

    pub(super) fn write(
        &mut self,
        socket: &mut (impl Read + Write),
        bytes: &[u8],
    ) -> io::Result<usize> {
        self.flush(socket)?;
        match self.session.writer().write(bytes)? {
            // Before the handshake is over it holds so much and no more.
            0 => Err(ErrorKind::WouldBlock.into()),
            taken => blocked(self.flush(socket)).map(|()| taken),
        }
    }

    pub(super) fn flush(&mut self, socket: &mut (impl Read + Write)) -> io::Result<()> {
        while self.session.wants_write() {
            match self.session.write_tls(socket) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    pub(super) fn close(&mut self, socket: &mut (impl Read + Write)) {
        self.session.send_close_notify();
        // A server that does not take it knows that the session is over by its own good-bye.
        let _ = self.flush(socket);
    }

    /// Reads from the socket once; 0 if nothing will come any more.
    fn receive(&mut self, socket: &mut (impl Read + Write)) -> io::Result<usize> {
        let received = self.session.read_tls(socket)?;
        let processed = self.session.process_new_packets();
        // The next step of the handshake, or the alert that tells the server what was wrong. If the socket does not
        // take it, the next flush meets that again; what the server said before that failure is still to be read.
        let _ = self.flush(socket);
        processed.map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
        Ok(received)
    }
}

/// A flush for which there is no room yet is no failure.
fn blocked(flushed: io::Result<()>) -> io::Result<()> {
    match flushed {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
        flushed => flushed,
    }
}
