//! The command line of `mailoop judge`.

mod client;

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use self::client::{CLIENT, client_command, client_request};
use super::endpoint::{server, server_address};
use super::subcommand::{Request, Run, Subcommand, flag, value};
use crate::config::values;
use crate::exit::{ExitCode, Failed, show};
use crate::judge::check::{Dialect, JudgedSide};
use crate::judge::play::PlayTerms;
use crate::judge::report::list;
use crate::judge::set::{CheckSet, SelectedCheck};
use crate::smtp::data::EndText;
use crate::smtp::path::Mailbox;
use crate::tools::judge::{JudgeServer, ReportForm, judge_server, read_checks};

const SERVER: &str = "server";
const SERVER_ADDRESS: &str = "HOST:PORT";
const DIALECT: &str = "dialect";
const ONLY: &str = "only";
const LIST: &str = "list";
const JSON: &str = "json";
const TAP: &str = "tap";
const GRADESCOPE: &str = "gradescope";
const CHECKS: &str = "checks";
const FROM: &str = "from";
const TO: &str = "to";
const END_OF_DATA: &str = "end-of-data";
const TIMEOUT: &str = "timeout";

pub(super) fn built() -> Option<Subcommand> {
    Some(Subcommand {
        name: "judge",
        shown: true,
        command,
        request,
    })
}

fn command(command: Command) -> Command {
    command
        .about("Say whether a server, or a client, speaks SMTP")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(server_command())
        .subcommand(client_command())
}

fn server_command() -> Command {
    Command::new(SERVER)
        .about("Judge a server by named checks, each on connections of its own")
        .after_help(
            "Exit status: 0 if every must passed, 1 if not, 64 if the command line or a file of checks is wrong, 69 if there \
             is no server.",
        )
        .arg(
            Arg::new(SERVER_ADDRESS)
                .help("The server; also [IPV6]:PORT or unix:PATH")
                .required_unless_present(LIST)
                .value_parser(server_address),
        )
        .arg(
            value(DIALECT, "DIALECT", "All of SMTP, or the five commands of an assignment")
                .value_parser(PossibleValuesParser::new(Dialect::ALL.map(|(name, _)| name)))
                .default_value(Dialect::default().name()),
        )
        .args(selection())
        .args(reports())
        .args([
            value(FROM, "ADDR", "The sender").default_value("judge@example.com").value_parser(address),
            value(TO, "ADDR", "A recipient that the server takes; a second one if given twice")
                .default_value("postmaster@localhost")
                .action(ArgAction::Append)
                .value_parser(address),
            value(
                END_OF_DATA,
                "TEXT",
                "The line that ends a message [default: a dot; in a classroom what the reply to DATA quotes]",
            )
            .value_parser(values::end_text),
            value(TIMEOUT, "SECS", "How long to wait for each reply")
                .default_value("5")
                .value_parser(values::seconds),
        ])
}

/// The options that say which checks are meant.
fn selection() -> [Arg; 3] {
    [
        value(ONLY, "NAME", "Only checks of this name, or that begin so, or of this group, or of a step, as step3")
            .num_args(1..)
            .action(ArgAction::Append),
        flag(LIST, "List the checks"),
        value(CHECKS, "DIR", "Checks of one's own, in files that end in .txt; a name that is known replaces that check")
            .value_parser(value_parser!(PathBuf)),
    ]
}

/// The options that say how the results are told.
fn reports() -> [Arg; 3] {
    [
        flag(JSON, "Tell the results as JSON"),
        flag(TAP, "Tell the results in the Test Anything Protocol").conflicts_with(JSON),
        value(
            GRADESCOPE,
            "FILE",
            "Write the results for Gradescope to this file as well",
        )
        .value_parser(value_parser!(PathBuf)),
    ]
}

/// An address that goes on the wire as it is.
fn address(text: &str) -> Result<String, String> {
    let mailbox: Result<Mailbox, _> = text.parse();
    match mailbox {
        Ok(mailbox) if mailbox.is_ascii() => Ok(text.to_owned()),
        _ => Err("write an address, as user@example.org".to_owned()),
    }
}

