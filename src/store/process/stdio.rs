//! Standard input and output of a store process: requests come in, reports go out, and lines of its log with them.

use std::io::{self, ErrorKind};
use std::sync::{Mutex, PoisonError};

use bytes::BytesMut;
use log::{Level, LevelFilter, Log, Metadata, Record};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, read, write};
use rustix::stdio::{stdin, stdout};

use super::frame::{next_frame, put_log};

/// The most bytes of requests that are read at once.
const REQUESTS_BYTES_MAX: usize = 256 * 1024;

/// Requests as they come in.
#[derive(Debug)]
pub(crate) struct RequestInput {
    /// The start of a request that is not complete.
    input: BytesMut,
    buffer: Vec<u8>,
}

impl RequestInput {
    /// An input of which nothing was read.
    pub(crate) fn new() -> Self {
        Self {
            input: BytesMut::new(),
            buffer: vec![0; REQUESTS_BYTES_MAX],
        }
    }

    /// Reads requests, waiting for some. Returns whether there may be more: otherwise the server is gone.
    pub(crate) fn receive(&mut self) -> io::Result<bool> {
        match read(stdin(), &mut self.buffer[..]) {
            Ok(0) => return Ok(false),
            Ok(received) => self.input.extend_from_slice(&self.buffer[..received]),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(true)
    }

    /// Takes the next request that was read whole.
    pub(crate) fn next(&mut self) -> Option<BytesMut> {
        next_frame(&mut self.input)
    }
}

/// Waits until there are requests, or the server is gone; for so long at most. Returns whether it came to that.
pub(crate) fn await_requests(timeout: &Timespec) -> io::Result<bool> {
    let mut events = [PollFd::from_borrowed_fd(stdin(), PollFlags::IN)];
    match poll(&mut events, Some(timeout)) {
        Ok(ready) => Ok(ready > 0),
        Err(Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Whether the pipe to the server has room, so that reports that can wait do not keep those that cannot.
#[cfg(feature = "relay")]
pub(crate) fn can_report() -> io::Result<bool> {
    let mut events = [PollFd::from_borrowed_fd(stdout(), PollFlags::OUT)];
    match poll(&mut events, Some(&Timespec::default())) {
        Ok(ready) => Ok(ready > 0),
        Err(Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Rests between two tries, unless the server is gone.
pub(crate) fn rest(time: &Timespec) -> io::Result<()> {
    let mut server = [PollFd::from_borrowed_fd(stdin(), PollFlags::empty())];
    match poll(&mut server, Some(time)) {
        Ok(0) | Err(Errno::INTR) => Ok(()),
        Ok(_) => Err(ErrorKind::BrokenPipe.into()),
        Err(error) => Err(error.into()),
    }
}

/// Writes the reports that `put` appends to the server, log lines first.
pub(crate) fn send(put: impl FnOnce(&mut BytesMut)) -> io::Result<()> {
    let mut bytes = BytesMut::new();
    let lines = std::mem::take(&mut *LINES.0.lock().unwrap_or_else(PoisonError::into_inner));
    for (level, line) in lines {
        put_log(&mut bytes, level, &line);
    }
    put(&mut bytes);
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        match write(stdout(), rest) {
            Ok(written) => rest = &rest[written..],
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Has lines of the log go to the server's log, with the next reports.
pub(crate) fn log_to_server() -> io::Result<()> {
    log::set_logger(&LINES).map_err(io::Error::other)?;
    log::set_max_level(LevelFilter::Info);
    Ok(())
}

/// The log of this process.
struct Lines(Mutex<Vec<(Level, String)>>);

static LINES: Lines = Lines(Mutex::new(Vec::new()));

impl Log for Lines {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push((record.level(), record.args().to_string()));
    }

    fn flush(&self) {}
}
