//! What stands for [`tls`](self) in a client that was built without it: nothing of it can exist.

use core::convert::Infallible;
use std::io::{self, Read, Write};
use std::rc::Rc;

use super::send::SendError;
use crate::net::endpoint::Endpoint;
use crate::net::link::StartTls;
use crate::smtp::security::ChannelBindings;

/// How a client gets under TLS, which it cannot.
#[derive(Clone, Debug)]
pub struct Encryption(Infallible);

impl Encryption {
    /// Never called.
    #[must_use]
    pub fn begins_at_once(&self) -> bool {
        match self.0 {}
    }

    /// Never called.
    #[must_use]
    pub fn trusts_anybody(&self) -> bool {
        match self.0 {}
    }

    /// Never called.
    ///
    /// # Errors
    /// None.
    pub fn session(&self, _server: &Endpoint) -> Result<Tls, SendError> {
        match self.0 {}
    }

    /// Never called.
    ///
    /// # Errors
    /// None.
    pub fn connector(&self, _server: &Endpoint) -> Result<Rc<dyn StartTls>, SendError> {
        match self.0 {}
    }
}

/// A TLS session with a server, of which there is none.
#[derive(Debug)]
pub struct Tls(Infallible);

impl Tls {
    pub(super) fn bindings(&self) -> ChannelBindings {
        match self.0 {}
    }

    pub(super) fn shake_hands(&mut self, _: &mut (impl Read + Write)) -> io::Result<bool> {
        match self.0 {}
    }

    pub(super) fn read(&mut self, _: &mut (impl Read + Write), _: &mut [u8]) -> io::Result<usize> {
        match self.0 {}
    }

    pub(super) fn write(&mut self, _: &mut (impl Read + Write), _: &[u8]) -> io::Result<usize> {
        match self.0 {}
    }

    pub(super) fn flush(&mut self, _: &mut (impl Read + Write)) -> io::Result<()> {
        match self.0 {}
    }

    pub(super) fn close(&mut self, _: &mut (impl Read + Write)) {
        match self.0 {}
    }
}

/// Nothing is known of TLS.
#[must_use]
pub fn explain(_: &io::Error, _server: &Endpoint) -> Option<String> {
    None
}
