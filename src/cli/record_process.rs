//! The record process, which only a program that records starts: it writes to the file and waits for the disk.

use std::process;

use clap::{ArgMatches, Command};

use super::subcommand::{Request, Run, Subcommand};
use crate::exit::{ExitCode, Failed};
use crate::observe::record::process as record_process;
use crate::sandbox::{self, Needs};

pub(super) fn built() -> Option<Subcommand> {
    Some(Subcommand {
        name: record_process::COMMAND,
        shown: false,
        command,
        request,
    })
}

/// The record process of one program.
#[derive(Debug)]
struct RecordCommand;

fn command(command: Command) -> Command {
    command
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "other subcommands have arguments that may be wrong"
)]
fn request(_: &ArgMatches, _: fn() -> Command) -> Result<Request, Failed> {
    Ok(Request::to_run(RecordCommand))
}

impl Run for RecordCommand {
    fn run(self: Box<Self>) -> Result<(), Failed> {
        // Its file is open already. The kernel's answer is the one that the server got and logged.
        let _ = sandbox::enter(&Needs::default());
        match record_process::run() {
            Ok(()) => Ok(()),
            Err(error) => match error.raw_os_error() {
                // The program at the other end tells of it, by this number.
                Some(errno) => process::exit(errno),
                None => Err(Failed::new(ExitCode::Io, error)),
            },
        }
    }
}
