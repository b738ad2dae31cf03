//! The command line of `mailoop queue`.

use std::env;
use std::path::PathBuf;

use clap::builder::ValueParser;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use super::subcommand::{Request, Run, Subcommand, flag, value};
use crate::config::options;
use crate::config::relay::DEFAULT_SPOOL;
use crate::control::queue::{QueueAction, QueueSelection};
use crate::exit::{ExitCode, Failed};
use crate::smtp::path::ReversePath;
use crate::store::spool::MailId;
use crate::tools::queue::{QueueErrand, run};

const SPOOL: &str = "spool";
const JSON: &str = "json";
const ID: &str = "ID";
const DOMAIN: &str = "domain";
const SENDER: &str = "sender";
const OLDER: &str = "older";
const ALL: &str = "all";

const LIST: &str = "list";
const SHOW: &str = "show";
const SITES: &str = "sites";

/// The commands that change mail: name, change, and what they are about.
const CHANGES: [(&str, QueueAction, &str); 4] = [
    (
        "hold",
        QueueAction::Hold,
        "Send nothing of it until it is released",
    ),
    ("release", QueueAction::Release, "Send it again"),
    (
        "retry",
        QueueAction::Retry,
        "Try it at once, also where a site is down",
    ),
    (
        "delete",
        QueueAction::Delete,
        "Take it off the queue; nobody is told",
    ),
];

pub(super) fn built() -> Option<Subcommand> {
    Some(Subcommand {
        name: "queue",
        shown: true,
        command,
        request,
    })
}

/// A command for the queue of a spool.
#[derive(Debug)]
struct QueueCommand {
    spool: PathBuf,
    errand: QueueErrand,
    /// Words that are no ids of any mail.
    unknown: Vec<Failed>,
}

impl Run for QueueCommand {
    fn run(self: Box<Self>) -> Result<(), Failed> {
        let mut failures = self.unknown;
        let is_nothing_left =
            matches!(&self.errand, QueueErrand::Change(_, selections) if selections.is_empty());
        if !is_nothing_left && let Err(failed) = run(&self.spool, &self.errand) {
            // What kept all of it from being done comes first, with its code.
            failures.insert(0, failed);
        }
        Failed::all(failures).map_or(Ok(()), Err)
    }
}

fn command(command: Command) -> Command {
    let changes = CHANGES.map(|(name, _, about)| {
        Command::new(name)
            .about(about)
            .override_usage(format!("mailoop queue {name} <ID... | OPTIONS>"))
            .args(selection_arguments())
    });
    command
        .about("Look at mail that waits to be sent on, and change it")
        .after_help(
            "The server that has the spool is asked by a socket in it. Without a server, list and show read the spool. \
             Of several IDs those that are known are dealt with, whatever becomes of the others. Exit status: 65 if there \
             is no such mail, or not for each ID, 66 if there is no spool, 69 if there is no server, 75 if it is asked by \
             too many, still reads its spool after a start, or cannot store a change now: then try again.",
        )
        .subcommand_required(true)
        .arg_required_else_help(true)
        .arg(
            value(
                SPOOL,
                "DIR",
                "The folder of the spool, also as MAILOOP_SPOOL [default: spool]",
            )
            .global(true)
            .value_parser(value_parser!(PathBuf)),
        )
        .subcommand(
            Command::new(LIST)
                .about("List all mail: ID SIZE AGE FROM STATE, below it its recipients with their last replies")
                .arg(flag(JSON, "A line of JSON for each mail")),
        )
        .subcommand(
            Command::new(SHOW)
                .about("Show one mail: its envelope, the state of each recipient, its header")
                .arg(Arg::new(ID).required(true).help("The mail, id=ID in the log")),
        )
        .subcommand(Command::new(SITES).about("List the places that mail goes to, and how they are"))
        .subcommands(changes)
}

