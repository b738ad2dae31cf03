//! The options of a client's TLS, as a value.

use clap::{ArgMatches, Command};

use crate::tools::encryption::Encryption;

/// The options of a client's TLS.
pub(super) struct TlsOptions {
    /// Adds the options to a command, of which STARTTLS conflicts with one that says HELO, if it has such.
    pub(super) add: fn(Command, Option<&'static str>) -> Command,
    /// Reads the options.
    pub(super) read: fn(&ArgMatches) -> Option<Encryption>,
}
