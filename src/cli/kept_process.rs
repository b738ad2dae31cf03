//! A process that works for one server, and the keeper that starts it: a server starts only the keeper. The spool and the messages
//! on hold have such a process.

use std::io;
use std::path::Path;

use clap::{Arg, ArgMatches, Command};

use super::subcommand::{Request, Run, Subcommand};
use crate::exit::{ExitCode, Failed};
use crate::sandbox::{self, Needs};
#[cfg(feature = "milter")]
use crate::store::hold::{self, HOLD_COMMAND};
#[cfg(feature = "relay")]
use crate::store::spool::{self, SPOOL_COMMAND, SpoolOptions};
use crate::store::{KeptRole, keep};

/// The process for messages on hold.
#[cfg(feature = "milter")]
pub(super) const HOLD: Subcommand = Subcommand {
    name: HOLD_COMMAND,
    shown: false,
    command,
    request: |matches, _| request(matches, HOLD_COMMAND, hold::run),
};

/// The process of a spool.
#[cfg(feature = "relay")]
pub(super) const SPOOL: Subcommand = Subcommand {
    name: SPOOL_COMMAND,
    shown: false,
    command,
    request: |matches, _| {
        request(matches, SPOOL_COMMAND, || {
            spool::run(SpoolOptions::default())
        })
    },
};

const ROLE: &str = "ROLE";

/// What such a process does in its folder, to its end.
type RunProcess = fn() -> io::Result<()>;

/// A process or its keeper.
#[derive(Debug)]
struct KeptCommand {
    role: KeptRole,
    name: &'static str,
    run: RunProcess,
}

fn command(command: Command) -> Command {
    let roles = KeptRole::ALL.map(KeptRole::name);
    command.arg(Arg::new(ROLE).required(true).value_parser(roles))
}

fn request(matches: &ArgMatches, name: &'static str, run: RunProcess) -> Result<Request, Failed> {
    let role = matches.get_one(ROLE).map_or("", String::as_str);
    let unknown = || Failed::new(ExitCode::Usage, format_args!("there is no role {role}"));
    KeptRole::named(role)
        .map(|role| Request::to_run(KeptCommand { role, name, run }))
        .ok_or_else(unknown)
}

impl Run for KeptCommand {
    fn run(self: Box<Self>) -> Result<(), Failed> {
        let done = match self.role {
            KeptRole::Keeper => keep(self.name),
            KeptRole::Process => {
                // It works in the folder it is to change. The kernel's answer is the one that the server got and logged.
                let _ = sandbox::enter(&Needs {
                    writable: vec![Path::new(".").to_owned()],
                    removable: Vec::new(),
                });
                (self.run)()
            }
        };
        done.map_err(|error| Failed::new(ExitCode::Io, format_args!("{}: {error}", self.name)))
    }
}
