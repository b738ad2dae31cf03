//! What can be said of the TLS of a client.

use std::path::PathBuf;
use std::rc::Rc;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use super::value;
use crate::client::encryption::{Encryption, Start};
use crate::client::tls::Trust;

/// Whoever vouches for the server has to be asked for in TLS.
const ENCRYPTION: &str = "encryption";

/// Adds the options to a command that can say EHLO.
pub(super) fn add_to(command: Command) -> Command {
    add_tls_to(
        command.arg(
            flag("starttls", "Begin TLS by STARTTLS, or send nothing")
                .conflicts_with("helo")
                .group(ENCRYPTION),
        ),
    )
}

/// Adds them to a command that knows no STARTTLS.
pub(super) fn add_tls_to(command: Command) -> Command {
    command
        .arg(flag("tls", "Begin TLS with the first octet, as on port 465").group(ENCRYPTION))
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
    let starttls = matches.try_get_one("starttls").ok().flatten() == Some(&true);
    let start = match (matches.get_flag("tls"), starttls) {
        (true, _) => Start::AtOnce,
        (false, true) => Start::ByCommand,
        (false, false) => return None,
    };
    let trust = match matches.get_one::<PathBuf>("tls-ca") {
        Some(path) => Trust::Authorities(path.clone()),
        None if matches.get_flag("insecure") => Trust::Anybody,
        None => Trust::Machine,
    };
    let trust = Rc::new(trust);
    Some(Encryption { start, trust })
}

fn flag(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .help(help)
        .action(ArgAction::SetTrue)
}
