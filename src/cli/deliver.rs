//! The command line of `mailoop deliver`: of the options of a server those that one without a listener for mail has.

use clap::{Arg, ArgMatches, Command};

use super::serve::{argument, given};
use super::subcommand::{Request, Subcommand};
use crate::config::option::{ServeOption, ServerCommand};
use crate::config::options;
use crate::exit::Failed;

/// Options whose help is another than that of `serve`.
static OTHERWISE: [(&ServeOption, &str); 3] = [
    (
        &options::STREAM.option,
        "The stream of NATS JetStream: nats://HOST:PORT[,HOST:PORT]/STREAM, with options after a ?, joined by &: user=NAME, \
         tls=none|encrypt|verify, ca=FILE, wait=no|yes",
    ),
    (
        &options::HOSTNAME.option,
        "The end of file names [default: the machine's]",
    ),
    (
        &options::EXIT_AFTER.option,
        "End in good order after so many messages were delivered; 0 for never",
    ),
];

/// The heading in the help that comes first.
const FIRST_HEADING: &str = "A stream behind the edge";

pub(super) fn built() -> Option<Subcommand> {
    Some(Subcommand {
        name: ServerCommand::Deliver.name(),
        shown: true,
        command,
        request,
    })
}

fn command(command: Command) -> Command {
    let options = options::of(ServerCommand::Deliver);
    let shown = options.filter(|option| !option.hidden);
    let (first, others): (Vec<_>, Vec<_>) =
        shown.partition(|option| option.heading == FIRST_HEADING);
    command
        .about("Take mail out of a stream into Maildirs, each message once")
        .after_help(
            "Any number of these may run on one stream, with one Maildir or many. A message that cannot be delivered is set \
             aside after five tries, on mail.aside.ID, and the log says why.\n\n\
             Example:\n  \
             mailoop deliver --stream nats://n1:4222,n2:4222,n3:4222/MAIL --maildir /var/lib/mailoop/mail",
        )
        .args(first.into_iter().chain(others).map(told_otherwise))
}

/// The flag of an option, told as it is here.
fn told_otherwise(option: &'static ServeOption) -> Arg {
    let mut otherwise = OTHERWISE.iter();
    match otherwise.find(|(other, _)| *other == option) {
        Some((_, help)) => argument(option).help(*help),
        None => argument(option),
    }
}

fn request(matches: &ArgMatches, _: fn() -> Command) -> Result<Request, Failed> {
    let settings = given(matches, ServerCommand::Deliver);
    Ok(Request::Serve(Box::new(settings)))
}
