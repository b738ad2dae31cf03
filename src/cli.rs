//! The command line: what there is to be said, and what was.

#[cfg(all(feature = "send", feature = "tls"))]
mod encryption;
#[cfg(feature = "load")]
mod load;
#[cfg(feature = "man")]
pub mod man;
#[cfg(feature = "auth")]
mod passwd;
#[cfg(feature = "send")]
mod send;
mod usage;

use std::ffi::OsString;
#[cfg(any(feature = "man", feature = "send"))]
use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

#[cfg(feature = "load")]
use crate::client::load::LoadOptions;
#[cfg(feature = "send")]
use crate::client::send::SendOptions;
use crate::config::option::{Kind, ServeOption};
use crate::config::options;
use crate::config::settings::Settings;
use crate::config::value::Origin;
use crate::exit::Failed;
#[cfg(feature = "auth")]
use crate::passwd::PasswdOptions;
use crate::store::maildir;

/// What was asked for.
#[derive(Debug)]
pub enum Request {
    /// Receive mail, by these flags.
    Serve(Box<Settings>),
    /// Send one message, read from the file or from standard input, as the user of this name, if any is to log in.
    #[cfg(feature = "send")]
    Send(Box<SendOptions>, Option<PathBuf>, Option<String>),
    /// Put load on a server; whether the result is to be JSON.
    #[cfg(feature = "load")]
    Load(Box<LoadOptions>, bool),
    /// Change who may log in.
    #[cfg(feature = "auth")]
    Passwd(PasswdOptions),
    /// Work on the disk for the server that started this process: so many mailboxes there may be, and so many
    /// messages are made durable together.
    StoreProcess(usize, usize),
    /// Write manual pages and completions to this folder, or show the pages.
    #[cfg(feature = "man")]
    Man(Option<PathBuf>),
    /// Show this text.
    Show(String),
    /// Show this help to somebody who asked for nothing.
    Help(String),
}

/// Reads a command line, the program's name at its start.
///
/// # Errors
/// What is wrong with it, in one line.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Request, Failed> {
    let matches = match command().try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) => return usage::answer(&error),
    };
    match matches.subcommand() {
        Some(("serve", matches)) => Ok(Request::Serve(Box::new(serve(matches)))),
        #[cfg(feature = "send")]
        Some(("send", matches)) => send::request(matches),
        #[cfg(feature = "load")]
        Some(("load", matches)) => {
            let (options, json) = load::options(matches)?;
            Ok(Request::Load(Box::new(options), json))
        }
        #[cfg(feature = "auth")]
        Some((passwd::COMMAND, matches)) => Ok(Request::Passwd(passwd::options(matches))),
        #[cfg(feature = "man")]
        Some((man::COMMAND, matches)) => Ok(Request::Man(man::folder(matches))),
        Some((maildir::COMMAND, matches)) => {
            let number = |name| matches.get_one(name).copied().unwrap_or_default();
            Ok(Request::StoreProcess(number("MAILBOXES"), number("GROUP")))
        }
        _ => Ok(Request::Help(usage::wrapped(
            &command().render_help().to_string(),
        ))),
    }
}

/// The whole command line.
fn command() -> Command {
    let hidden = options::all().filter(|option| option.hidden);
    let command = shown_command()
        .mut_subcommand("serve", |serve| serve.args(hidden.map(argument)))
        .subcommand(store_process_command());
    #[cfg(feature = "man")]
    let command = command.subcommand(man::command());
    command
}

/// What of it help, manual pages and completions tell of.
fn shown_command() -> Command {
    let command = Command::new("mailoop")
        .version(env!("CARGO_PKG_VERSION"))
        .about("A mail server in one thread")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(serve_command());
    #[cfg(feature = "send")]
    let command = command.subcommand(send::command());
    #[cfg(feature = "load")]
    let command = command.subcommand(load::command());
    #[cfg(feature = "auth")]
    let command = command.subcommand(passwd::command());
    command
}

fn value(name: &'static str, placeholder: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(placeholder).help(help)
}

fn serve_command() -> Command {
    Command::new("serve")
        .about("Receive mail; runs with no option at all")
        .after_help(
            "Nothing is sent on to other servers: also from users who have logged in, mail for domains that are not \
             ours is refused.",
        )
        .args(options::all().filter(|option| !option.hidden).map(argument))
}

/// The flag of an option. Values stay text here: they are read where those from the environment and the file are.
fn argument(option: &'static ServeOption) -> Arg {
    let argument = match option.kind {
        Kind::Flag => Arg::new(option.name)
            .long(option.name)
            .help(option.help)
            .action(ArgAction::SetTrue),
        Kind::List => text_of(option).action(ArgAction::Append),
        Kind::Text | Kind::Number => text_of(option),
    };
    argument.help_heading(option.heading).hide(option.hidden)
}

fn text_of(option: &'static ServeOption) -> Arg {
    value(option.name, option.placeholder, option.help)
        .value_parser(value_parser!(OsString))
        .default_values(option.default)
}

/// Nobody but a server says this.
fn store_process_command() -> Command {
    let number = |name| {
        Arg::new(name)
            .required(true)
            .value_parser(value_parser!(usize))
    };
    Command::new(maildir::COMMAND)
        .hide(true)
        .args(["MAILBOXES", "GROUP"].map(number))
}

/// What was said about the options of `serve`, defaults left out.
fn serve(matches: &ArgMatches) -> Settings {
    let mut settings = Settings::default();
    for option in options::all() {
        if matches.value_source(option.name) != Some(ValueSource::CommandLine) {
            continue;
        }
        let texts = match option.kind {
            Kind::Flag => vec![matches.get_flag(option.name).to_string().into()],
            Kind::Text | Kind::Number | Kind::List => {
                let texts = matches.get_many::<OsString>(option.name);
                texts.into_iter().flatten().cloned().collect()
            }
        };
        settings.set(option, texts, &Origin::Flag);
    }
    settings
}