fn request(matches: &ArgMatches, _: fn() -> Command) -> Result<Request, Failed> {
    match matches.subcommand() {
        Some((CLIENT, matches)) => client_request(matches),
        Some((_, matches)) => server_request(matches),
        None => Err(Failed::new(
            ExitCode::Usage,
            "say what to judge: a server or a client",
        )),
    }
}

fn server_request(matches: &ArgMatches) -> Result<Request, Failed> {
    let dialect = dialect(matches);
    let folder: Option<&PathBuf> = matches.get_one(CHECKS);
    let set = read_checks(JudgedSide::Server, folder.map(PathBuf::as_path))?;
    let checks = selected(&set, JudgedSide::Server, dialect, matches)?;
    if matches.get_flag(LIST) {
        return Ok(Request::to_run(CheckList(list(
            checks.iter().map(|selected| &selected.check),
        ))));
    }
    Ok(Request::to_run(JudgeServer {
        server: server(matches, SERVER_ADDRESS)?,
        checks,
        dialect: dialect.name(),
        terms: terms(matches, dialect),
        form: form(matches),
        gradescope: matches.get_one(GRADESCOPE).cloned(),
    }))
}

/// The form of the report.
fn form(matches: &ArgMatches) -> ReportForm {
    match (matches.get_flag(JSON), matches.get_flag(TAP)) {
        (true, _) => ReportForm::Json,
        (_, true) => ReportForm::Tap,
        _ => ReportForm::Text,
    }
}

fn dialect(matches: &ArgMatches) -> Dialect {
    let asked: Option<&String> = matches.get_one(DIALECT);
    let mut all = Dialect::ALL.into_iter();
    let found = all.find(|(name, _)| asked.is_some_and(|asked| asked == name));
    found.map_or(Dialect::default(), |(_, dialect)| dialect)
}

/// The checks that are meant. A word that is for no check at all is a mistake.
fn selected(
    set: &CheckSet,
    side: JudgedSide,
    dialect: Dialect,
    matches: &ArgMatches,
) -> Result<Vec<SelectedCheck>, Failed> {
    let only: Vec<String> = matches
        .get_many(ONLY)
        .into_iter()
        .flatten()
        .cloned()
        .collect();
    let usage = |what: String| Failed::new(ExitCode::Usage, what);
    if let Some(unknown) = only.iter().find(|word| !set.knows(word)) {
        let side = match side {
            JudgedSide::Server => SERVER,
            JudgedSide::Client => CLIENT,
        };
        return Err(usage(format!(
            "no check is called {unknown:?}: see mailoop judge {side} --list"
        )));
    }
    let selected = set
        .select(dialect, &only)
        .map_err(|fault| usage(fault.to_string()))?;
    if selected.is_empty() {
        return Err(usage(format!(
            "the dialect {} has none of these checks",
            dialect.name()
        )));
    }
    Ok(selected)
}

fn terms(matches: &ArgMatches, dialect: Dialect) -> PlayTerms {
    let to: Vec<&String> = matches.get_many(TO).into_iter().flatten().collect();
    let text = |text: Option<&&String>| text.map(|text| (*text).clone()).unwrap_or_default();
    let end: Option<&Option<EndText>> = matches.get_one(END_OF_DATA);
    let timeout: Option<&Duration> = matches.get_one(TIMEOUT);
    PlayTerms {
        from: matches.get_one::<String>(FROM).cloned().unwrap_or_default(),
        to: text(to.first()),
        to2: text(to.get(1).or(to.first())),
        end: end.map(|text| text.as_ref().map_or(".", |text| text.as_str()).to_owned()),
        learns_end: dialect == Dialect::Classroom,
        timeout: timeout.copied().unwrap_or_default(),
    }
}

impl Run for JudgeServer {
    fn run(self: Box<Self>) -> Result<(), Failed> {
        judge_server(&self)
    }
}

/// A list of checks to be shown.
#[derive(Debug)]
struct CheckList(String);

impl Run for CheckList {
    fn run(self: Box<Self>) -> Result<(), Failed> {
        show(&self.0)
    }
}
