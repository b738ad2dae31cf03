//! The command line of `mailoop catch`: that of `serve`, with what a server for tests does by itself.

use clap::{Arg, ArgMatches, Command};

use super::serve::{argument, given};
use super::subcommand::{Request, Subcommand};
use crate::config::option::{ServeOption, ServerCommand};
use crate::config::options::{self, CATCH_HTTP, CATCH_LISTEN};
use crate::exit::Failed;

/// Options whose default is another than that of `serve`: the default that is shown, and the help.
static OTHERWISE: [(&ServeOption, Option<&str>, &str); 9] = [
    (
        &options::LISTEN.option,
        Some(CATCH_LISTEN),
        "Where to listen: IP:PORT, [IPV6]:PORT (port 0 picks one) or unix:PATH; repeatable",
    ),
    (
        &options::HTTP.option,
        Some(CATCH_HTTP),
        "Where to listen for HTTP: pages, REST as that of Mailpit, /livez, /readyz, /metrics; repeatable",
    ),
    (
        &options::MAILDIR.option,
        None,
        "Deliver to DIR/<domain>/<local-part>/{tmp,new,cur} as well [default: only to memory]",
    ),
    (
        &options::DISCARD.option,
        None,
        "Deliver to no Maildir: always so here without --maildir",
    ),
    (
        &options::DOMAIN.option,
        None,
        "A domain to accept mail for; repeatable [default: any]",
    ),
    (
        &options::TLS_SELF_SIGNED.option,
        None,
        "A certificate that nobody vouches for, made at the start [default: where there is no --tls-cert]",
    ),
    (
        &options::USERS.option,
        None,
        "Those who may log in, as `mailoop passwd` writes them [default: anybody, by PLAIN or LOGIN]",
    ),
    (
        &options::AUTH_INSECURE.option,
        None,
        "Let them log in without TLS: always so here",
    ),
    (
        &options::AUTH_EVERYWHERE.option,
        None,
        "Offer AUTH on every listener: always so here",
    ),
];

/// The headings in the help that come before the others.
const FIRST_HEADINGS: [&str; 3] = ["Where to listen", "What is kept", "HTTP"];

pub(super) fn built() -> Option<Subcommand> {
    Some(Subcommand {
        name: ServerCommand::Catch.name(),
        shown: true,
        command,
        request,
    })
}

fn command(command: Command) -> Command {
    let options = options::of(ServerCommand::Catch);
    let shown = options.filter(|option| !option.hidden);
    let (first, others): (Vec<_>, Vec<_>) =
        shown.partition(|option| FIRST_HEADINGS.contains(&option.heading));
    command
        .about("Catch the mail of tests: keep it in memory, show it by HTTP, send nothing on")
        .after_help(
            "It takes any mail for any domain, and any login, also without TLS. The last messages are kept, and gone when it \
             ends.\n\n\
             Example:\n  \
             mailoop catch &\n  \
             printf 'Subject: hello\\n\\nhi\\n' | mailoop send --server 127.0.0.1:1025 \\\n    \
             --from ann@example.org --to bob@example.com\n  \
             curl http://127.0.0.1:8025/api/v1/message/latest\n\n\
             In a container: mailoop catch --listen 0.0.0.0:1025 --http 0.0.0.0:8025 --http-host mail",
        )
        .args(first.into_iter().chain(others).map(told_otherwise))
}

/// The flag of an option, told as it is here.
fn told_otherwise(option: &'static ServeOption) -> Arg {
    let mut otherwise = OTHERWISE.iter();
    match otherwise.find(|(other, ..)| *other == option) {
        Some((_, default, help)) => argument(option)
            .help(*help)
            .default_values(default.as_slice().to_vec()),
        None => argument(option),
    }
}

fn request(matches: &ArgMatches, _: fn() -> Command) -> Result<Request, Failed> {
    let settings = given(matches, ServerCommand::Catch);
    Ok(Request::Serve(Box::new(settings)))
}
