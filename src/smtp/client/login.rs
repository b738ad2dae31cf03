//! The seam between a client's session and the mechanisms of its login, which a build may lack.

use core::fmt;

use super::event::ClientFault;
use super::security::ChannelSecurity;
use crate::smtp::mechanism::Mechanism;

/// Credentials of a client, with the mechanisms that can use them.
pub trait ClientCredentials: fmt::Debug {
    /// The name of the user.
    fn user(&self) -> &str;

    /// Begins a login by the best of the mechanisms that are `offered` and may be used under this `security`. Returns it with
    /// the command.
    ///
    /// # Errors
    /// [`ClientFault::NoLogin`], [`ClientFault::InTheClear`] or [`ClientFault::NoRandomness`].
    fn begin(
        &self,
        offered: &[Mechanism],
        security: &ChannelSecurity,
    ) -> Result<(Box<dyn ClientLogin>, String), ClientFault>;
}

/// One login under way.
pub trait ClientLogin: fmt::Debug {
    /// Responds to a challenge, which came as `text`.
    ///
    /// # Errors
    /// [`ClientFault::BadChallenge`] or [`ClientFault::Impostor`].
    fn respond(&mut self, text: &[u8]) -> Result<String, ClientFault>;

    /// Whether the server may say that it worked. By SCRAM it has to show first that it knows the password, too.
    fn may_succeed(&self) -> bool;
}
