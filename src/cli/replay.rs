//! `mailoop replay`: runs the loop of a server or a client on its record, and compares all that it does.

use std::io::ErrorKind;
use std::path::PathBuf;

use clap::{Arg, ArgMatches, Command, value_parser};

use super::subcommand::{Request, Run, Subcommand, value};
use crate::exit::{ExitCode, Failed, show};
use crate::net::driver::ConnectionId;
use crate::observe::file::RecordError;
use crate::replay::{self, ReplayError};

pub(super) fn built() -> Option<Subcommand> {
    Some(Subcommand {
        name: "replay",
        shown: true,
        command,
        request,
    })
}

const FILE: &str = "FILE";
const CONNECTION: &str = "connection";

/// A replay of one record.
#[derive(Debug)]
struct ReplayCommand {
    file: PathBuf,
    connection: Option<ConnectionId>,
}

fn command(command: Command) -> Command {
    command
        .about("Run the loop on its record, and compare all that it does")
        .after_help(
            "Exit status: 0 if every octet and every call is the same, also where the record is cut short; 1 at the first \
             difference, with its tick and connection; 65 if the file is no record, 66 if there is none.",
        )
        .arg(
            Arg::new(FILE)
                .help("A record, as --record writes it")
                .required(true)
                .value_parser(value_parser!(PathBuf)),
        )
        .arg(
            value(CONNECTION, "N", "Only this connection, as conn=N in the log")
                .value_parser(value_parser!(ConnectionId)),
        )
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "other subcommands have arguments that may be wrong"
)]
fn request(matches: &ArgMatches, _: fn() -> Command) -> Result<Request, Failed> {
    let file = matches.get_one::<PathBuf>(FILE).cloned();
    Ok(Request::to_run(ReplayCommand {
        file: file.unwrap_or_default(),
        connection: matches.get_one(CONNECTION).copied(),
    }))
}

impl Run for ReplayCommand {
    fn run(self: Box<Self>) -> Result<(), Failed> {
        let replayed = replay::replay(&self.file, self.connection).map_err(|error| {
            let code = match &error {
                ReplayError::Open(error) if error.kind() == ErrorKind::NotFound => {
                    ExitCode::NoInput
                }
                ReplayError::Open(_) | ReplayError::Record(RecordError::Io(_)) => ExitCode::Io,
                ReplayError::Record(_)
                | ReplayError::NoServer
                | ReplayError::OnlyWhole(_)
                | ReplayError::NotBuilt(_)
                | ReplayError::NoConnection(_) => ExitCode::Data,
            };
            Failed::new(code, format_args!("{}: {error}", self.file.display()))
        })?;
        if let Some(difference) = &replayed.difference {
            show(&format!("{difference}\n"))?;
            return Err(Failed::new(ExitCode::Different, ""));
        }
        let cut = if replayed.is_cut_short {
            ", cut short"
        } else {
            ""
        };
        show(&format!(
            "same: {} ticks, {} connections, {} octets{cut}\n",
            replayed.ticks, replayed.connections, replayed.octets
        ))
    }
}
