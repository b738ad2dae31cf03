//! The command line of `mailoop expect`.

use std::env;
use std::path::Path;
use std::time::Duration;

use clap::builder::NonEmptyStringValueParser;
use clap::{ArgMatches, Command, value_parser};
use regex_lite::Regex;

use super::subcommand::{Request, Run, Subcommand, value};
use crate::config::http_token;
use crate::config::options::CATCH_HTTP;
use crate::exit::{ExitCode, Failed};
use crate::net::endpoint::Endpoint;
use crate::tools::expect::{self, ExpectedMail, PagesServer, WantedMail};

/// The variable that names another place, as it does for `mailoop catch`.
const PLACE_VARIABLE: &str = "MAILOOP_HTTP";
/// The variable that names the file with the token, likewise.
const TOKEN_VARIABLE: &str = "MAILOOP_HTTP_TOKEN";
/// The longest that is waited.
const WITHIN_MAX: u64 = 86_400;

pub(super) fn built() -> Option<Subcommand> {
    Some(Subcommand {
        name: "expect",
        shown: true,
        command,
        request,
    })
}

impl Run for ExpectedMail {
    fn run(self: Box<Self>) -> Result<(), Failed> {
        expect::run(&self)
    }
}

fn command(command: Command) -> Command {
    command
        .about("Wait for a message in the inbox of tests, and print what is wanted of it")
        .after_help(
            "Exit code 0 if it came, with what was extracted on standard output; 1 if not, with what came instead and the last \
             sessions; 64 for a bad expression; 69 without a server. As in: mailoop expect --to ann@example.org \
             --extract 'code is (\\d+)'",
        )
        .arg(value(
            "http",
            "ADDR",
            "The server's pages, as http://HOST:PORT, HOST:PORT or unix:PATH [default: $MAILOOP_HTTP, or 127.0.0.1:8025]",
        ))
        .arg(
            value("http-token", "FILE", "Show the server the token in FILE [default: $MAILOOP_HTTP_TOKEN, or none]")
                .value_parser(NonEmptyStringValueParser::new()),
        )
        .arg(
            value("to", "ADDRESS", "A recipient, also of the envelope; a part of an address if it has no name before its @")
                .value_parser(NonEmptyStringValueParser::new()),
        )
        .arg(value("from", "ADDRESS", "The sender likewise").value_parser(NonEmptyStringValueParser::new()))
        .arg(value("subject", "RE", "A regular expression that is found in the subject").value_parser(regex))
        .arg(value("body", "RE", "One that is found in the decoded text or HTML").value_parser(regex))
        .arg(
            value("within", "SECS", "How long to wait")
                .default_value("10")
                .value_parser(value_parser!(u64).range(0..=WITHIN_MAX)),
        )
        .arg(
            value("count", "N", "Exactly so many messages; 0 waits until the time is up")
                .value_parser(value_parser!(u32)),
        )
        .arg(
            value("extract", "RE", "Print what this finds in the text or HTML: its first group, or else all of it")
                .value_parser(regex),
        )
}

fn regex(text: &str) -> Result<Regex, String> {
    // A variable that was not set must not fit every message.
    if text.is_empty() {
        return Err("an empty expression is found everywhere".to_owned());
    }
    Regex::new(text).map_err(|error| format!("no regular expression: {error}"))
}

fn request(matches: &ArgMatches, _: fn() -> Command) -> Result<Request, Failed> {
    let text = |name: &str| matches.get_one::<String>(name).cloned();
    let regex = |name: &str| matches.get_one::<Regex>(name).cloned();
    let variable = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    let place = text("http").or_else(|| variable(PLACE_VARIABLE));
    let token = text("http-token").or_else(|| variable(TOKEN_VARIABLE));
    let seconds = matches.get_one::<u64>("within").copied().unwrap_or(0);
    Ok(Request::to_run(ExpectedMail {
        server: PagesServer {
            address: server(place.as_deref().unwrap_or(CATCH_HTTP))?,
            token: token.as_deref().map(token_in).transpose()?,
        },
        wanted: WantedMail {
            to: text("to"),
            from: text("from"),
            subject: regex("subject"),
            body: regex("body"),
            extract: regex("extract"),
        },
        count: matches.get_one::<u32>("count").map(|count| *count as usize),
        within: Duration::from_secs(seconds),
    }))
}

/// The token in the file of this name.
fn token_in(file: &str) -> Result<String, Failed> {
    http_token(Path::new(file))
        .map_err(|why| Failed::new(ExitCode::Usage, format_args!("--http-token {file}: {why}")))
}

/// The server that is named by a URL, or by an address as `mailoop catch` takes it.
fn server(named: &str) -> Result<Endpoint, Failed> {
    let wrong = || {
        let message = format!(
            "--http {named}: write http://HOST:PORT, HOST:PORT or unix:PATH, as {CATCH_HTTP}"
        );
        Failed::new(ExitCode::Usage, message)
    };
    let url = named.strip_prefix("http://");
    let place = url.unwrap_or(named).trim_end_matches('/');
    let is_path = place.starts_with("unix:");
    if place.is_empty() || place.contains('/') && !is_path {
        return Err(wrong());
    }
    let has_port = place
        .rsplit_once(':')
        .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    match url.is_some() && !has_port && !is_path {
        true => format!("{place}:80").parse(),
        false => place.parse(),
    }
    .map_err(|_| wrong())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_named_by_a_url_or_an_address() {
        for (named, read) in [
            ("http://127.0.0.1:8025", Some("127.0.0.1:8025")),
            ("http://localhost:8025/", Some("localhost:8025")),
            ("http://mail.example", Some("mail.example:80")),
            ("http://[::1]", Some("[::1]:80")),
            ("127.0.0.1:8025", Some("127.0.0.1:8025")),
            ("[::1]:8025", Some("[::1]:8025")),
            ("localhost:8025", Some("localhost:8025")),
            ("unix:/run/mail", Some("unix:/run/mail")),
            ("http://unix:/run/mail", Some("unix:/run/mail")),
            ("localhost", None),
            ("8025", None),
            ("", None),
            ("http://", None),
            ("https://localhost:8025", None),
            ("http://localhost:8025/api", None),
            ("unix:", None),
        ] {
            let server = server(named).ok().map(|server| server.to_string());
            assert_eq!(server.as_deref(), read, "{named}");
        }
    }

    #[test]
    fn what_was_not_set_is_refused() {
        for option in ["--to", "--from", "--subject", "--body", "--extract"] {
            let parsed =
                command(Command::new("expect")).try_get_matches_from(["expect", option, ""]);
            assert!(parsed.is_err(), "{option}");
        }
    }
}
