//! The command line of `mailoop send`.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

#[cfg(feature = "tls")]
use super::encryption;
use super::{Request, value};
use crate::client::send::SendOptions;
use crate::config::values;
use crate::exit::{ExitCode, Failed};
use crate::net::endpoint::Endpoint;
use crate::smtp::data::EndText;
use crate::smtp::path::{Mailbox, ReversePath};

pub(super) fn command() -> Command {
    let command = Command::new("send")
        .about("Send one message")
        .arg(
            value(
                "server",
                "HOST:PORT",
                "The server; also [IPV6]:PORT or unix:PATH",
            )
            .required(true)
            .value_parser(server_address),
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
            .value_parser(values::end_text),
        )
        .arg(
            value(
                "timeout",
                "SECS",
                "How long to wait for the server at each step",
            )
            .default_value("60")
            .value_parser(values::seconds),
        )
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
        );
    #[cfg(feature = "tls")]
    let command = encryption::add_to(command);
    #[cfg(feature = "auth")]
    let command = command.arg(
        value(
            "auth",
            "USER",
            "Log in; the password is MAILOOP_PASSWORD of the environment, or asked for",
        )
        .conflicts_with("helo"),
    );
    command
}

/// What was asked for.
///
/// # Errors
/// There is no server.
pub(super) fn request(matches: &ArgMatches) -> Result<Request, Failed> {
    let options = options(matches, server(matches)?);
    let message = matches.get_one::<PathBuf>("FILE").cloned();
    Ok(Request::Send(Box::new(options), message, user(matches)))
}

/// The server that is asked for.
pub(super) fn server(matches: &ArgMatches) -> Result<Endpoint, Failed> {
    let server: Option<&Endpoint> = matches.get_one("server");
    let missing = || Failed::new(ExitCode::Usage, "name a server with --server");
    server.cloned().ok_or_else(missing)
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
        #[cfg(feature = "tls")]
        encryption: encryption::read(matches),
        #[cfg(not(feature = "tls"))]
        encryption: None,
        login: None,
        end_of_data: end_text
            .map(|text| text.as_ref().map_or(".", |text| text.as_str()).to_owned()),
        timeout: matches.get_one("timeout").copied().unwrap_or_default(),
        verbose: matches.get_flag("verbose"),
    }
}

/// As whom to log in.
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

/// Reads the address of a server. Whether there is one shows only when it is connected to.
pub(super) fn server_address(text: &str) -> Result<Endpoint, String> {
    text.parse()
        .map_err(|_| "write HOST:PORT, as mail.example.org:25, or unix:PATH".to_owned())
}

fn hello_name(text: &str) -> Result<String, String> {
    let printable = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    if printable {
        Ok(text.to_owned())
    } else {
        Err("write a name, as client.example.org".to_owned())
    }
}
