//! A transport in the clear, and from some point on TLS over it.
//!
//! TLS is chosen once a connection, so it is a value behind an object-safe seam: a build without it has no value to give. In
//! the clear each read and write is a static call.

use core::fmt;
use std::io::{self, ErrorKind};
use std::rc::Rc;

use bytes::BytesMut;

use super::transport::{Read, Transport};

/// Configuration of TLS in one role, as a server with its certificates or as a client of one server.
pub trait StartTls: fmt::Debug {
    /// Begins a session. The peer may have done so as well: `early` is what was read of that. Octets that are `unsent` go out
    /// in the clear, before the first octet of TLS.
    ///
    /// # Errors
    /// The system refuses what TLS needs.
    fn start(&self, early: BytesMut, unsent: BytesMut) -> io::Result<Box<dyn TlsSession>>;

    /// Octets that are equal for two configurations which show peers the same certificates. Session tickets of one are
    /// good only for another that is equal: who resumes a session sees no certificate.
    fn identity(&self) -> &[u8];
}

/// TLS of one connection. It reads and writes the transport that it is handed, and keeps none.
pub trait TlsSession {
    /// Reads `transport` once, and goes on with the handshake.
    fn handshake(&mut self, transport: &mut dyn Transport) -> HandshakeStep;

    /// Whether the handshake is still to be completed. No text is written before.
    fn is_handshaking(&self) -> bool;

    /// Reads text. A read of the socket that gives none is [`Read::Progress`]: records without text must not hold a turn.
    ///
    /// # Errors
    /// As [`Transport::read`], and `InvalidData` for what violates TLS, of which the peer is told by an alert.
    fn read(&mut self, transport: &mut dyn Transport, buffer: &mut [u8]) -> io::Result<Read>;

    /// Encrypts some of `text`, and holds the ciphertext. It is called only while nothing is held.
    ///
    /// # Errors
    /// The session is over.
    fn write(&mut self, text: &[u8]) -> io::Result<usize>;

    /// Octets of ciphertext that wait for room in the socket.
    fn held(&self) -> usize;

    /// Writes what is [`held`](Self::held).
    ///
    /// # Errors
    /// As [`Transport::write`].
    fn flush(&mut self, transport: &mut dyn Transport) -> io::Result<()>;

    /// Holds the close_notify alert (RFC 8446 §6.1), after which no text is written. It is sent once, however often this is
    /// called.
    ///
    /// # Errors
    /// The alert cannot be encrypted.
    fn close_notify(&mut self) -> io::Result<()>;
}

/// One step of a handshake, with what it cost also where it failed.
#[derive(Debug)]
pub struct HandshakeStep {
    /// The cost.
    pub work: HandshakeWork,
    /// The result. The errors are those of [`Transport::read`], `UnexpectedEof` if the peer is gone, and `InvalidData` if it does not
    /// speak TLS as it should.
    pub outcome: io::Result<Handshake>,
}

/// Progress of a handshake.
#[derive(Debug)]
pub enum Handshake {
    /// There may be more to read at once.
    Progress,
    /// Only an event tells of more.
    WouldBlock,
    /// Text may be read and written.
    Done(TlsFacts),
}

/// The dearest computation in one step of a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandshakeWork {
    /// Nothing was read.
    None,
    /// Symmetric cryptography and parsing.
    Symmetric,
    /// A signature with an elliptic curve, or the check of one.
    Signature,
    /// A signature with an RSA key.
    RsaSignature,
}

/// Facts that both sides of a TLS session know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFacts {
    /// The version, as in `TLSv1.3`.
    pub version: &'static str,
    /// The cipher suite by its name in OpenSSL.
    pub cipher: &'static str,
    /// The bits of its key.
    pub bits: u16,
    /// The channel binding `tls-exporter` (RFC 9266). It is there since TLS 1.3: before, two sessions may have the same (§4.2).
    pub exporter: Option<[u8; 32]>,
    /// The channel binding `tls-server-end-point` (RFC 5929 §4), where the server's certificate has one.
    pub end_point: Option<Rc<[u8]>>,
}

/// The carrier of one connection: a transport in the clear, and from some point on TLS over it.
pub(super) struct Link<T> {
    transport: T,
    tls: Option<Box<dyn TlsSession>>,
}

impl<T: Transport> Link<T> {
    /// In the clear.
    pub(super) fn new(transport: T) -> Self {
        let tls = None;
        Self { transport, tls }
    }

    pub(super) fn transport(&self) -> &T {
        &self.transport
    }

    pub(super) fn transport_mut(&mut self) -> &mut T {
        &mut self.transport
    }

    pub(super) fn into_transport(self) -> T {
        self.transport
    }

    /// Begins TLS, as [`StartTls::start`].
    pub(super) fn begin_tls(
        &mut self,
        tls: &dyn StartTls,
        early: BytesMut,
        unsent: BytesMut,
    ) -> io::Result<()> {
        debug_assert!(self.tls.is_none(), "TLS begins once");
        self.tls = Some(tls.start(early, unsent)?);
        Ok(())
    }

    /// Goes on with the handshake, as [`TlsSession::handshake`].
    pub(super) fn handshake(&mut self) -> HandshakeStep {
        match &mut self.tls {
            Some(tls) => tls.handshake(&mut self.transport),
            None => HandshakeStep {
                work: HandshakeWork::None,
                outcome: Err(io::Error::new(ErrorKind::NotFound, "TLS was not begun")),
            },
        }
    }

    /// Whether text may be written.
    pub(super) fn takes_text(&self) -> bool {
        self.tls.as_ref().is_none_or(|tls| !tls.is_handshaking())
    }

    /// Whether the transport is connected.
    pub(super) fn is_connected(&self) -> io::Result<bool> {
        self.transport.is_connected()
    }

    /// Reads once.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<Read> {
        match &mut self.tls {
            Some(tls) => tls.read(&mut self.transport, buffer),
            None => Read::from(&mut self.transport, buffer),
        }
    }

    /// Writes once. TLS holds the ciphertext back: [`flush`](Self::flush) writes it.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.tls {
            Some(tls) => tls.write(bytes),
            None => self.transport.write(bytes),
        }
    }

    /// Writes once, as [`Transport::write_last`].
    pub(super) fn write_last(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.tls {
            Some(tls) => tls.write(bytes),
            None => self.transport.write_last(bytes),
        }
    }

    /// Octets of ciphertext that wait for room in the socket.
    pub(super) fn held(&self) -> usize {
        self.tls.as_ref().map_or(0, |tls| tls.held())
    }

    /// Writes what is [`held`](Self::held).
    pub(super) fn flush(&mut self) -> io::Result<()> {
        match &mut self.tls {
            Some(tls) => tls.flush(&mut self.transport),
            None => Ok(()),
        }
    }

    /// Says in TLS that no more text will come; in the clear there is no word for that.
    pub(super) fn close_notify(&mut self) -> io::Result<()> {
        self.tls.as_mut().map_or(Ok(()), |tls| tls.close_notify())
    }

    /// Ends the output of the transport.
    pub(super) fn shutdown_write(&mut self) -> io::Result<()> {
        self.transport.shutdown_write()
    }
}

impl<T: fmt::Debug> fmt::Debug for Link<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("transport", &self.transport)
            .field("in_tls", &self.tls.is_some())
            .finish()
    }
}
