//! The command line of `mailoop judge client`.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Arg, ArgMatches, Command, value_parser};

use super::{CHECKS, CheckList, GRADESCOPE, LIST, TIMEOUT, form, reports, selected, selection};
use crate::cli::subcommand::{Request, Run, value};
use crate::config::values;
use crate::exit::Failed;
use crate::judge::check::{Dialect, JudgedSide};
use crate::judge::report::list;
use crate::net::endpoint::SocketAddress;
use crate::tools::judge::{JudgedCommand, judge_client, read_checks};

pub(super) const CLIENT: &str = "client";
const COMMAND: &str = "COMMAND";
const LISTEN: &str = "listen";

pub(super) fn client_command() -> Command {
    Command::new(CLIENT)
        .about("Judge a client by servers with a script, each check in a process of its own")
        .after_help(
            "COMMAND is run for each check, with a message on its standard input. {host} and {port} in its words are those of the \
             judge; so are MAILOOP_JUDGE_HOST and MAILOOP_JUDGE_PORT in its environment. Give it two recipients where it takes \
             several: some checks need them.\n\n\
             Exit status: 0 if every must passed, 1 if not, 64 if the command line or a file of checks is wrong, 69 if COMMAND \
             cannot be run.",
        )
        .arg(
            value(LISTEN, "ADDR", "Where the judge listens, as IP:PORT; port 0 picks one")
                .default_value("127.0.0.1:0")
                .value_parser(listen_address),
        )
        .args(selection())
        .args(reports())
        .arg(
            value(
                TIMEOUT,
                "SECS",
                "How long the client may be silent when it is its turn; it has 10 seconds to connect at least",
            )
            .default_value("5")
            .value_parser(values::seconds),
        )
        .arg(
            Arg::new(COMMAND)
                .help("The client and its arguments, after --")
                .required_unless_present(LIST)
                .num_args(1..)
                .last(true)
                .value_parser(value_parser!(OsString)),
        )
}

/// An address that a client can be told as host and port.
fn listen_address(text: &str) -> Result<SocketAddr, String> {
    match values::listen_address(text)? {
        SocketAddress::Tcp(address) => Ok(address),
        SocketAddress::Unix(_) => Err("write IP:PORT, as 127.0.0.1:0".to_owned()),
    }
}

pub(super) fn client_request(matches: &ArgMatches) -> Result<Request, Failed> {
    let folder: Option<&PathBuf> = matches.get_one(CHECKS);
    let set = read_checks(JudgedSide::Client, folder.map(PathBuf::as_path))?;
    let checks = selected(&set, JudgedSide::Client, Dialect::default(), matches)?;
    if matches.get_flag(LIST) {
        let listed = checks.iter().map(|selected| &selected.check);
        return Ok(Request::to_run(CheckList(list(listed))));
    }
    let words = matches.get_many(COMMAND).into_iter().flatten();
    let listen: Option<&SocketAddr> = matches.get_one(LISTEN);
    let timeout: Option<&Duration> = matches.get_one(TIMEOUT);
    Ok(Request::to_run(JudgedCommand {
        words: words.cloned().collect(),
        listen: listen
            .copied()
            .unwrap_or(SocketAddr::from(([127, 0, 0, 1], 0))),
        checks,
        timeout: timeout.copied().unwrap_or_default(),
        form: form(matches),
        gradescope: matches.get_one(GRADESCOPE).cloned(),
    }))
}

impl Run for JudgedCommand {
    fn run(self: Box<Self>) -> Result<(), Failed> {
        judge_client(&self)
    }
}
