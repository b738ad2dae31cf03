//! The store process as a child of the server: started, let end, killed. It is the same program, and works on the disk so
//! that the event loop never blocks for it.

use std::io::{self, ErrorKind, PipeReader, PipeWriter, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::ioctl_fionbio;
use rustix::pipe::fcntl_setpipe_size;

use super::client::StoreClient;

/// The command that starts a store process.
pub const COMMAND: &str = "store-process";
/// The running program, even if its file was replaced since it began to run.
pub const THIS_PROGRAM: &str = "/proc/self/exe";
/// The capacity of the pipe for requests, if the system grants it.
const PIPE_BYTES: usize = 1024 * 1024;
/// The most bytes that are read at once while the process starts.
const READ_BYTES: usize = 4 * 1024;
/// The most time that the process gets to finish.
const FINISH_TIMEOUT: Timespec = Timespec {
    tv_sec: 2,
    tv_nsec: 0,
};

/// The server's ends of the two pipes to a store process, both non-blocking. The process ends when they close.
#[derive(Debug)]
pub struct StorePipes {
    /// The process's standard input.
    pub requests: PipeWriter,
    /// The process's standard output.
    pub reports: PipeReader,
}

/// A store process that runs.
///
/// Dropped with its pipes it lets the process finish, and waits a while for that. Whoever has taken the pipes gives them
/// back before.
#[derive(Debug)]
pub(super) struct StoreChild {
    child: Child,
    /// Kept until the event loop takes them, and from when it gives them back.
    pipes: Option<StorePipes>,
}

/// The reasons why there is no store process.
#[derive(Debug)]
pub(super) enum StartError {
    /// The system starts none, or what it starts is not mailoop.
    NoProcess(io::Error),
    /// The process cannot work in that folder.
    Store(io::Error),
}

impl StoreChild {
    /// Lets `program`, which is mailoop, work for the store in the folder `root`, which is there. It blocks until the
    /// process is ready: nobody is served before.
    pub(super) fn start(
        program: &Path,
        root: &Path,
        mailboxes_max: usize,
        group_max: usize,
    ) -> Result<(Self, StoreClient), StartError> {
        let (child, mut pipes) =
            spawn(program, root, mailboxes_max, group_max).map_err(StartError::NoProcess)?;
        let client = await_ready(&mut pipes.reports)?;
        // From here on nothing blocks for it.
        let unblocked =
            ioctl_fionbio(&pipes.requests, true).and_then(|()| ioctl_fionbio(&pipes.reports, true));
        unblocked.map_err(|error| StartError::NoProcess(error.into()))?;
        let pipes = Some(pipes);
        Ok((Self { child, pipes }, client))
    }

    /// Takes the pipes, once.
    pub(super) fn take_pipes(&mut self) -> Option<StorePipes> {
        self.pipes.take()
    }

    /// Gives the pipes back.
    pub(super) fn return_pipes(&mut self, pipes: StorePipes) {
        self.pipes = Some(pipes);
    }

    /// Kills the process: it must write no more when another takes its place.
    pub(super) fn kill(mut self) {
        self.pipes = None;
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for StoreChild {
    /// Lets the process end, which delivers what it was given, and waits a while for that: whoever waits for the server to
    /// end expects that nothing goes on after it.
    fn drop(&mut self) {
        let Some(StorePipes { requests, reports }) = self.pipes.take() else {
            return;
        };
        drop(requests);
        let mut closed = [PollFd::new(&reports, PollFlags::empty())];
        if let Ok(1) = poll(&mut closed, Some(&FINISH_TIMEOUT)) {
            let _ = self.child.wait();
        } else {
            log::warn!(
                "warning=\"the store process still waits for the disk, and is left alone with that\""
            );
        }
    }
}

fn spawn(
    program: &Path,
    root: &Path,
    mailboxes_max: usize,
    group_max: usize,
) -> io::Result<(Child, StorePipes)> {
    let (request_reader, requests) = io::pipe()?;
    let (reports, report_writer) = io::pipe()?;
    // A pipe that stays small is only slower.
    let _ = fcntl_setpipe_size(&requests, PIPE_BYTES);
    let child = Command::new(program)
        .arg0("mailoop")
        .arg(COMMAND)
        .args([mailboxes_max, group_max].map(|number| number.to_string()))
        .current_dir(root)
        .stdin(request_reader)
        .stdout(report_writer)
        .spawn()?;
    Ok((child, StorePipes { requests, reports }))
}

/// Reads reports until the process is ready, or says that it cannot work there.
fn await_ready(reports: &mut PipeReader) -> Result<StoreClient, StartError> {
    let mut client = StoreClient::default();
    let mut buffer = [0; READ_BYTES];
    loop {
        match client.take_start() {
            Some(Ok(())) => return Ok(client),
            Some(Err(error)) => return Err(StartError::Store(error)),
            None => {}
        }
        let read = match reports.read(&mut buffer) {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Ok(received) => client.received(&buffer[..received]),
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(()),
            Err(error) => Err(error),
        };
        read.map_err(StartError::NoProcess)?;
    }
}
