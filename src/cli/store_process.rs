//! The store process, which only a server starts: it works on the disk and waits for it.

use std::path::Path;

use clap::{Arg, ArgMatches, Command, value_parser};

use super::subcommand::{Request, Run, Subcommand};
use crate::exit::{ExitCode, Failed};
use crate::sandbox::{self, Needs};
use crate::store::maildir;

pub(super) const SUBCOMMAND: Subcommand = Subcommand {
    name: maildir::COMMAND,
    shown: false,
    command,
    request,
};

const MAILBOXES: &str = "MAILBOXES";
const GROUP: &str = "GROUP";

/// The store process of one server.
#[derive(Debug)]
struct StoreCommand {
    /// The most mailboxes.
    mailboxes_max: usize,
    /// The most messages of a group commit.
    group_max: usize,
}

fn command(command: Command) -> Command {
    let number = |name| {
        Arg::new(name)
            .required(true)
            .value_parser(value_parser!(usize))
    };
    command.args([MAILBOXES, GROUP].map(number))
}

fn request(matches: &ArgMatches, _: fn() -> Command) -> Result<Request, Failed> {
    let number = |name| matches.get_one(name).copied().unwrap_or_default();
    Ok(Request::to_run(StoreCommand {
        mailboxes_max: number(MAILBOXES),
        group_max: number(GROUP),
    }))
}

impl Run for StoreCommand {
    fn run(self: Box<Self>) -> Result<(), Failed> {
        // It works in the folder it is to change. The kernel's answer is the one that the server got and logged.
        let _ = sandbox::enter(&Needs {
            writable: vec![Path::new(".").to_owned()],
            removable: Vec::new(),
        });
        maildir::run(self.mailboxes_max, self.group_max)
            .map_err(|error| Failed::new(ExitCode::Io, format_args!("store process: {error}")))
    }
}
