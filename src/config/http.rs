//! The options about HTTP.

#[cfg(feature = "http")]
use super::option::ServerCommand;
use super::options;
use super::parts::SettingsReader;
use crate::exit::{ExitCode, Failed};
#[cfg(feature = "http")]
use crate::http::access::AccessRules;
use crate::net::endpoint::SocketAddress;

#[cfg(feature = "http")]
mod token;

#[cfg(feature = "catch")]
#[cfg(feature = "catch")]
pub(crate) use token::token_text;

/// All that a server needs to know about HTTP.
#[derive(Debug, Default)]
pub struct HttpConfig {
    /// The addresses to listen on.
    pub listen: Vec<SocketAddress>,
    /// The rules by which requests are let in.
    #[cfg(feature = "http")]
    pub access: AccessRules,
    /// Whether it may be reached from other machines without a token: the test inbox may, which holds no mail of anybody.
    pub may_be_public: bool,
}

impl HttpConfig {
    /// Reads the options.
    #[cfg(feature = "http")]
    pub(super) fn read(read: &mut SettingsReader<'_>) -> Self {
        let hosts = read.get(&options::HTTP_HOST);
        let token = token::read(read.settings);
        Self {
            listen: read.get(&options::HTTP),
            access: AccessRules {
                hosts,
                token: read.mistakes.note(token),
            },
            may_be_public: read.settings.command() == ServerCommand::Catch,
        }
    }

    /// Reads nothing in a build without HTTP.
    #[cfg(not(feature = "http"))]
    pub(super) fn read(_: &mut SettingsReader<'_>) -> Self {
        Self::default()
    }

    /// Checks that nobody can look in by these listeners who should not.
    ///
    /// # Errors
    /// One of them can be reached from other machines, and there is no token.
    pub fn check<'a>(
        &self,
        listeners: impl IntoIterator<Item = &'a SocketAddress>,
    ) -> Result<(), Failed> {
        #[cfg(feature = "http")]
        let is_open = self.access.token.is_none() && !self.may_be_public;
        #[cfg(not(feature = "http"))]
        let is_open = !self.may_be_public;
        let public = listeners.into_iter().find(|address| !address.is_private());
        match public.filter(|_| is_open) {
            None => Ok(()),
            Some(public) => Err(Failed::new(
                ExitCode::Configuration,
                format_args!(
                    "{}: {public} can be reached from other machines: name a file that holds a token with --http-token, or \
                     listen on a loopback address or unix:PATH",
                    options::HTTP.option.name
                ),
            )),
        }
    }
}
