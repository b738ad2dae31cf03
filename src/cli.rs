//! The command line: what there is to be said, and what was.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{NonEmptyStringValueParser, PossibleValuesParser, RangedU64ValueParser};
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use log::LevelFilter;

use crate::client::send::SendOptions;
use crate::config::{self, Config, DEFAULT_LISTEN, Delivery};
use crate::exit::{ExitCode, Failed};
use crate::server::{Limits, ListenAddress};
use crate::smtp::data::EndText;
use crate::smtp::line::BareNewline;
use crate::smtp::path::{Mailbox, ReversePath};
use crate::smtp::policy::Policy;

/// What was asked for.
#[derive(Debug)]
pub enum Request {
    /// Receive mail.
    Serve(Box<Config>),
    /// Send one message, read from the file or from standard input.
    Send(Box<SendOptions>, Option<PathBuf>),
    /// Show this text.
    Show(String),
}

/// Reads a command line, the program's name at its start.
///
/// # Errors
/// What is wrong with it, in one line.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Request, Failed> {
    let matches = match command().try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) => return usage(&error),
    };
    match matches.subcommand() {
        Some(("serve", matches)) => serve(matches).map(|config| Request::Serve(Box::new(config))),
        Some(("send", matches)) => {
            let message = matches.get_one::<PathBuf>("FILE").cloned();
            Ok(Request::Send(Box::new(send(matches)), message))
        }
        _ => Ok(Request::Show(command().render_help().to_string())),
    }
}

/// What clap found, in one line; or what it was asked to show.
fn usage(error: &clap::Error) -> Result<Request, Failed> {
    let text = error.render().to_string();
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    ) {
        return Ok(Request::Show(text));
    }
    let lines = text
        .lines()
        .map(str::trim)
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"));
    let line = lines
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join(" ");
    let line = line.strip_prefix("error: ").unwrap_or(&line);
    Err(Failed::new(
        ExitCode::Usage,
        format_args!("{line} (see mailoop --help)"),
    ))
}

fn command() -> Command {
    Command::new("mailoop")
        .version(env!("CARGO_PKG_VERSION"))
        .about("A mail server in one thread")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(serve_command())
        .subcommand(send_command())
}

fn value(name: &'static str, placeholder: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(placeholder).help(help)
}

fn seconds(name: &'static str, default: &'static str, help: &'static str) -> Arg {
    value(name, "SECS", help)
        .default_value(default)
        .value_parser(config::seconds)
}

fn count(name: &'static str, least: u64, default: &'static str, help: &'static str) -> Arg {
    let parser = RangedU64ValueParser::<u32>::new().range(least..);
    value(name, "N", help)
        .default_value(default)
        .value_parser(parser)
}

fn serve_command() -> Command {
    Command::new("serve")
        .about("Receive mail; runs with no option at all")
        .arg(
            value("listen", "ADDR", "Where to listen: IP:PORT, [IPV6]:PORT (port 0 picks one) or unix:PATH; repeatable")
                .action(ArgAction::Append)
                .default_value(DEFAULT_LISTEN)
                .value_parser(config::listen_address),
        )
        .arg(value("hostname", "NAME", "The name in the greeting and the trace header [default: the machine's]").value_parser(config::domain))
        .arg(
            value("maildir", "DIR", "Deliver to DIR/<domain>/<local-part>/{tmp,new,cur}")
                .default_value("./mail")
                .value_parser(value_parser!(PathBuf)),
        )
        .arg(
            Arg::new("discard")
                .long("discard")
                .help("Accept and drop all mail, as a sink")
                .action(ArgAction::SetTrue)
                .conflicts_with("maildir"),
        )
        .arg(
            value("domain", "NAME", "A domain to accept mail for; repeatable [default: any, on loopback and unix sockets only]")
                .action(ArgAction::Append)
                .value_parser(config::domain),
        )
        .arg(count("max-mailboxes", 0, "10000", "How many mailbox folders may come into being by themselves"))
        .arg(
            value("max-message-size", "BYTES", "The largest message; k, M, G may follow")
                .default_value("26214400")
                .value_parser(config::size),
        )
        .arg(count("max-recipients", 1, "100", "The most recipients of a transaction"))
        .arg(count("max-messages-per-session", 0, "0", "The most transactions of a session; 0 for no limit"))
        .arg(count("max-connections", 1, "10000", "The most connections at a time; fewer where descriptors are fewer"))
        .arg(count("max-connections-per-ip", 0, "0", "The most connections from one address; 0 for no limit"))
        .arg(count("max-errors", 1, "20", "How many errors in a row end a session"))
        .arg(seconds("idle-timeout", "300", "How long to wait for a command, or the next bytes of a message"))
        .arg(
            value("min-rate", "BYTES", "The least bytes a second of a message, averaged over an idle timeout")
                .default_value("500")
                .value_parser(config::size),
        )
        .arg(seconds("session-timeout", "3600", "How long a connection may last; no transaction is cut short"))
        .arg(seconds("drain-timeout", "30", "How long transactions in flight may take after SIGTERM"))
        .arg(
            value("end-of-data", "TEXT", "The classroom dialect: a line equal to TEXT ends a message, beside the lone dot")
                .default_value(".")
                .value_parser(config::end_text),
        )
        .arg(
            value("bare-newline", "MODE", "What a line is that ends in a bare LF")
                .default_value("normalize")
                .value_parser(PossibleValuesParser::new(["normalize", "reject", "accept"])),
        )
        .arg(count("exit-after", 0, "0", "End in good order after so many messages were accepted; 0 for never"))
        .arg(
            value("log-level", "LEVEL", "The least urgent lines to log")
                .default_value("info")
                .value_parser(PossibleValuesParser::new(["error", "warn", "info", "debug", "trace"])),
        )
}

