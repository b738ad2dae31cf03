//! `mailoop man`: manual pages and completions for shells, made of what the command line knows. Nobody but who packages it
//! needs that, so the help does not name it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::{Arg, ArgMatches, Command, value_parser};
use clap_complete::generate;
use clap_complete::shells::{Bash, Fish, Zsh};
use clap_mangen::Man;

use crate::exit::{ExitCode, Failed, show};

pub(super) const COMMAND: &str = "man";
const PROGRAM: &str = "mailoop";
const SOURCE: &str = concat!("mailoop ", env!("CARGO_PKG_VERSION"));

pub(super) fn command() -> Command {
    Command::new(COMMAND)
        .about("Show the manual pages, or write them and completions for bash, fish and zsh to a folder")
        .hide(true)
        .arg(
            Arg::new("DIR")
                .help("The folder, made where it is missing")
                .value_parser(value_parser!(PathBuf)),
        )
}

pub(super) fn folder(matches: &ArgMatches) -> Option<PathBuf> {
    matches.get_one("DIR").cloned()
}

/// Writes all files to `folder`; without one it shows the pages, as `mailoop man | man -l -` reads them.
///
/// # Errors
/// A file cannot be written.
pub fn man(folder: Option<&Path>) -> Result<(), Failed> {
    let pages = pages().map_err(|error| failed("man", &error))?;
    let Some(folder) = folder else {
        let all: Vec<_> = pages.into_iter().flat_map(|(_, page)| page).collect();
        return show(&String::from_utf8_lossy(&all));
    };
    let made = fs::create_dir_all(folder);
    made.map_err(|error| failed(&folder.display().to_string(), &error))?;
    for (name, text) in pages.into_iter().chain(completions()) {
        let path = folder.join(name);
        let written = fs::write(&path, text);
        written.map_err(|error| failed(&path.display().to_string(), &error))?;
        show(&format!("{}\n", path.display()))?;
    }
    Ok(())
}

/// The names of all pages, with their text.
fn pages() -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut all = super::shown_command().disable_help_subcommand(true);
    all.build();
    let mut pages = Vec::new();
    for command in [&all].into_iter().chain(all.get_subcommands()) {
        // By this name it calls itself: that of the program, and of the command after a hyphen.
        let name = command.get_display_name().unwrap_or(PROGRAM);
        let mut page = Vec::new();
        let page_of = Man::new(command.clone()).source(SOURCE);
        page_of.render(&mut page)?;
        pages.push((format!("{name}.1"), page));
    }
    Ok(pages)
}

/// What each shell reads, under the name by which it looks for it.
fn completions() -> Vec<(String, Vec<u8>)> {
    let mut command = super::shown_command();
    let mut text = [const { Vec::new() }; 3];
    let [bash, fish, zsh] = &mut text;
    generate(Bash, &mut command, PROGRAM, bash);
    generate(Fish, &mut command, PROGRAM, fish);
    generate(Zsh, &mut command, PROGRAM, zsh);
    let names = [
        PROGRAM.to_owned(),
        format!("{PROGRAM}.fish"),
        format!("_{PROGRAM}"),
    ];
    names.into_iter().zip(text).collect()
}

fn failed(what: &str, error: &io::Error) -> Failed {
    Failed::new(ExitCode::CannotCreate, format_args!("{what}: {error}"))
}
