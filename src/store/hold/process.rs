//! The hold process, from inside: it reads requests from standard input and writes reports to standard output.
//!
//! Invariant: the process has no socket, and nothing of it outlives it: it ends when the server does, and its files have no name.

use std::io::{self, ErrorKind};
use std::path::Path;

use super::files::HeldFiles;
use super::ipc::HoldReport;
use crate::store::process::stdio::{self, RequestInput};

/// The command that starts a process for texts on hold. Its argument is the role.
pub const HOLD_COMMAND: &str = "hold-process";

/// Holds texts in files in the current folder until the server is gone.
///
/// # Errors
/// The server cannot be reached.
pub fn run() -> io::Result<()> {
    stdio::log_to_server()?;
    let files = match HeldFiles::open(Path::new(".")) {
        Ok(files) => files,
        Err(error) => return send(&HoldReport::Unable(error)),
    };
    send(&HoldReport::Ready)?;
    match serve(files) {
        // The server has closed its ends.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        served => served,
    }
}

fn serve(mut files: HeldFiles) -> io::Result<()> {
    let mut requests = RequestInput::new();
    while requests.receive()? {
        while let Some(frame) = requests.next() {
            if let Some(report) = files.handle(&frame)? {
                send(&report)?;
            }
        }
    }
    Ok(())
}

fn send(report: &HoldReport) -> io::Result<()> {
    stdio::send(|out| report.write(out))
}