fn send_command() -> Command {
    Command::new("send")
        .about("Send one message")
        .arg(
            value(
                "server",
                "HOST:PORT",
                "The server; also [IPV6]:PORT or unix:PATH",
            )
            .required(true)
            .value_parser(NonEmptyStringValueParser::new()),
        )
        .arg(
            value("from", "ADDR", "The reverse-path; <> for none")
                .required(true)
                .value_parser(reverse_path),
        )
        .arg(
            value("to", "ADDR", "A recipient; repeatable")
                .required(true)
                .action(ArgAction::Append)
                .value_parser(mailbox),
        )
        .arg(
            value(
                "helo",
                "NAME",
                "Say HELO NAME, the textbook way, instead of EHLO",
            )
            .value_parser(hello_name),
        )
        .arg(
            value(
                "end-of-data",
                "TEXT",
                "End the message with this line, and send it exactly as given",
            )
            .value_parser(config::end_text),
        )
        .arg(seconds(
            "timeout",
            "60",
            "How long to wait for the server at each step",
        ))
        .arg(
            Arg::new("verbose")
                .short('v')
                .long("verbose")
                .help("Show the dialogue")
                .action(ArgAction::SetTrue),
        )
        .arg(
            Arg::new("FILE")
                .help("The message, any line ends [default: standard input]")
                .value_parser(value_parser!(PathBuf)),
        )
}

fn serve(matches: &ArgMatches) -> Result<Config, Failed> {
    let limits = Limits {
        connections_max: number(matches, "max-connections"),
        connections_per_ip_max: number(matches, "max-connections-per-ip"),
        idle_timeout: time(matches, "idle-timeout"),
        min_rate: matches.get_one("min-rate").copied().unwrap_or_default(),
        session_timeout: time(matches, "session-timeout"),
        drain_timeout: time(matches, "drain-timeout"),
        exit_after: number(matches, "exit-after") as u64,
    };
    let hostname = matches.get_one::<String>("hostname").cloned();
    let end_text = matches
        .get_one::<Option<EndText>>("end-of-data")
        .cloned()
        .flatten();
    let policy = Policy {
        hostname: hostname.unwrap_or_else(config::server_name),
        domains: matches
            .get_many::<String>("domain")
            .map(|domains| domains.cloned().collect())
            .unwrap_or_default(),
        bare_newline: bare_newline(matches, end_text.is_some())?,
        end_text,
        message_bytes_max: matches
            .get_one("max-message-size")
            .copied()
            .unwrap_or(u64::MAX),
        recipients_max: number(matches, "max-recipients"),
        messages_max: number(matches, "max-messages-per-session") as u64,
        errors_max: matches.get_one("max-errors").copied().unwrap_or(u32::MAX),
    };
    let delivery = if matches.get_flag("discard") {
        Delivery::Discard
    } else {
        Delivery::Maildir {
            directory: matches
                .get_one::<PathBuf>("maildir")
                .cloned()
                .unwrap_or_default(),
            mailboxes_max: number(matches, "max-mailboxes"),
        }
    };
    let listen = matches
        .get_many::<ListenAddress>("listen")
        .map(|addresses| addresses.cloned().collect());
    let level = matches
        .get_one::<String>("log-level")
        .and_then(|level| level.parse().ok());
    let config = Config {
        listen: listen.unwrap_or_default(),
        policy,
        limits,
        delivery,
        log_level: level.unwrap_or(LevelFilter::Info),
    };
    config.check()?;
    Ok(config)
}

/// The mode asked for; the classroom dialect implies one.
fn bare_newline(matches: &ArgMatches, classroom: bool) -> Result<BareNewline, Failed> {
    let named =
        matches.value_source("bare-newline") == Some(clap::parser::ValueSource::CommandLine);
    let mode = match matches
        .get_one::<String>("bare-newline")
        .map(String::as_str)
    {
        Some("reject") => BareNewline::Reject,
        Some("accept") => BareNewline::Accept,
        _ => BareNewline::Normalize,
    };
    if classroom && named && mode != BareNewline::Accept {
        return Err(Failed::new(
            ExitCode::Usage,
            "--end-of-data works with --bare-newline accept only, which it implies: leave --bare-newline out",
        ));
    }
    Ok(if classroom { BareNewline::Accept } else { mode })
}

fn number(matches: &ArgMatches, name: &str) -> usize {
    matches
        .get_one::<u32>(name)
        .map_or(0, |number| *number as usize)
}

fn time(matches: &ArgMatches, name: &str) -> Duration {
    matches.get_one(name).copied().unwrap_or_default()
}

fn send(matches: &ArgMatches) -> SendOptions {
    let end_text = matches.get_one::<Option<EndText>>("end-of-data");
    SendOptions {
        server: matches
            .get_one::<String>("server")
            .cloned()
            .unwrap_or_default(),
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
        end_of_data: end_text
            .map(|text| text.as_ref().map_or(".", |text| text.as_str()).to_owned()),
        timeout: time(matches, "timeout"),
        verbose: matches.get_flag("verbose"),
    }
}

fn mailbox(text: &str) -> Result<Mailbox, String> {
    let bare = text
        .strip_prefix('<')
        .and_then(|text| text.strip_suffix('>'))
        .unwrap_or(text);
    bare.parse()
        .map_err(|_| "write an address, as user@example.org".to_owned())
}

fn reverse_path(text: &str) -> Result<ReversePath, String> {
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
