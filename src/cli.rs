//! The command line: a table of subcommands, of which a build has those of its features.

#[cfg_attr(not(feature = "catch"), path = "not_built.rs")]
mod catch;
#[cfg_attr(not(feature = "stream"), path = "not_built.rs")]
mod deliver;
#[cfg(any(feature = "judge", feature = "send", feature = "top"))]
mod endpoint;
#[cfg_attr(not(feature = "catch"), path = "not_built.rs")]
mod expect;
#[cfg_attr(not(feature = "judge"), path = "not_built.rs")]
mod judge;
#[cfg(any(feature = "milter", feature = "relay"))]
mod kept_process;
#[cfg_attr(not(feature = "load"), path = "not_built.rs")]
mod load;
#[cfg_attr(not(feature = "man"), path = "not_built.rs")]
mod man;
#[cfg_attr(not(feature = "auth"), path = "not_built.rs")]
mod passwd;
#[cfg_attr(not(feature = "relay"), path = "not_built.rs")]
mod queue;
#[cfg_attr(not(feature = "record"), path = "not_built.rs")]
mod record_process;
#[cfg_attr(not(feature = "record"), path = "not_built.rs")]
mod replay;
#[cfg_attr(not(feature = "send"), path = "not_built.rs")]
mod send;
mod serve;
mod store_process;
mod subcommand;
#[cfg_attr(not(feature = "top"), path = "not_built.rs")]
mod top;
#[cfg_attr(not(feature = "record"), path = "not_built.rs")]
mod trace;
mod usage;

use std::ffi::OsString;

use clap::Command;

use crate::exit::Failed;
use subcommand::Subcommand;
pub use subcommand::{Request, Run};

/// Reads a command line, the program's name at its start.
///
/// # Errors
/// What is wrong with it, in one line.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Request, Failed> {
    let mut all = command();
    let matches = match all.try_get_matches_from_mut(arguments) {
        Ok(matches) => matches,
        Err(error) => return usage::answer(&error, &command()),
    };
    let asked = matches.subcommand().and_then(|(name, matches)| {
        let found = subcommands().find(|subcommand| subcommand.name == name);
        found.map(|subcommand| (subcommand, matches))
    });
    match asked {
        Some((subcommand, matches)) => (subcommand.request)(matches, shown_command),
        None => Ok(Request::Help(usage::wrapped(
            &all.render_help().to_string(),
        ))),
    }
}

/// The subcommands, in the order of the help.
fn subcommands() -> impl Iterator<Item = Subcommand> {
    let all = [
        Some(serve::SUBCOMMAND),
        deliver::built(),
        catch::built(),
        expect::built(),
        send::built(),
        load::built(),
        judge::built(),
        top::built(),
        queue::built(),
        passwd::built(),
        replay::built(),
        trace::built(),
        Some(store_process::SUBCOMMAND),
        #[cfg(feature = "relay")]
        Some(kept_process::SPOOL),
        #[cfg(feature = "milter")]
        Some(kept_process::HOLD),
        record_process::built(),
        man::built(),
    ];
    all.into_iter().flatten()
}

/// The whole command line.
fn command() -> Command {
    let hidden = subcommands().filter(|subcommand| !subcommand.shown);
    shown_command()
        .mut_subcommands(serve::with_hidden_options)
        .subcommands(hidden.map(|subcommand| described(&subcommand).hide(true)))
}

/// The part of the command line that help, manual pages and completions tell of.
fn shown_command() -> Command {
    let shown = subcommands().filter(|subcommand| subcommand.shown);
    Command::new("mailoop")
        .version(env!("CARGO_PKG_VERSION"))
        .propagate_version(true)
        .about("A mail server in one thread")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands(shown.map(|subcommand| described(&subcommand)))
}

fn described(subcommand: &Subcommand) -> Command {
    (subcommand.command)(Command::new(subcommand.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_help_is_wider_than_a_terminal() {
        let mut all = command();
        all.build();
        for command in all.get_subcommands().chain([&all]) {
            let help = usage::wrapped(&command.clone().render_help().to_string());
            for line in help.lines() {
                assert!(line.chars().count() <= usage::COLUMNS, "{line}");
            }
        }
    }

    #[test]
    fn every_command_tells_its_version() {
        for command in shown_command().get_subcommands() {
            let words = ["mailoop", command.get_name(), "--version"].map(OsString::from);
            let end = concat!(env!("CARGO_PKG_VERSION"), "\n");
            let shown = parse(words);
            assert!(
                matches!(&shown, Ok(Request::Show(text)) if text.ends_with(end)),
                "{shown:?}"
            );
        }
    }
}
