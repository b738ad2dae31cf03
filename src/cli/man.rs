//! `mailoop man`: manual pages and completions for shells, made of what the command line knows. Nobody but who packages it
//! needs that, so the help does not name it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::{Arg, ArgMatches, Command, value_parser};
use clap_complete::generate;
use clap_complete::shells::{Bash, Fish, Zsh};
use clap_mangen::Man;

use super::subcommand::{Request, Run, Subcommand};
use crate::exit::{ExitCode, Failed, show};

const PROGRAM: &str = "mailoop";
const SOURCE: &str = concat!("mailoop ", env!("CARGO_PKG_VERSION"));

pub(super) fn built() -> Option<Subcommand> {
    Some(Subcommand {
        name: "man",
        shown: false,
        command,
        request,
    })
}

/// The manual pages and completions of a command line.
#[derive(Debug)]
struct Manual {
    /// The folder to write to; without one the pages are shown.
    folder: Option<PathBuf>,
    command: Command,
}

fn command(command: Command) -> Command {
    command
        .about("Show the manual pages, or write them and completions for bash, fish and zsh to a folder")
        .arg(
            Arg::new("DIR")
                .help("The folder, made where it is missing")
                .value_parser(value_parser!(PathBuf)),
        )
}

fn request(matches: &ArgMatches, shown: fn() -> Command) -> Result<Request, Failed> {
    Ok(Request::to_run(Manual {
        folder: matches.get_one("DIR").cloned(),
        command: shown(),
    }))
}

impl Run for Manual {
    fn run(self: Box<Self>) -> Result<(), Failed> {
        man(self.folder.as_deref(), self.command)
    }
}

/// Writes all files to `folder`; without one it shows the pages, as `mailoop man | man -l -` reads them.
///
/// # Errors
/// A file cannot be written.
fn man(folder: Option<&Path>, command: Command) -> Result<(), Failed> {
    let pages = pages(command.clone()).map_err(|error| failed("man", &error))?;
    let Some(folder) = folder else {
        let all: Vec<_> = pages.into_iter().flat_map(|(_, page)| page).collect();
        return show(&String::from_utf8_lossy(&all));
    };
    let made = fs::create_dir_all(folder);
    made.map_err(|error| failed(&folder.display().to_string(), &error))?;
    for (name, text) in pages.into_iter().chain(completions(command)) {
        let path = folder.join(name);
        let written = fs::write(&path, text);
        written.map_err(|error| failed(&path.display().to_string(), &error))?;
        show(&format!("{}\n", path.display()))?;
    }
    Ok(())
}

/// The names of all pages, with their text.
fn pages(all: Command) -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut all = all.disable_help_subcommand(true);
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

/// The completions for each shell, under the name by which it looks for them.
fn completions(mut command: Command) -> Vec<(String, Vec<u8>)> {
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
