//! The options of a client's TLS.

use std::path::PathBuf;
use std::rc::Rc;

use clap::{ArgMatches, Command, value_parser};

use super::tls_options::TlsOptions;
use crate::cli::subcommand::{flag, value};
use crate::tools::encryption::{Encryption, Start};
use crate::tools::tls::Trust;

/// The group of the options that begin TLS, without which nobody vouches for a server.
const ENCRYPTION: &str = "encryption";

pub(super) fn built() -> Option<TlsOptions> {
    Some(TlsOptions { add, read })
}

fn add(command: Command, helo: Option<&'static str>) -> Command {
    let starttls = flag("starttls", "Begin TLS by STARTTLS, or send nothing");
    command
        .arg(starttls.conflicts_with_all(helo).group(ENCRYPTION))
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

/// Reads the options.
fn read(matches: &ArgMatches) -> Option<Encryption> {
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
    let trust = Rc::new(trust);
    Some(Encryption { start, trust })
}
