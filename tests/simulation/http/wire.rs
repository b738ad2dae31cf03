//! The network of one client of HTTP.

use std::cell::RefCell;
use std::io::{self, ErrorKind};
use std::rc::Rc;

use mailoop::net::transport::Transport;

use crate::network::{Network, Signal};

/// A network, and what the server did with its end.
pub struct HttpWire {
    pub net: Network,
    pub is_shut: bool,
    pub is_dropped: bool,
}

/// The server's end of a wire; `DRAINS` as [`Transport::short_read_drains`].
pub struct HttpTransport<const DRAINS: bool>(pub Rc<RefCell<HttpWire>>);

impl<const DRAINS: bool> Transport for HttpTransport<DRAINS> {
    fn short_read_drains(&self) -> bool {
        DRAINS
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.borrow_mut().net.read(buffer, DRAINS)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().net.write(bytes)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        let mut wire = self.0.borrow_mut();
        if wire.net.reset == Signal::Arrived {
            return Err(ErrorKind::NotConnected.into());
        }
        wire.is_shut = true;
        Ok(())
    }
}

impl<const DRAINS: bool> Drop for HttpTransport<DRAINS> {
    fn drop(&mut self) {
        if let Ok(mut wire) = self.0.try_borrow_mut() {
            wire.is_dropped = true;
        }
    }
}
