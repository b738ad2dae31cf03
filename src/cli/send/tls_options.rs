//! The options of a client's TLS, as a value.

use clap::{ArgMatches, Command};

use crate::tools::encryption::Encryption;

/// The options of a client's TLS.
pub(super) struct TlsOptions {
    /// Adds the options to a command, which can say STARTTLS or not.
    pub(super) add: fn(Command, bool) -> Command,
    /// Reads the options.
    pub(super) read: fn(&ArgMatches) -> Option<Encryption>,
}
