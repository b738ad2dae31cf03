//! A store process as a child of the server: started, let end, killed.

use std::io::{self, ErrorKind, PipeReader, PipeWriter, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::ioctl_fionbio;
use rustix::pipe::fcntl_setpipe_size;

use super::client::StoreClient;

/// The running program, even if its file was replaced since it began to run.
pub const THIS_PROGRAM: &str = "/proc/self/exe";
/// The capacity of the pipe for requests, if the system grants it.
const PIPE_BYTES: usize = 1024 * 1024;
/// The most bytes that are read at once while the process starts.
const READ_BYTES: usize = 4 * 1024;
/// The most time that the process gets to finish.
pub(super) const FINISH_TIMEOUT: Timespec = Timespec {
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

/// The process's ends of the two pipes.
#[derive(Debug)]
pub(crate) struct ProcessPipes {
    /// The standard input.
    pub(crate) requests: PipeReader,
    /// The standard output.
    pub(crate) reports: PipeWriter,
}

/// The command line of a store process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StoreCommandLine<'a> {
    /// The program, which is mailoop.
    pub(crate) program: &'a Path,
    /// The subcommand, and its arguments.
    pub(crate) arguments: &'a [String],
    /// The folder that it works in, which is there.
    pub(crate) root: &'a Path,
}

/// A store process that runs.
///
/// Dropped with its pipes it lets the process finish, and waits a while for that. Whoever has taken the pipes gives them
/// back before.
#[derive(Debug)]
pub(crate) struct StoreChild {
    child: Child,
    /// Kept until the event loop takes them, and from when it gives them back.
    pipes: Option<StorePipes>,
}

/// The reasons why there is no store process.
#[derive(Debug)]
pub(crate) enum StartError {
    /// The system starts none, or what it starts is not mailoop.
    NoProcess(io::Error),
    /// The process cannot work in that folder.
    Store(io::Error),
}

impl StorePipes {
    /// Makes both pipes, and returns the ends of the process as well.
    pub(crate) fn open() -> io::Result<(Self, ProcessPipes)> {
        let (request_reader, requests) = io::pipe()?;
        let (reports, report_writer) = io::pipe()?;
        // A pipe that stays small is only slower.
        let _ = fcntl_setpipe_size(&requests, PIPE_BYTES);
        let process = ProcessPipes {
            requests: request_reader,
            reports: report_writer,
        };
        Ok((Self { requests, reports }, process))
    }

    /// Has `client` read reports, blocking, until the process is ready, or says that it cannot work there. From then on
    /// nothing blocks for it.
    pub(crate) fn await_start(&mut self, client: &mut impl StoreClient) -> Result<(), StartError> {
        let mut buffer = [0; READ_BYTES];
        loop {
            match client.take_start() {
                Some(Ok(())) => break,
                Some(Err(error)) => return Err(StartError::Store(error)),
                None => {}
            }
            let read = match self.reports.read(&mut buffer) {
                Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
                Ok(received) => client.received(&buffer[..received]),
                Err(error) if error.kind() == ErrorKind::Interrupted => Ok(()),
                Err(error) => Err(error),
            };
            read.map_err(StartError::NoProcess)?;
        }
        self.unblock().map_err(StartError::NoProcess)
    }

    /// Has reads and writes return at once.
    pub(crate) fn unblock(&self) -> io::Result<()> {
        ioctl_fionbio(&self.requests, true)?;
        Ok(ioctl_fionbio(&self.reports, true)?)
    }

    /// Lets the process finish what it was given, and waits a while for that: whoever waits for the server to end expects that
    /// nothing goes on after it. Returns whether it has ended. The process is called `which` in the log.
    pub(crate) fn finish(self, which: &str) -> bool {
        let Self { requests, reports } = self;
        drop(requests);
        let mut closed = [PollFd::new(&reports, PollFlags::empty())];
        let has_ended = matches!(poll(&mut closed, Some(&FINISH_TIMEOUT)), Ok(1));
        if !has_ended {
            log::warn!(
                "warning=\"the {which} process still waits for the disk, and is left alone with that\""
            );
        }
        has_ended
    }
}

impl StoreCommandLine<'_> {
    /// Starts a process with these as its standard input and output.
    pub(crate) fn start(
        &self,
        input: impl Into<Stdio>,
        output: impl Into<Stdio>,
    ) -> io::Result<Child> {
        Command::new(self.program)
            .arg0("mailoop")
            .args(self.arguments)
            .current_dir(self.root)
            .stdin(input)
            .stdout(output)
            .spawn()
    }
}

impl StoreChild {
    /// Starts a store process, whose reports `client` reads. It blocks until the process is ready: nobody is served before.
    pub(crate) fn start(
        command: StoreCommandLine<'_>,
        client: &mut impl StoreClient,
    ) -> Result<Self, StartError> {
        let (mut pipes, process) = StorePipes::open().map_err(StartError::NoProcess)?;
        let started = command.start(process.requests, process.reports);
        let child = started.map_err(StartError::NoProcess)?;
        pipes.await_start(client)?;
        let pipes = Some(pipes);
        Ok(Self { child, pipes })
    }

    /// Takes the pipes, once.
    pub(crate) fn take_pipes(&mut self) -> Option<StorePipes> {
        self.pipes.take()
    }

    /// Gives the pipes back.
    pub(crate) fn return_pipes(&mut self, pipes: StorePipes) {
        self.pipes = Some(pipes);
    }

    /// Kills the process: it must write no more when another takes its place.
    pub(crate) fn kill(mut self) {
        self.pipes = None;
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for StoreChild {
    /// Lets the process end, which delivers what it was given, and waits a while for that.
    fn drop(&mut self) {
        if self.pipes.take().is_some_and(|pipes| pipes.finish("store")) {
            let _ = self.child.wait();
        }
    }
}
