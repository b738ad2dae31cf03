//! One subcommand, and the request that a command line becomes.

use core::fmt;

use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::config::settings::Settings;
use crate::exit::Failed;

/// A subcommand that this build has.
pub(super) struct Subcommand {
    pub(super) name: &'static str,
    /// Whether help, manual pages and completions tell of it.
    pub(super) shown: bool,
    /// Describes its arguments.
    pub(super) command: fn(Command) -> Command,
    /// Reads its arguments.
    pub(super) request: ReadRequest,
}

/// A reader of arguments, which is given a way to describe the whole command line.
type ReadRequest = fn(&ArgMatches, fn() -> Command) -> Result<Request, Failed>;

/// A command line that was understood.
#[derive(Debug)]
pub enum Request {
    /// Receive mail, by these flags.
    Serve(Box<Settings>),
    /// Run another command.
    Run(Box<dyn Run>),
    /// Show this text.
    Show(String),
    /// Show this help to a person who asked for nothing.
    Help(String),
}

/// A command with its arguments.
pub trait Run: fmt::Debug {
    /// Runs the command to its end.
    ///
    /// # Errors
    /// Why it did not do all that was asked.
    fn run(self: Box<Self>) -> Result<(), Failed>;
}

impl Request {
    pub(super) fn to_run(command: impl Run + 'static) -> Self {
        Self::Run(Box::new(command))
    }
}

/// An option that takes a value.
pub(super) fn value(name: &'static str, placeholder: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(placeholder).help(help)
}

/// An option that is on or off.
pub(super) fn flag(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .help(help)
        .action(ArgAction::SetTrue)
}
