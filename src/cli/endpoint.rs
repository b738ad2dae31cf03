//! The argument that names a server, of those commands that connect to one.

use clap::ArgMatches;

use crate::exit::{ExitCode, Failed};
use crate::net::endpoint::Endpoint;

/// The server that is asked for.
pub(super) fn server(matches: &ArgMatches, argument: &str) -> Result<Endpoint, Failed> {
    let server: Option<&Endpoint> = matches.get_one(argument);
    let missing = || Failed::new(ExitCode::Usage, "name the server, as 127.0.0.1:2525");
    server.cloned().ok_or_else(missing)
}

/// Reads the address of a server. Whether there is one shows only when it is connected to.
pub(super) fn server_address(text: &str) -> Result<Endpoint, String> {
    text.parse()
        .map_err(|_| "write HOST:PORT, as mail.example.org:25, or unix:PATH".to_owned())
}
