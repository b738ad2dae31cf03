//! What carries a connection under TLS: a wire over its socket.

use std::io::{self, Read, Write};
use std::sync::Arc;

use crate::client::tls::{ClientConfig, Tls, TrustError};
use crate::client::wire::Wire;
use crate::net::endpoint::Endpoint;
use crate::server::transport::{Plain, Transport};

/// A connection under TLS from its first octet.
pub(super) struct Secured(Wire<Socket>);

/// A socket as a stream.
struct Socket(Plain);

impl Secured {
    /// Puts `socket` under TLS with the server that was asked for by this address.
    ///
    /// # Errors
    /// As [`Tls::new`].
    pub(super) fn new(
        socket: Plain,
        config: &Arc<ClientConfig>,
        server: &Endpoint,
    ) -> Result<Self, TrustError> {
        let tls = Tls::new(Arc::clone(config), server)?;
        let mut wire = Wire::new(Socket(socket));
        wire.begin_tls(tls);
        Ok(Self(wire))
    }
}

impl Transport for Secured {
    fn short_read_drains(&self) -> bool {
        // A record gives no more than it holds, and another one may be there.
        false
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        // That is what the good-bye of TLS says.
        self.0.close();
        Ok(())
    }

    fn held(&self) -> usize {
        // How much it is nobody here asks.
        usize::from(self.0.holds_back())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }

    fn take_leave(&mut self) -> io::Result<()> {
        self.0.close();
        Ok(())
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Transport::read(&mut self.0, buffer)
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Transport::write(&mut self.0, bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
