//! The spool process, and the keeper that starts it: a server starts only the keeper.

use std::path::Path;

use clap::{Arg, ArgMatches, Command};

use super::subcommand::{Request, Run, Subcommand};
use crate::exit::{ExitCode, Failed};
use crate::sandbox::{self, Needs};
use crate::store::spool::{self, SpoolOptions};
use crate::store::{KeptRole, keep};

pub(super) fn built() -> Option<Subcommand> {
    Some(Subcommand {
        name: spool::SPOOL_COMMAND,
        shown: false,
        command,
        request,
    })
}

const ROLE: &str = "ROLE";

/// A process of one server's spool.
#[derive(Debug)]
struct SpoolCommand(KeptRole);

fn command(command: Command) -> Command {
    let roles = KeptRole::ALL.map(KeptRole::name);
    command.arg(Arg::new(ROLE).required(true).value_parser(roles))
}

fn request(matches: &ArgMatches, _: fn() -> Command) -> Result<Request, Failed> {
    let name = matches.get_one(ROLE).map_or("", String::as_str);
    let unknown = || Failed::new(ExitCode::Usage, format_args!("there is no role {name}"));
    KeptRole::named(name)
        .map(|role| Request::to_run(SpoolCommand(role)))
        .ok_or_else(unknown)
}

impl Run for SpoolCommand {
    fn run(self: Box<Self>) -> Result<(), Failed> {
        let done = match self.0 {
            KeptRole::Keeper => keep(spool::SPOOL_COMMAND),
            KeptRole::Process => {
                // It works in the folder it is to change. The kernel's answer is the one that the server got and logged.
                let _ = sandbox::enter(&Needs {
                    writable: vec![Path::new(".").to_owned()],
                    removable: Vec::new(),
                });
                spool::run(SpoolOptions::default())
            }
        };
        done.map_err(|error| Failed::new(ExitCode::Io, format_args!("spool process: {error}")))
    }
}
