//! What stands for [`tls`](self) in a server that was built without it: nothing of it can exist.

use core::convert::Infallible;
use std::io;

use bytes::BytesMut;

use super::transport::Transport;
use crate::smtp::security::Security;

/// What it takes to begin TLS with a client, of which there is none.
#[derive(Clone, Debug)]
pub struct Acceptor(Infallible);

impl Acceptor {
    /// Never called.
    ///
    /// # Errors
    /// None.
    pub fn new(certificates: Certificates) -> Result<Self, Infallible> {
        match certificates.0 {}
    }

    /// Never called.
    ///
    /// # Errors
    /// None.
    pub fn with_certificates(&self, _: Certificates) -> Result<Self, Infallible> {
        match self.0 {}
    }

    pub(super) fn begin(&self, _early: BytesMut, _unsent: BytesMut) -> io::Result<Tls> {
        match self.0 {}
    }
}

/// The certificates of a server, of which there are none.
#[derive(Clone, Copy, Debug)]
pub struct Certificates(Infallible);

/// The TLS of one connection, of which there is none.
pub(super) struct Tls(Infallible);

impl Tls {
    pub(super) fn handshake<T: Transport>(
        &mut self,
        _: &mut T,
        _: &mut u32,
    ) -> io::Result<Option<Security>> {
        match self.0 {}
    }

    pub(super) fn read<T: Transport>(&mut self, _: &mut T, _: &mut [u8]) -> io::Result<usize> {
        match self.0 {}
    }

    pub(super) fn is_drained(&self) -> bool {
        match self.0 {}
    }

    pub(super) fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        match self.0 {}
    }

    pub(super) fn held(&self) -> usize {
        match self.0 {}
    }

    pub(super) fn flush<T: Transport>(&mut self, _: &mut T) -> io::Result<()> {
        match self.0 {}
    }

    pub(super) fn take_leave(&mut self) -> io::Result<()> {
        match self.0 {}
    }
}
