//! The store process, from inside: it reads requests from standard input, and writes reports to standard output.
//! Whatever comes while it waits for the disk makes up the next group.

use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use bytes::BytesMut;
use log::{Level, LevelFilter, Log, Metadata, Record};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, read, write};
use rustix::stdio::{stdin, stdout};

use super::disk::Disk;
use super::engine::Engine;
use super::system::System;
use super::wire::{Report, Request, next_frame};
use crate::store::Ticket;

/// The most bytes of requests that are read before the disk gets its turn.
const REQUESTS_BYTES_MAX: usize = 256 * 1024;
/// How long a start rests while a sibling starts, and how often: ten seconds in all.
pub(super) const START_REST: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 20_000_000,
};
const START_TRIES_MAX: usize = 500;

/// Works for the store in the current folder until the server is gone. Then it drops what is not complete and
/// delivers what is.
///
/// # Errors
/// The server cannot be reached.
pub fn run(mailboxes_max: usize, group_max: usize) -> io::Result<()> {
    log::set_logger(&LINES).map_err(io::Error::other)?;
    log::set_max_level(LevelFilter::Info);

    let mut engine = match start(Path::new("."), mailboxes_max, group_max, rest) {
        Ok(engine) => engine,
        Err(error) => return tell([Report::Unable(error)]),
    };
    let room = engine.mailbox_room();
    tell([
        Report::Free(engine.disk().free_bytes()),
        Report::Ready(engine.instance().to_owned(), room),
    ])?;
    let mut worker = Worker {
        engine,
        input: BytesMut::new(),
        buffer: vec![0; REQUESTS_BYTES_MAX],
        room_told: room,
    };
    worker.work()
}

/// Takes up the work on the store in `root`. While a sibling starts there it tries again after each `rest`, for some
/// seconds: a process that serves nobody yet may wait.
///
/// # Errors
/// What the disk says, or what ends the `rest`.
pub(super) fn start(
    root: &Path,
    mailboxes_max: usize,
    group_max: usize,
    rest: impl Fn() -> io::Result<()>,
) -> io::Result<Engine<System>> {
    for _ in 0..START_TRIES_MAX {
        let disk = System::open(root)?;
        match Engine::start(disk, mailboxes_max, group_max) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => rest()?,
            started => return started,
        }
    }
    Engine::start(System::open(root)?, mailboxes_max, group_max)
}

/// Rests between two tries, unless the server is gone.
fn rest() -> io::Result<()> {
    let mut server = [PollFd::from_borrowed_fd(stdin(), PollFlags::empty())];
    match poll(&mut server, Some(&START_REST)) {
        Ok(0) | Err(Errno::INTR) => Ok(()),
        Ok(_) => Err(ErrorKind::BrokenPipe.into()),
        Err(error) => Err(error.into()),
    }
}

struct Worker {
    engine: Engine<System>,
    /// Requests that are not complete.
    input: BytesMut,
    buffer: Vec<u8>,
    /// How many more mailboxes the server thinks there may be.
    room_told: usize,
}

impl Worker {
    fn work(&mut self) -> io::Result<()> {
        let served = self.serve();
        self.engine.abort_all();
        while self.engine.round() {}
        match served {
            // Killed, it cannot hear any more.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            served => served,
        }
    }

    /// Does what the server asks for until that is gone.
    fn serve(&mut self) -> io::Result<()> {
        let mut has_more = false;
        loop {
            if (!has_more || can_read()?) && !self.take_requests()? {
                return Ok(());
            }
            has_more = self.engine.round();
            self.report()?;
        }
    }

    /// Reads requests, waiting for some, and does what they ask for; whether there may be more.
    fn take_requests(&mut self) -> io::Result<bool> {
        let received = match read(stdin(), &mut self.buffer[..]) {
            Ok(0) => return Ok(false),
            Ok(received) => received,
            Err(Errno::INTR) => return Ok(true),
            Err(error) => return Err(error.into()),
        };
        self.input.extend_from_slice(&self.buffer[..received]);
        self.engine.disk().forget();
        let mut answers = Vec::new();
        while let Some(frame) = next_frame(&mut self.input) {
            let request = Request::read(&frame).ok_or(ErrorKind::InvalidData)?;
            match request {
                Request::Open(ticket, to_make, file_name, groups) => {
                    let to_make = usize::try_from(to_make).unwrap_or(usize::MAX);
                    self.engine
                        .open(ticket, file_name.to_owned(), groups, to_make);
                }
                Request::Text(ticket, text) => self.engine.write(ticket, text),
                Request::Abort(ticket) => {
                    // Nobody is left to hear of a failure.
                    let _ = self.engine.abort(ticket);
                }
                Request::Submit(ticket) => self.engine.submit(ticket),
                Request::Free(ticket) => {
                    answers.push(Report::Answer(ticket, self.engine.disk().free_bytes()));
                }
                Request::Missing(ticket, mailboxes) => {
                    let missing = self.engine.missing(&mailboxes);
                    answers.push(Report::Answer(ticket, missing as u64));
                }
            }
        }
        if !answers.is_empty() {
            // A session waits for each of them, and is not to wait for a sync as well.
            tell(answers)?;
        }
        Ok(true)
    }

    /// Tells what came of it all.
    fn report(&mut self) -> io::Result<()> {
        let room = self.engine.mailbox_room();
        let changed = room != self.room_told;
        self.room_told = room;
        let mut reports: Vec<_> = self.engine.made().map(made).collect();
        reports.extend(self.engine.settled().map(Report::Settled));
        if !reports.is_empty() {
            reports.push(Report::Free(self.engine.disk().free_bytes()));
        }
        reports.extend(changed.then_some(Report::MailboxRoom(room)));
        tell(reports)
    }
}

fn made((ticket, made): (Ticket, usize)) -> Report {
    Report::Made(ticket, made)
}

/// Whether something came from the server; also, that it is gone.
fn can_read() -> io::Result<bool> {
    let mut events = [PollFd::from_borrowed_fd(stdin(), PollFlags::IN)];
    match poll(&mut events, Some(&Timespec::default())) {
        Ok(ready) => Ok(ready > 0),
        Err(Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Writes reports to the server, log lines first.
fn tell(reports: impl IntoIterator<Item = Report>) -> io::Result<()> {
    let mut bytes = BytesMut::new();
    let lines = std::mem::take(&mut *LINES.0.lock().unwrap_or_else(PoisonError::into_inner));
    for (level, line) in lines {
        Report::Log(level, line).write(&mut bytes);
    }
    for report in reports {
        report.write(&mut bytes);
    }
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

/// The log of this process is the server's.
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
