//! The command line of `mailoop top`.

use clap::{ArgMatches, Command};

use super::endpoint::{server, server_address};
use super::subcommand::{Request, Run, Subcommand, value};
use crate::exit::Failed;
use crate::net::endpoint::Endpoint;
use crate::tools::top::{self, KEYS};

pub(super) fn built() -> Option<Subcommand> {
    Some(Subcommand {
        name: "top",
        shown: true,
        command,
        request,
    })
}

/// A server to watch.
#[derive(Debug)]
struct Top {
    server: Endpoint,
}

impl Run for Top {
    fn run(self: Box<Self>) -> Result<(), Failed> {
        top::run(&self.server)
    }
}

fn command(command: Command) -> Command {
    command
        .about("Watch the loop of a server and its connections")
        .after_help(format!(
            "The server is one that runs with --control PATH; its user may watch it, and root. In a terminal the picture is \
             drawn anew four times a second. Keys: {KEYS}; the same one again turns the order round. Where standard input \
             or output is no terminal, what happens within a second is printed once, as text."
        ))
        .arg(
            value(
                "server",
                "unix:PATH",
                "The control socket; also HOST:PORT of what leads to it",
            )
            .required(true)
            .value_parser(server_address),
        )
}

fn request(matches: &ArgMatches, _: fn() -> Command) -> Result<Request, Failed> {
    let server = server(matches, "server")?;
    Ok(Request::to_run(Top { server }))
}
