//! The commands of the control socket, in one table.

use std::time::Duration;

#[cfg(feature = "relay")]
use super::queue::{
    ListCursor, QueueAction, QueueChange, QueueRequest, QueueSelection, ShowCursor,
};
#[cfg(feature = "relay")]
use crate::store::spool::MailId;

/// The shortest interval of `watch`.
const WATCH_INTERVAL_MIN: Duration = Duration::from_millis(50);
/// The longest interval of `watch`.
const WATCH_INTERVAL_MAX: Duration = Duration::from_secs(3600);

/// A question to the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ControlRequest {
    /// The line about the loop.
    Loop,
    /// The line about the loop, then all connections.
    Snapshot,
    /// The connections whose keys are not less than this.
    Connections(usize),
    /// The queue, or a change of it.
    #[cfg(feature = "relay")]
    Queue(QueueRequest),
}

impl ControlRequest {
    /// Whether it is a change, or the rest of one, of which its client is to hear.
    pub(super) fn is_change(&self) -> bool {
        match self {
            Self::Loop | Self::Snapshot | Self::Connections(_) => false,
            #[cfg(feature = "relay")]
            Self::Queue(request) => matches!(request, QueueRequest::Change(_)),
        }
    }
}

/// A command line that was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ControlCommand {
    /// The commands are told.
    Help,
    /// The server answers.
    Ask(ControlRequest),
    /// A snapshot is told again and again, at this interval.
    Watch(Duration),
    /// The connection ends.
    Quit,
}

/// A row of the table.
pub(super) struct CommandRow {
    name: &'static str,
    /// The placeholder of its argument; empty for a command that has none.
    argument: &'static str,
    help: &'static str,
    parse: fn(&str) -> Option<ControlCommand>,
}

/// The table of commands, in the order of the help.
pub(super) const COMMANDS: &[CommandRow] = &[
    CommandRow {
        name: "help",
        argument: "",
        help: "these lines",
        parse: |_| Some(ControlCommand::Help),
    },
    CommandRow {
        name: "loop",
        argument: "",
        help: "a line about the event loop",
        parse: |_| Some(ControlCommand::Ask(ControlRequest::Loop)),
    },
    CommandRow {
        name: "connections",
        argument: "",
        help: "a line about each connection",
        parse: |_| Some(ControlCommand::Ask(ControlRequest::Connections(0))),
    },
    CommandRow {
        name: "snapshot",
        argument: "",
        help: "both of these",
        parse: |_| Some(ControlCommand::Ask(ControlRequest::Snapshot)),
    },
    CommandRow {
        name: "watch",
        argument: "MILLISECONDS",
        help: "a snapshot now and after each such time, until the next command",
        parse: |argument| interval(argument).map(ControlCommand::Watch),
    },
    #[cfg(feature = "relay")]
    CommandRow {
        name: "list",
        argument: "",
        help: "a line about each mail in the queue, and one about each recipient",
        parse: |_| queue(QueueRequest::List(ListCursor::default())),
    },
    #[cfg(feature = "relay")]
    CommandRow {
        name: "show",
        argument: "ID",
        help: "all about one of them, with its header",
        parse: |argument| {
            let mail = MailId::from_queue_id(argument)?;
            queue(QueueRequest::Show(mail, ShowCursor::Recipients(0)))
        },
    },
    #[cfg(feature = "relay")]
    CommandRow {
        name: "sites",
        argument: "",
        help: "a line about each site that mail goes to",
        parse: |_| queue(QueueRequest::Sites(None)),
    },
    #[cfg(feature = "relay")]
    CommandRow {
        name: "hold",
        argument: "SELECTION",
        help: "mail is not sent; SELECTION is all, ID, or domain=D older=SECONDS sender=<A>",
        parse: |argument| change(QueueAction::Hold, argument),
    },
    #[cfg(feature = "relay")]
    CommandRow {
        name: "release",
        argument: "SELECTION",
        help: "mail is sent again",
        parse: |argument| change(QueueAction::Release, argument),
    },
    #[cfg(feature = "relay")]
    CommandRow {
        name: "retry",
        argument: "SELECTION",
        help: "mail is tried at once",
        parse: |argument| change(QueueAction::Retry, argument),
    },
    #[cfg(feature = "relay")]
    CommandRow {
        name: "delete",
        argument: "SELECTION",
        help: "mail is taken off the queue",
        parse: |argument| change(QueueAction::Delete, argument),
    },
    CommandRow {
        name: "quit",
        argument: "",
        help: "the end of the connection",
        parse: |_| Some(ControlCommand::Quit),
    },
];

impl CommandRow {
    /// The line of help.
    pub(super) fn help_line(&self) -> String {
        let usage = format!("{} {}", self.name, self.argument);
        format!("help {usage:<20} {}\n", self.help)
    }
}

/// Reads a command line without its end.
///
/// # Errors
/// What is wrong, without anything of the line.
pub(super) fn parse(line: &[u8]) -> Result<ControlCommand, String> {
    let line = str::from_utf8(line).unwrap_or_default().trim();
    let (name, argument) = line.split_once(' ').unwrap_or((line, ""));
    let row = COMMANDS.iter().find(|row| row.name == name);
    let row = row.ok_or("no such command; write help")?;
    if row.argument.is_empty() && !argument.is_empty() {
        return Err(format!("{} has no argument", row.name));
    }
    let wrong = || format!("write {} {}", row.name, row.argument);
    (row.parse)(argument.trim()).ok_or_else(wrong)
}

#[cfg(feature = "relay")]
fn queue(request: QueueRequest) -> Option<ControlCommand> {
    Some(ControlCommand::Ask(ControlRequest::Queue(request)))
}

/// A change of the mail that `argument` selects.
#[cfg(feature = "relay")]
fn change(action: QueueAction, argument: &str) -> Option<ControlCommand> {
    let change = QueueChange::new(action, QueueSelection::parse(argument)?);
    queue(QueueRequest::Change(Box::new(change)))
}

/// Reads an interval in milliseconds. What is out of bounds becomes the bound.
fn interval(text: &str) -> Option<Duration> {
    let interval = Duration::from_millis(text.parse().ok()?);
    Some(interval.clamp(WATCH_INTERVAL_MIN, WATCH_INTERVAL_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read() {
        let watch = |milliseconds| ControlCommand::Watch(Duration::from_millis(milliseconds));
        for (line, command) in [
            ("help", ControlCommand::Help),
            (" loop\r", ControlCommand::Ask(ControlRequest::Loop)),
            (
                "connections",
                ControlCommand::Ask(ControlRequest::Connections(0)),
            ),
            ("watch 250", watch(250)),
            ("watch  0", watch(50)),
            ("watch 18446744073709551615", watch(3_600_000)),
            ("quit", ControlCommand::Quit),
        ] {
            assert_eq!(parse(line.as_bytes()), Ok(command), "{line}");
        }
        for line in ["", "LOOP", "loop 1", "watch", "watch -1", "watch 1 2", "q"] {
            assert!(parse(line.as_bytes()).is_err(), "{line}");
        }
        assert!(parse(b"\xff\xfe").is_err());
    }
}
