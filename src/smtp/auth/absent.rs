//! Who a client is cannot be asked: the feature `auth` is not built in. Nobody has [`Users`], so nothing else of it is
//! ever used.

use core::convert::Infallible;
use std::rc::Rc;

use super::login::LoginProgress;
use super::security::Security;

/// There are none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Users(Infallible);

/// There is none.
#[derive(Clone, Copy, Debug)]
pub struct Mechanism(Infallible);

/// There is none.
#[derive(Debug)]
pub struct Exchange(Infallible);

/// Why there are none.
#[derive(Clone, Copy, Debug)]
pub struct BadLine {
    /// The first.
    pub line: usize,
    /// That it is not built in.
    pub reason: &'static str,
}

impl Users {
    /// Reads a users file.
    ///
    /// # Errors
    /// Always.
    pub fn parse(_: &str) -> Result<Self, BadLine> {
        Err(BadLine {
            line: 1,
            reason: "this program was built without the feature auth",
        })
    }
}

impl Users {
    /// Nobody.
    #[must_use]
    pub fn has(&self, _: &str) -> bool {
        match self.0 {}
    }
}

impl Mechanism {
    /// None.
    pub fn offered(_: Option<&Security>) -> impl Iterator<Item = Self> + use<> {
        std::iter::empty()
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self.0 {}
    }
}

impl Exchange {
    /// Begins one.
    #[must_use]
    pub fn new(mechanism: Mechanism, _: Option<Rc<Security>>) -> Self {
        match mechanism.0 {}
    }

    /// Which mechanism it goes by.
    #[must_use]
    pub fn mechanism(&self) -> Mechanism {
        match self.0 {}
    }

    /// As whom the client wants to log in.
    #[must_use]
    pub fn user(&self) -> &str {
        match self.0 {}
    }

    /// Takes a response.
    pub fn respond(&mut self, _: &[u8], _: &Users) {
        match self.0 {}
    }

    /// Refuses it.
    pub fn revoke(&mut self) {
        match self.0 {}
    }

    /// Does rounds.
    pub fn derive_key(&mut self, _: &mut u32) {
        match self.0 {}
    }

    /// Whether it needs any.
    #[must_use]
    pub fn is_deriving(&self) -> bool {
        match self.0 {}
    }

    /// Says what it wants next.
    pub fn progress(&mut self) -> LoginProgress {
        match self.0 {}
    }
}
