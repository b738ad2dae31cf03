//! The record process: a child of the recording program that writes what comes through a pipe to the file. It waits for the disk, so
//! that the loop never does.

use std::fs::{File, OpenOptions, Permissions, TryLockError};
use std::io::{self, ErrorKind, PipeWriter, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command};
use std::rc::Rc;
use std::time::Instant;

use bytes::{Buf, BytesMut};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::io::{Errno, ioctl_fionbio};
use rustix::pipe::fcntl_setpipe_size;
#[cfg(target_os = "linux")]
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use rustix::stdio::{stdin, stdout};

use super::{RecordOptions, RecordSink, Recorder};
use crate::exit::{ExitCode, Failed};
use crate::store::THIS_PROGRAM;

/// The command that starts a record process.
pub use crate::signals::RECORD_PROCESS as COMMAND;
/// The capacity of the pipe, if the system grants it.
const PIPE_BYTES: usize = 1024 * 1024;
const READ_BYTES: usize = 64 * 1024;
/// A record tells who writes to whom.
const FILE_MODE: u32 = 0o600;
/// The most time that the process gets to finish.
const FINISH_TIMEOUT: Timespec = Timespec {
    tv_sec: 2,
    tv_nsec: 0,
};

/// How often the lock of a file is tried, and the rest between.
const LOCK_TRIES: usize = 100;
const LOCK_REST: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 20_000_000,
};

/// Begins a record in a new file, by a process of its own.
///
/// # Errors
/// The file cannot be opened, or the process not be started.
pub fn record_in(file: &Path, options: RecordOptions) -> Result<Rc<Recorder>, Failed> {
    let process = RecordProcess::start(file).map_err(|error| {
        let file = file.display();
        Failed::new(
            ExitCode::CannotCreate,
            format_args!("cannot record in {file}: {error}; choose another --record"),
        )
    })?;
    Ok(Recorder::start(options, Box::new(process), Instant::now))
}

/// Locks the file for the record process, which inherits it. That of a program which was killed may still be at its end.
fn lock(file: &File) -> io::Result<()> {
    for _ in 0..LOCK_TRIES {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => match poll(&mut [], Some(&LOCK_REST)) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            },
            Err(TryLockError::Error(error)) => return Err(error),
            Ok(()) => return Ok(()),
        }
    }
    Err(io::Error::other("another program records in it"))
}

/// The pipe to a record process.
#[derive(Debug)]
pub struct RecordProcess {
    child: Child,
    /// Its standard input, until the record ends.
    pipe: Option<PipeWriter>,
}

impl RecordProcess {
    /// Opens the file, emptied where it is there, and starts a process that writes to it. The process has it locked, so that two
    /// programs do not write into one record.
    ///
    /// # Errors
    /// The file cannot be opened or is being written, or the process not be started.
    pub fn start(path: &Path) -> io::Result<Self> {
        let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
        let mut options = OpenOptions::new();
        // It may be another's: it is emptied when it is ours.
        options.write(true).create(true).truncate(false);
        options
            .mode(FILE_MODE)
            .custom_flags(flags.bits().cast_signed());
        let file = options.open(path)?;
        if file.metadata()?.is_file() {
            lock(&file)?;
            file.set_len(0)?;
            file.set_permissions(Permissions::from_mode(FILE_MODE))?;
        }
        let (reader, pipe) = io::pipe()?;
        // A pipe that stays small is only slower.
        let _ = fcntl_setpipe_size(&pipe, PIPE_BYTES);
        let child = Command::new(THIS_PROGRAM)
            .arg0("mailoop")
            .arg(COMMAND)
            .stdin(reader)
            .stdout(file)
            .spawn()?;
        ioctl_fionbio(&pipe, true)?;
        let pipe = Some(pipe);
        Ok(Self { child, pipe })
    }

    /// Why the process has ended by itself: the error of its file, as its exit code tells.
    fn failure(&mut self) -> io::Error {
        match self.child.wait() {
            Ok(status) => match status.code() {
                Some(errno) if errno > 0 => io::Error::from_raw_os_error(errno),
                _ => io::Error::other(format!("the record process has ended: {status}")),
            },
            Err(error) => error,
        }
    }
}

impl RecordSink for RecordProcess {
    fn write(&mut self, octets: &mut BytesMut) -> io::Result<()> {
        while let Some(pipe) = &mut self.pipe
            && !octets.is_empty()
        {
            match pipe.write(octets) {
                Ok(written) => octets.advance(written),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(_) => {
                    self.pipe = None;
                    return Err(self.failure());
                }
            }
        }
        Ok(())
    }

    fn wait(&mut self, octets: &mut BytesMut) -> io::Result<()> {
        self.write(octets)?;
        while let Some(pipe) = &self.pipe
            && !octets.is_empty()
        {
            await_readiness(PollFd::new(pipe, PollFlags::OUT))?;
            self.write(octets)?;
        }
        Ok(())
    }

    /// Waits a while for room and for the process to write everything: who waits for the program to end expects that the record
    /// is there.
    fn finish(&mut self, octets: &mut BytesMut) -> io::Result<()> {
        self.wait(octets)?;
        if self.pipe.take().is_some() {
            // A disk that hangs is left to the process.
            #[cfg(target_os = "linux")]
            await_readiness(PollFd::new(
                &pidfd_open(Pid::from_child(&self.child), PidfdFlags::empty())?,
                PollFlags::IN,
            ))?;
            self.child.wait()?;
        }
        Ok(())
    }
}

/// Waits until a descriptor is ready, for as long as the process may take.
fn await_readiness(descriptor: PollFd<'_>) -> io::Result<()> {
    let mut awaited = [descriptor];
    loop {
        match poll(&mut awaited, Some(&FINISH_TIMEOUT)) {
            Ok(0) => return Err(ErrorKind::TimedOut.into()),
            Ok(_) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Writes what comes in at standard input to standard output, which is the file of a record, until there is no more.
///
/// # Errors
/// As of the file.
pub fn run() -> io::Result<()> {
    let mut input = File::from(stdin().try_clone_to_owned()?);
    let mut output = File::from(stdout().try_clone_to_owned()?);
    let mut buffer = vec![0; READ_BYTES];
    loop {
        match input.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(read) => output.write_all(&buffer[..read])?,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
