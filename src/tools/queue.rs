//! `mailoop queue`: an operator looks at mail that waits to be sent on, and changes it. The server that has the spool answers by its
//! control socket.

mod client;
mod offline;
mod print;
mod words;

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::control::queue::{QUEUE_SOCKET, QueueAction, QueueSelection};
use crate::exit::{ExitCode, Failed};
use crate::net::dialer::Dialer;
use crate::net::endpoint::SocketAddress;
use crate::net::engine::Engine;
use crate::store::spool::MailId;
use client::{QueueBoard, QueueClient};
use print::{QueuePicture, QueuePrinter};

/// Time for the server to be connected to.
const DIAL_TIMEOUT: Duration = Duration::from_secs(10);

/// What an operator wants of a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueueErrand {
    /// All mail.
    List {
        /// Whether as JSON.
        is_json: bool,
    },
    /// One mail.
    Show(MailId),
    /// The sites.
    Sites,
    /// A change of each of these selections.
    Change(QueueAction, Vec<QueueSelection>),
}

impl QueueErrand {
    /// The lines that ask the server for it.
    fn commands(&self) -> Vec<String> {
        let change = |action: &QueueAction, selection: &QueueSelection| {
            let name = match action {
                QueueAction::Hold => "hold",
                QueueAction::Release => "release",
                QueueAction::Retry => "retry",
                QueueAction::Delete => "delete",
            };
            format!("{name} {selection}\n")
        };
        match self {
            Self::List { .. } => vec!["list\n".to_owned()],
            Self::Show(mail) => vec![format!("show {mail}\n")],
            Self::Sites => vec!["sites\n".to_owned()],
            Self::Change(action, selections) => selections
                .iter()
                .map(|selection| change(action, selection))
                .collect(),
        }
    }

    /// The form in which the answer is shown.
    fn picture(&self) -> QueuePicture {
        match self {
            Self::List { is_json: true } => QueuePicture::Json,
            Self::List { is_json: false } => QueuePicture::List,
            Self::Show(_) => QueuePicture::Whole,
            Self::Sites => QueuePicture::Sites,
            Self::Change(action, _) => QueuePicture::Changed(*action),
        }
    }
}

/// Runs the command.
///
/// # Errors
/// There is no server, or no such mail; or standard output cannot be written.
pub fn run(spool: &Path, errand: &QueueErrand) -> Result<(), Failed> {
    let mut printer = QueuePrinter::new(errand.picture());
    let board = QueueBoard::new(errand.commands(), QueuePrinter::new(errand.picture()));
    let error = match connect(spool, board) {
        Ok(engine) => match ask(engine)? {
            Asked::Answered(result) => return result,
            Asked::Unreachable(error) => error,
        },
        Err(error) => error,
    };
    let is_down = matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::ConnectionRefused
    );
    if error.kind() == io::ErrorKind::PermissionDenied {
        return Err(Failed::new(
            ExitCode::Unavailable,
            format_args!(
                "cannot connect to the server of the spool {}: {error}; run this as the user of the server, or as root",
                spool.display()
            ),
        ));
    }
    if is_down {
        offline::check(spool)?;
    }
    match errand {
        QueueErrand::List { .. } if is_down => offline::show(spool, None, &mut printer),
        QueueErrand::Show(mail) if is_down => offline::show(spool, Some(*mail), &mut printer),
        _ => Err(Failed::new(
            ExitCode::Unavailable,
            format_args!(
                "no server has the spool {}: {error}; name another one with --spool",
                spool.display()
            ),
        )),
    }
}

/// Connects to the server that has a spool.
fn connect(spool: &Path, board: QueueBoard) -> io::Result<Engine<QueueClient>> {
    let mut engine: Engine<QueueClient> = Engine::new(Vec::new(), board)?;
    let mut dialer = Dialer::new(vec![SocketAddress::Unix(spool.join(QUEUE_SOCKET))]);
    let socket = dialer.dial()?;
    let now = Instant::now();
    engine.dial(
        socket,
        QueueClient::new(now),
        dialer.peer(),
        now + DIAL_TIMEOUT,
    )?;
    Ok(engine)
}

/// What came of asking a server.
enum Asked {
    /// It has answered, or ended.
    Answered(Result<(), Failed>),
    /// There is none.
    Unreachable(io::Error),
}

/// Has the server answer all commands.
fn ask(mut engine: Engine<QueueClient>) -> Result<Asked, Failed> {
    while !engine.connections().shared().is_over() {
        let ticked = engine.tick(None, |_, _| None, |_, _| {});
        ticked.map_err(|error| Failed::new(ExitCode::Io, format_args!("poll failed: {error}")))?;
    }
    Ok(engine.connections().shared_mut().take_result())
}
