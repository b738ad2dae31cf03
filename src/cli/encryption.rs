//! What can be said of the TLS of a client.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgGroup, ArgMatches, Command, value_parser};

use super::value;
use crate::client::tls::{Encryption, Start, Trust};

/// Whoever vouches for the server has to be asked for in TLS.
const ENCRYPTION: &str = "encryption";

/// Adds the options to a command that can say EHLO.
pub(super) fn add_to(command: Command) -> Command {
    command
        .arg(flag("tls", "Begin TLS with the first octet, as on port 465"))
        .arg(
            flag("starttls", "Begin TLS by STARTTLS, or send nothing")
                .conflicts_with("helo"),
        )
        .group(ArgGroup::new(ENCRYPTION).args(["tls", "starttls"]))
        .arg(
            value(
                "tls-ca",
                "FILE",
                "Trust those whose certificates are in this PEM file [default: whom the machine trusts]",
            )
            .requires(ENCRYPTION)
            .conflicts_with("insecure")
            .value_parser(value_parser!(PathBuf)),
        )
        .arg(flag("insecure", "Encrypt, but do not check who the server is").requires(ENCRYPTION))
}

/// What was said.
pub(super) fn read(matches: &ArgMatches) -> Option<Encryption> {
    let start = match (matches.get_flag("tls"), matches.get_flag("starttls")) {
        (true, _) => Start::AtOnce,
        (false, true) => Start::ByCommand,
        (false, false) => return None,
    };
    let trust = match matches.get_one::<PathBuf>("tls-ca") {
        Some(path) => Trust::Authorities(path.clone()),
        None if matches.get_flag("insecure") => Trust::Anybody,
        None => Trust::Machine,
    };
    Some(Encryption { start, trust })
}

fn flag(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .help(help)
        .action(ArgAction::SetTrue)
}
