//! The command line of `mailoop passwd`.

mod users_file;

use std::path::PathBuf;

use clap::{Arg, ArgMatches, Command, value_parser};

use self::users_file::{PasswdOptions, passwd};
use super::subcommand::{Request, Run, Subcommand, flag, value};
use crate::exit::Failed;

pub(super) fn built() -> Option<Subcommand> {
    Some(Subcommand {
        name: "passwd",
        shown: true,
        command,
        request,
    })
}

fn command(command: Command) -> Command {
    command
        .about("Give a user a password to log in by")
        .after_help("The password is asked for, or it is the first line of standard input.")
        .arg(
            Arg::new("USER")
                .help("The name that the user logs in by")
                .required(true),
        )
        .arg(
            value("users", "FILE", "The file, made anew where there is none")
                .required(true)
                .value_parser(value_parser!(PathBuf)),
        )
        .arg(flag("delete", "Take the user out of the file"))
}

fn request(matches: &ArgMatches, _: fn() -> Command) -> Result<Request, Failed> {
    let user = matches.get_one::<String>("USER").cloned();
    let file = matches.get_one::<PathBuf>("users").cloned();
    Ok(Request::to_run(PasswdOptions {
        user: user.unwrap_or_default(),
        file: file.unwrap_or_default(),
        delete: matches.get_flag("delete"),
    }))
}

impl Run for PasswdOptions {
    fn run(self: Box<Self>) -> Result<(), Failed> {
        passwd(&self)
    }
}
