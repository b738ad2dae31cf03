//! The command line of `mailoop send`.

#[cfg_attr(not(feature = "tls"), path = "../not_built.rs")]
mod encryption;
mod record_options;
#[cfg_attr(not(feature = "record"), path = "../not_built.rs")]
pub(super) mod recording;
mod tls_options;

use std::io;
use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use self::record_options::RecordArguments;
use self::tls_options::TlsOptions;
use super::endpoint::{server, server_address};
use super::subcommand::{Request, Run, Subcommand, flag, value};
use crate::config::options::AUTH;
use crate::config::{RecordSettings, values};
use crate::exit::Failed;
use crate::net::endpoint::Endpoint;
use crate::smtp::data::EndText;
use crate::smtp::path::{Mailbox, ReversePath};
use crate::tools::encryption::Encryption;
use crate::tools::send::{self, SendOptions};

pub(super) fn built() -> Option<Subcommand> {
    Some(Subcommand {
        name: "send",
        shown: true,
        command,
        request,
    })
}

/// The options of TLS, in a build that knows it.
fn tls_options() -> Option<TlsOptions> {
    encryption::built()
}

/// Adds the options of TLS to a command. STARTTLS conflicts with one of its own that says HELO, if it has such.
pub(super) fn with_tls(command: Command, helo: Option<&'static str>) -> Command {
    match tls_options() {
        Some(TlsOptions { add, .. }) => add(command, helo),
        None => command,
    }
}

/// The TLS that was asked for.
pub(super) fn encryption(matches: &ArgMatches) -> Option<Encryption> {
    tls_options().and_then(|TlsOptions { read, .. }| read(matches))
}

/// The options of a record, in a build that can write one.
fn record_options() -> Option<RecordArguments> {
    recording::built()
}

/// Adds the options of a record to a command.
pub(super) fn with_record(command: Command) -> Command {
    match record_options() {
        Some(RecordArguments { add, .. }) => add(command),
        None => command,
    }
}

/// The record that was asked for.
pub(super) fn record(matches: &ArgMatches) -> Option<RecordSettings> {
    record_options().and_then(|RecordArguments { read, .. }| read(matches))
}

/// A message to send.
#[derive(Debug)]
struct Send {
    options: SendOptions,
    record: Option<RecordSettings>,
    /// The file of the message; standard input without one.
    file: Option<PathBuf>,
    /// The user to log in as.
    user: Option<String>,
}

impl Run for Send {
    fn run(self: Box<Self>) -> Result<(), Failed> {
        let is_verbose = self.options.verbose;
        let mut opening = send::read(self.options, self.file.as_deref(), self.user.as_deref())?;
        let mut world = send::world(&opening)?;
        if let (Some(settings), Some(RecordArguments { watch, .. })) =
            (&self.record, record_options())
        {
            world = watch(settings, &mut opening, world)?;
        }
        let mut stdout = io::stdout().lock();
        Ok(send::deliver(&opening, &world, is_verbose, &mut stdout)?)
    }
}

fn command(command: Command) -> Command {
    let login = AUTH.then(|| {
        value(
            "auth",
            "USER",
            "Log in; the password is MAILOOP_PASSWORD of the environment, or asked for",
        )
        .conflicts_with("helo")
    });
    let command = command
        .about("Send one message")
        .args(envelope())
        .args(dialogue())
        .arg(
            Arg::new("FILE")
                .help("The message, any line ends [default: standard input]")
                .value_parser(value_parser!(PathBuf)),
        );
    with_record(with_tls(command, Some("helo")).args(login))
}

/// The options that say from where to where the message goes.
fn envelope() -> [Arg; 3] {
    [
        value(
            "server",
            "HOST:PORT",
            "The server; also [IPV6]:PORT or unix:PATH",
        )
        .required(true)
        .value_parser(server_address),
        value("from", "ADDR", "The reverse-path; <> for none")
            .required(true)
            .value_parser(reverse_path),
        value("to", "ADDR", "A recipient; repeatable")
            .required(true)
            .action(ArgAction::Append)
            .value_parser(mailbox),
    ]
}

/// The options that say how the client talks with the server.
fn dialogue() -> [Arg; 4] {
    [
        value(
            "helo",
            "NAME",
            "Say HELO NAME, the textbook way, instead of EHLO",
        )
        .value_parser(hello_name),
        value(
            "end-of-data",
            "TEXT",
            "End the message with this line, and send it exactly as given",
        )
        .value_parser(values::end_text),
        value(
            "timeout",
            "SECS",
            "How long to wait for the server at each step",
        )
        .default_value("60")
        .value_parser(values::seconds),
        flag("verbose", "Show the dialogue").short('v'),
    ]
}

fn request(matches: &ArgMatches, _: fn() -> Command) -> Result<Request, Failed> {
    Ok(Request::to_run(Send {
        options: options(matches, server(matches, "server")?),
        record: record(matches),
        file: matches.get_one::<PathBuf>("FILE").cloned(),
        user: user(matches),
    }))
}

fn options(matches: &ArgMatches, server: Endpoint) -> SendOptions {
    let end_text = matches.get_one::<Option<EndText>>("end-of-data");
    SendOptions {
        server,
        from: matches
            .get_one("from")
            .cloned()
            .unwrap_or(ReversePath::Null),
        to: matches
            .get_many::<Mailbox>("to")
            .map(|to| to.cloned().collect())
            .unwrap_or_default(),
        message: Vec::new(),
        helo: matches.get_one::<String>("helo").cloned(),
        encryption: encryption(matches),
        login: None,
        end_of_data: end_text
            .map(|text| text.as_ref().map_or(".", |text| text.as_str()).to_owned()),
        timeout: matches.get_one("timeout").copied().unwrap_or_default(),
        verbose: matches.get_flag("verbose"),
    }
}

/// The user to log in as.
fn user(matches: &ArgMatches) -> Option<String> {
    matches
        .try_get_one::<String>("auth")
        .ok()
        .flatten()
        .cloned()
}

pub(super) fn mailbox(text: &str) -> Result<Mailbox, String> {
    let bare = text
        .strip_prefix('<')
        .and_then(|text| text.strip_suffix('>'))
        .unwrap_or(text);
    // The client does not speak SMTPUTF8.
    bare.parse()
        .ok()
        .filter(Mailbox::is_ascii)
        .ok_or_else(|| "write an address, as user@example.org".to_owned())
}

pub(super) fn reverse_path(text: &str) -> Result<ReversePath, String> {
    if text.is_empty() || text == "<>" {
        Ok(ReversePath::Null)
    } else {
        mailbox(text).map(ReversePath::Mailbox)
    }
}

fn hello_name(text: &str) -> Result<String, String> {
    let printable = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    if printable {
        Ok(text.to_owned())
    } else {
        Err("write a name, as client.example.org".to_owned())
    }
}
