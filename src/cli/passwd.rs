//! The command line of `mailoop passwd`.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use super::value;
use crate::passwd::PasswdOptions;

pub(super) const COMMAND: &str = "passwd";

pub(super) fn command() -> Command {
    Command::new(COMMAND)
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
        .arg(
            Arg::new("delete")
                .long("delete")
                .help("Take the user out of the file")
                .action(ArgAction::SetTrue),
        )
}

pub(super) fn options(matches: &ArgMatches) -> PasswdOptions {
    let user = matches.get_one::<String>("USER").cloned();
    let file = matches.get_one::<PathBuf>("users").cloned();
    PasswdOptions {
        user: user.unwrap_or_default(),
        file: file.unwrap_or_default(),
        delete: matches.get_flag("delete"),
    }
}