/// The arguments that say which mail is meant.
fn selection_arguments() -> [Arg; 5] {
    [
        Arg::new(ID)
            .help("The mail, id=ID in the log")
            .num_args(0..)
            .action(ArgAction::Append),
        value(DOMAIN, "DOMAIN", "Its recipients there").value_parser(ValueParser::new(domain)),
        value(SENDER, "ADDRESS", "Mail from there; <> for reports")
            .value_parser(ValueParser::new(sender)),
        value(OLDER, "SECONDS", "Mail that came so long ago, or longer")
            .value_parser(ValueParser::new(seconds)),
        flag(ALL, "All mail").conflicts_with_all([ID, DOMAIN, SENDER, OLDER]),
    ]
}

fn domain(text: &str) -> Result<String, String> {
    let domain = QueueSelection::domain_of(text);
    domain
        .map(String::from)
        .ok_or_else(|| "write a domain, as example.org".to_owned())
}

fn seconds(text: &str) -> Result<u64, String> {
    let seconds = text.parse().ok();
    seconds.ok_or_else(|| "write seconds, as 3600".to_owned())
}

/// The folder of the spool: that of the command line, else that of the environment, as `serve` reads it, else the usual one.
fn spool(matches: &ArgMatches) -> PathBuf {
    let named = matches.get_one::<PathBuf>(SPOOL).cloned();
    let variable = || env::var_os(options::SPOOL.option.variable());
    let set = || variable().filter(|spool| !spool.is_empty());
    named
        .or_else(|| set().map(PathBuf::from))
        .unwrap_or_else(|| DEFAULT_SPOOL.into())
}

fn sender(text: &str) -> Result<ReversePath, String> {
    QueueSelection::sender_of(text)
        .ok_or_else(|| "write an address, as ada@example.org, or <>".to_owned())
}

fn mail(text: &str) -> Result<MailId, Failed> {
    MailId::from_queue_id(text).ok_or_else(|| {
        Failed::new(
            ExitCode::Data,
            format_args!("no mail is called {text:?}: ids are as `mailoop queue list` shows them"),
        )
    })
}

fn request(matches: &ArgMatches, _: fn() -> Command) -> Result<Request, Failed> {
    let spool = spool(matches);
    let mut unknown = Vec::new();
    let errand = match matches.subcommand() {
        Some((LIST, matches)) => QueueErrand::List {
            is_json: matches.get_flag(JSON),
        },
        Some((SHOW, matches)) => {
            let id: Option<&String> = matches.get_one(ID);
            QueueErrand::Show(mail(id.map_or("", String::as_str))?)
        }
        Some((name, matches)) if name != SITES => {
            let action = CHANGES.iter().find(|(change, ..)| *change == name);
            let action = action.map_or(QueueAction::Hold, |(_, action, _)| *action);
            QueueErrand::Change(action, selections(matches, &mut unknown)?)
        }
        _ => QueueErrand::Sites,
    };
    Ok(Request::to_run(QueueCommand {
        spool,
        errand,
        unknown,
    }))
}

/// The selections that the arguments make: one for each mail that is named, or one in all. A word that is no id of any mail is
/// `unknown`.
fn selections(
    matches: &ArgMatches,
    unknown: &mut Vec<Failed>,
) -> Result<Vec<QueueSelection>, Failed> {
    let ids = matches.get_many::<String>(ID).into_iter().flatten();
    let ids = ids.filter_map(|id| mail(id).map_err(|failed| unknown.push(failed)).ok());
    let ids: Vec<MailId> = ids.collect();
    if ids.is_empty() && !unknown.is_empty() {
        return Ok(Vec::new());
    }
    let selection = QueueSelection {
        mail: None,
        domain: matches
            .get_one::<String>(DOMAIN)
            .map(|domain| domain.as_str().into()),
        sender: matches.get_one(SENDER).cloned(),
        older_seconds: matches.get_one(OLDER).copied(),
    };
    let selects = selection != QueueSelection::default() || matches.get_flag(ALL);
    if ids.is_empty() && !selects {
        return Err(Failed::new(
            ExitCode::Usage,
            "say which mail: by its ID, --domain, --sender, --older, or --all",
        ));
    }
    if ids.is_empty() {
        return Ok(vec![selection]);
    }
    let of = |mail| QueueSelection {
        mail: Some(mail),
        ..selection.clone()
    };
    Ok(ids.into_iter().map(of).collect())
}
