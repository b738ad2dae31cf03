//! A file, pipe, terminal or socket for log lines, written without ever waiting for its reader.

use std::env;
use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, Mode, OFlags, fstat, open};
use rustix::io::{Errno, write};
use rustix::net::{SendFlags, send};
use rustix::pipe::PIPE_BUF;
use rustix::stdio::stderr;

/// A log file tells who writes to whom, which is not everybody's business.
const LOG_FILE_MODE: u32 = 0o640;
/// Standard error, to be opened once more.
const STDERR_AGAIN: &str = "/proc/self/fd/2";

/// An open file, pipe, terminal or socket.
pub(super) struct Sink {
    descriptor: OwnedFd,
    mode: WriteMode,
}

/// A way not to block.
#[derive(Clone, Copy, PartialEq, Eq)]
enum WriteMode {
    /// For a file, or an open file description of our own with O_NONBLOCK. That flag belongs to the description, which
    /// standard error may share with a shell or another server, and those would not expect it.
    Plain,
    /// For a socket: each call may say so.
    Socket,
    /// For a shared pipe or terminal that cannot be opened once more: where poll(2) finds room, PIPE_BUF octets fit.
    Polled,
}

impl Sink {
    /// Opens a log file, and makes it where it is missing.
    pub(super) fn file(path: &Path) -> io::Result<Self> {
        let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
        let mut options = OpenOptions::new();
        options.append(true).create(true).mode(LOG_FILE_MODE);
        options.custom_flags(flags.bits().cast_signed());
        let descriptor = options.open(path)?.into();
        let mode = WriteMode::Plain;
        Ok(Self { descriptor, mode })
    }

    /// Takes standard error, whatever that is.
    pub(super) fn stderr() -> io::Result<Self> {
        let shared = || stderr().try_clone_to_owned();
        let (descriptor, mode) = match FileType::from_raw_mode(fstat(stderr())?.st_mode) {
            FileType::Socket => (shared()?, WriteMode::Socket),
            FileType::Fifo | FileType::CharacterDevice => {
                let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
                match open(STDERR_AGAIN, flags, Mode::empty()) {
                    Ok(own) => (own, WriteMode::Plain),
                    Err(_) => (shared()?, WriteMode::Polled),
                }
            }
            _ => (shared()?, WriteMode::Plain),
        };
        Ok(Self { descriptor, mode })
    }

    /// Whether the journal of systemd reads it: `JOURNAL_STREAM` names device and inode (systemd.exec(5)). The variable alone
    /// says nothing, since standard error may have been redirected since.
    pub(super) fn is_the_journal(&self) -> bool {
        let named = env::var("JOURNAL_STREAM").unwrap_or_default();
        fstat(&self.descriptor)
            .is_ok_and(|stat| named == format!("{}:{}", stat.st_dev, stat.st_ino))
    }

    /// Writes as much as fits now.
    ///
    /// # Errors
    /// `Errno::AGAIN` if nothing does; anything else if it never will.
    pub(super) fn write(&self, bytes: &[u8]) -> Result<usize, Errno> {
        loop {
            let written = match self.mode {
                WriteMode::Plain => write(&self.descriptor, bytes),
                WriteMode::Socket => {
                    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
                    send(&self.descriptor, bytes, flags)
                }
                WriteMode::Polled if !self.has_room(Timespec::default()) => Err(Errno::AGAIN),
                WriteMode::Polled => write(&self.descriptor, &bytes[..bytes.len().min(PIPE_BUF)]),
            };
            match written {
                Err(Errno::INTR) => {}
                Ok(0) if !bytes.is_empty() => return Err(Errno::IO),
                written => return written,
            }
        }
    }

    /// Waits until there is room again; whether there was before the `deadline`.
    pub(super) fn await_room(&self, deadline: Instant) -> bool {
        let left = deadline.saturating_duration_since(Instant::now());
        !left.is_zero() && Timespec::try_from(left).is_ok_and(|left| self.has_room(left))
    }

    /// Whether something can be written within that time, even if only an error comes of it.
    fn has_room(&self, timeout: Timespec) -> bool {
        let mut events = [PollFd::from_borrowed_fd(
            self.descriptor.as_fd(),
            PollFlags::OUT,
        )];
        poll(&mut events, Some(&timeout)).is_ok_and(|ready| ready > 0)
    }
}
