//! What stands for [`auth`](self) in a client that was built without it: nobody logs in.

use core::convert::Infallible;

use super::{ChannelSecurity, ClientFault};
use crate::smtp::auth::Mechanism;

/// As whom to log in, which is nobody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials(Infallible);

impl Credentials {
    /// Never called.
    #[must_use]
    pub fn user(&self) -> &str {
        match self.0 {}
    }
}

pub(super) fn offered<'a>(_: impl Iterator<Item = &'a [u8]>) -> Vec<Mechanism> {
    Vec::new()
}

#[derive(Debug)]
pub(super) struct Login(Infallible);

impl Login {
    pub(super) fn begin(
        credentials: &Credentials,
        _: &[Mechanism],
        _: &ChannelSecurity,
    ) -> Result<(Self, String), ClientFault> {
        match credentials.0 {}
    }

    pub(super) fn respond(&mut self, _: &[u8]) -> Result<String, ClientFault> {
        match self.0 {}
    }

    pub(super) fn may_succeed(&self) -> bool {
        match self.0 {}
    }
}
