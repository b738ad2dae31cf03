//! The command line of `mailoop trace`.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgMatches, Command, value_parser};

use super::subcommand::{Request, Run, Subcommand, value};
use crate::exit::Failed;
use crate::net::driver::ConnectionId;
use crate::trace::{TraceFormat, TraceOptions, run};

const FILE: &str = "FILE";
const CONNECTION: &str = "connection";
const FORMAT: &str = "format";
const TEXT: &str = "text";
const DIALOGUE: &str = "dialogue";
const CHROME: &str = "chrome";

pub(super) fn built() -> Option<Subcommand> {
    Some(Subcommand {
        name: "trace",
        shown: true,
        command,
        request,
    })
}

fn command(command: Command) -> Command {
    command
        .about("Show a record of the server")
        .after_help(
            "Exit status: 65 if the file is no record or does not have the connection, 66 if it is not there.",
        )
        .args([
            value(CONNECTION, "N", "Show this connection only: N of conn=N in the log, or out-N to another server")
                .value_parser(value_parser!(ConnectionId)),
            value(
                FORMAT,
                "FORMAT",
                "For a person; for a test; for Perfetto, speedscope or Tracy",
            )
            .value_parser(PossibleValuesParser::new([TEXT, DIALOGUE, CHROME]))
                .default_value(TEXT),
            Arg::new(FILE)
                .help("The record, as --record writes it")
                .required(true)
                .value_parser(value_parser!(PathBuf)),
        ])
}

fn request(matches: &ArgMatches, _: fn() -> Command) -> Result<Request, Failed> {
    Ok(Request::to_run(TraceOptions {
        file: matches.get_one(FILE).cloned().unwrap_or_default(),
        connection: matches.get_one(CONNECTION).copied(),
        format: match matches.get_one::<String>(FORMAT).map(String::as_str) {
            Some(DIALOGUE) => TraceFormat::Dialogue,
            Some(CHROME) => TraceFormat::Chrome,
            _ => TraceFormat::Text,
        },
    }))
}

impl Run for TraceOptions {
    fn run(self: Box<Self>) -> Result<(), Failed> {
        run(&self)
    }
}
