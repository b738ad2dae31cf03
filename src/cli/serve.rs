//! The command line of `mailoop serve`, made of the table of options.

use std::ffi::OsString;

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use super::subcommand::{Request, Subcommand, flag, value};
use crate::config::option::{Kind, ServeOption, ServerCommand};
use crate::config::options;
use crate::config::settings::Settings;
use crate::config::value::Origin;
use crate::exit::Failed;

pub(super) const SUBCOMMAND: Subcommand = Subcommand {
    name: ServerCommand::Serve.name(),
    shown: true,
    command,
    request,
};

fn command(command: Command) -> Command {
    let shown = options::all().filter(|option| !option.hidden);
    command
        .about("Receive mail; runs with no option at all")
        .after_help(
            "Without a --route nothing is sent on to other servers: also from users who have logged in, mail for domains \
             that are not ours is refused.",
        )
        .args(shown.map(argument))
}

/// Adds to a subcommand that runs a server the options that nothing tells of: those for measurements, and those of the other
/// subcommand that it refuses with a reason. Completions would tell, so they are no part of [`command`].
pub(super) fn with_hidden_options(command: Command) -> Command {
    let hidden: fn(&&ServeOption) -> bool = match command.get_name() {
        "serve" => |option| option.hidden && ServerCommand::Serve.has(option),
        "catch" => |option| option.hidden || !ServerCommand::Catch.has(option),
        "deliver" => |option| option.hidden || !ServerCommand::Deliver.has(option),
        _ => return command,
    };
    let hidden = options::every().filter(hidden);
    command.args(hidden.map(|option| argument(option).hide(true)))
}

/// The flag of an option. Values stay text here: they are read together with those from the environment and the file.
pub(super) fn argument(option: &'static ServeOption) -> Arg {
    let text = || {
        value(option.name, option.placeholder, option.help)
            .value_parser(value_parser!(OsString))
            .default_values(option.default)
    };
    let argument = match option.kind {
        Kind::Flag => flag(option.name, option.help),
        Kind::List => text().action(ArgAction::Append),
        Kind::Text | Kind::Number | Kind::Numbers => text(),
    };
    argument.help_heading(option.heading)
}

fn request(matches: &ArgMatches, _: fn() -> Command) -> Result<Request, Failed> {
    Ok(Request::Serve(Box::new(given(
        matches,
        ServerCommand::Serve,
    ))))
}

/// The options that the command line gives, without defaults.
pub(super) fn given(matches: &ArgMatches, command: ServerCommand) -> Settings {
    let mut settings = Settings::of(command);
    for option in options::every() {
        let is_known = matches.try_contains_id(option.name).is_ok();
        if !is_known || matches.value_source(option.name) != Some(ValueSource::CommandLine) {
            continue;
        }
        let texts = match option.kind {
            Kind::Flag => vec![matches.get_flag(option.name).to_string().into()],
            Kind::Text | Kind::Number | Kind::List | Kind::Numbers => {
                let texts = matches.get_many::<OsString>(option.name);
                texts.into_iter().flatten().cloned().collect()
            }
        };
        settings.set(option, texts, &Origin::Flag);
    }
    settings
}
