//! The command line of `mailoop load`. Its letters are those of Postfix's `smtp-source`.

#[cfg_attr(not(feature = "record"), path = "../not_built.rs")]
mod recording;

use std::rc::Rc;
use std::time::Duration;

use clap::{Arg, ArgMatches, Command};

use super::endpoint::{server, server_address};
use super::send::{self, encryption, mailbox, reverse_path, with_record, with_tls};
use super::subcommand::{Request, Run, Subcommand, flag, value};
use crate::config::{RecordSettings, values};
use crate::exit::{ExitCode, Failed, show};
use crate::smtp::path::{Mailbox, ReversePath};
use crate::tools::load::attack_kind::AttackKind;
use crate::tools::load::{self, Extent, LoadOptions, LoadPlan};
use crate::tools::world::World;

/// The most sessions of an open loop by default.
const SESSIONS_BY_RATE: usize = 1000;
/// The transactions a second beside an attack, and the length of one, by default.
const RATE_BESIDE_ATTACK: u32 = 10;
const ATTACK_TIME: Duration = Duration::from_secs(10);

pub(super) fn built() -> Option<Subcommand> {
    Some(Subcommand {
        name: "load",
        shown: true,
        command,
        request,
    })
}

/// A load to put on a server.
#[derive(Debug)]
struct Load {
    options: LoadOptions,
    record: Option<RecordSettings>,
    /// Whether the report is in JSON.
    json: bool,
}

/// Records a load.
type WatchLoad = fn(&RecordSettings, &mut LoadPlan, Rc<dyn World>) -> Result<Rc<dyn World>, Failed>;

impl Run for Load {
    fn run(self: Box<Self>) -> Result<(), Failed> {
        let mut plan = load::plan(&self.options)?;
        let mut world = load::world(&plan.opening)?;
        let watch: Option<WatchLoad> = recording::built();
        if let (Some(settings), Some(watch)) = (&self.record, watch) {
            world = watch(settings, &mut plan, world)?;
        }
        let report = load::load(plan, &world, true)?;
        show(&if self.json {
            format!("{}\n", report.json())
        } else {
            report.to_string()
        })?;
        report.verdict()
    }
}

fn command(command: Command) -> Command {
    let command = command
        .about("Put load on a server and tell what it carries")
        .args(amounts())
        .args(settings());
    with_record(with_tls(command, None))
}

/// The arguments that say how much load there is.
fn amounts() -> [Arg; 7] {
    [
        value(
            "server",
            "HOST:PORT",
            "The server; also [IPV6]:PORT or unix:PATH",
        )
        .default_value("127.0.0.1:2525")
        .value_parser(server_address),
        value(
            "sessions",
            "SESSIONS",
            "Connections at a time [default: 1; with --rate at most 1000]",
        )
        .short('s')
        .value_parser(values::count_over_0),
        value("messages", "MESSAGES", "Messages in all [default: 1]")
            .short('m')
            .conflicts_with("seconds")
            .value_parser(values::count_over_0),
        value(
            "seconds",
            "SECS",
            "Instead of -m: as many as begin in this time",
        )
        .value_parser(values::seconds),
        value("length", "BYTES", "Length of a message's body; k, M, G")
            .short('l')
            .default_value("1k")
            .value_parser(values::size),
        value(
            "recipients",
            "RECIPIENTS",
            "Recipients of a message; over 1 each has its number before the name",
        )
        .short('r')
        .default_value("1")
        .value_parser(values::count_over_0),
        value(
            "rate",
            "N",
            "Begin N transactions a second, whether or not the last are done",
        )
        .value_parser(values::count_over_0),
    ]
}

/// The arguments that say of what kind the load is.
fn settings() -> [Arg; 8] {
    [
        flag(
            "keep",
            "Do not disconnect after a message, send the next one over the same connection",
        )
        .short('d'),
        flag(
            "pipeline",
            "Send commands in groups, if the server offers PIPELINING",
        ),
        flag(
            "connect-only",
            "Connect, be greeted and quit, without a message",
        )
        .conflicts_with_all(["keep", "pipeline"]),
        value("from", "ADDR", "The reverse-path; <> for none")
            .default_value("sender@example.org")
            .value_parser(reverse_path),
        value("to", "ADDR", "The recipient")
            .default_value("recipient@example.org")
            .value_parser(mailbox),
        value(
            "hostile",
            "KIND",
            "Have -s peers that mean no good, and tell how it is beside them, for 10 s unless told",
        )
        .conflicts_with("messages")
        .value_parser(clap::builder::PossibleValuesParser::new(
            AttackKind::NAMES.map(|(name, _)| name),
        )),
        value("timeout", "SECS", "How long the server may be silent")
            .default_value("60")
            .value_parser(values::seconds),
        flag("json", "Tell the result as JSON"),
    ]
}

fn request(matches: &ArgMatches, _: fn() -> Command) -> Result<Request, Failed> {
    Ok(Request::to_run(Load {
        options: options(matches)?,
        record: send::record(matches),
        json: matches.get_flag("json"),
    }))
}

/// Reads the options.
///
/// # Errors
/// There is no server, or there can be no such recipients.
fn options(matches: &ArgMatches) -> Result<LoadOptions, Failed> {
    let number = |name| matches.get_one::<u32>(name).copied();
    let size = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    let hostile = matches
        .get_one::<String>("hostile")
        .and_then(|name| AttackKind::named(name));
    let rate = number("rate").or(hostile.map(|_| RATE_BESIDE_ATTACK));
    let seconds = matches.get_one::<Duration>("seconds").copied();
    let extent = match seconds.or(hostile.map(|_| ATTACK_TIME)) {
        Some(time) => Extent::Time(time),
        None => Extent::Count(number("messages").unwrap_or(1).into()),
    };
    let sessions = match number("sessions") {
        Some(sessions) => size(sessions),
        None if rate.is_some() && hostile.is_none() => SESSIONS_BY_RATE,
        None => 1,
    };
    Ok(LoadOptions {
        server: server(matches, "server")?,
        sessions,
        extent,
        length: matches
            .get_one::<u64>("length")
            .and_then(|length| usize::try_from(*length).ok())
            .unwrap_or_default(),
        keep: matches.get_flag("keep"),
        from: matches
            .get_one("from")
            .cloned()
            .unwrap_or(ReversePath::Null),
        to: recipients(matches)?,
        pipeline: matches.get_flag("pipeline"),
        connect_only: matches.get_flag("connect-only"),
        rate,
        hostile,
        encryption: encryption(matches),
        timeout: matches.get_one("timeout").copied().unwrap_or_default(),
    })
}

/// Recipients as smtp-source names them: one is as it was given, of several each has its number in front.
fn recipients(matches: &ArgMatches) -> Result<Vec<Mailbox>, Failed> {
    let to: Option<&Mailbox> = matches.get_one("to");
    let count = matches.get_one::<u32>("recipients").copied().unwrap_or(1);
    if count == 1 {
        return Ok(to.cloned().into_iter().collect());
    }
    let numbered =
        |number| format!("{number}{}", to.map_or("", Mailbox::as_str)).parse::<Mailbox>();
    (1..=count)
        .map(numbered)
        .collect::<Result<_, _>>()
        .map_err(|_| {
            let message = "-r puts a number in front of --to: choose a plain, shorter address";
            Failed::new(ExitCode::Usage, message)
        })
}
