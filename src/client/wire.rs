//! The way to a server: a socket in the clear, that may come under TLS.

use std::io::{self, Read, Write};

use super::tls::Tls;
use crate::smtp::security::ChannelBindings;

/// A non-blocking stream over `socket`, edge-triggered as that: who waits has met `WouldBlock` both in reading and in
/// [flushing](Write::flush), which is more than writing, as TLS holds back what the socket has no room for.
#[derive(Debug)]
pub struct Wire<S> {
    socket: S,
    tls: Option<Box<Tls>>,
}

impl<S: Read + Write> Wire<S> {
    /// A way in the clear.
    pub fn new(socket: S) -> Self {
        Self { socket, tls: None }
    }

    /// Puts all that follows under `tls`. Its handshake takes place as the wire is read and written; who wants to know
    /// asks for [`Wire::shake_hands`].
    pub fn begin_tls(&mut self, tls: Tls) {
        self.tls = Some(Box::new(tls));
    }

    /// Goes on with the handshake of TLS as far as the socket allows, and tells whether it is over; in the clear it is.
    ///
    /// # Errors
    /// What the socket said, a cut, or what [`explain`](super::tls::explain) knows of: the server was told of that.
    pub fn shake_hands(&mut self) -> io::Result<bool> {
        match &mut self.tls {
            Some(tls) => tls.shake_hands(&mut self.socket),
            None => Ok(true),
        }
    }

    /// What a login may bind to: something, once the handshake of TLS is over.
    #[must_use]
    pub fn bindings(&self) -> ChannelBindings {
        let tls = self.tls.as_ref();
        tls.map(|tls| tls.bindings()).unwrap_or_default()
    }

    /// Says good-bye to TLS, as far as the socket has room: what comes later is not ours (RFC 8446 §6.1).
    pub fn close(&mut self) {
        if let Some(tls) = &mut self.tls {
            tls.close(&mut self.socket);
        }
    }
}

impl<S: Read + Write> Read for Wire<S> {
    /// As the socket. Under TLS an end that was not announced, as an attacker may cause it, is an `UnexpectedEof`.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(tls) = &mut self.tls {
            return tls.read(&mut self.socket, buffer);
        }
        self.socket.read(buffer)
    }
}

impl<S: Read + Write> Write for Wire<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(tls) = &mut self.tls {
            return tls.write(&mut self.socket, bytes);
        }
        self.socket.write(bytes)
    }

    /// Hands all that was written to the socket; `WouldBlock` if that has no room for some of it.
    fn flush(&mut self) -> io::Result<()> {
        if let Some(tls) = &mut self.tls {
            return tls.flush(&mut self.socket);
        }
        self.socket.flush()
    }
}
