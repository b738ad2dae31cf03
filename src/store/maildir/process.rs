//! The store process, from inside: it reads requests from standard input and writes reports to standard output. Messages
//! that arrive while it blocks for the disk make up the next group commit.
//!
//! Invariant: the process has no socket, and no other state than the folder: it ends when the server does, and what it
//! never reported is in no acknowledged message.

use std::io::{self, ErrorKind};
use std::path::Path;

use rustix::event::Timespec;

use super::disk::Disk;
use super::group_commit::CommitEngine;
use super::ipc::{StoreReport, StoreRequest};
use super::system::System;
use crate::store::process::stdio::{self, RequestInput};

/// The command that starts a store process.
pub const COMMAND: &str = "store-process";
/// A start rests for so long while a sibling starts, and so often: ten seconds in all.
pub(super) const START_REST: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 20_000_000,
};
const START_TRIES_MAX: usize = 500;
/// The most reads of requests before a round, which drain a full pipe.
const READS_PER_ROUND_MAX: usize = 4;

/// Works for the store in the current folder until the server is gone. Then open messages are dropped and complete ones
/// delivered.
///
/// # Errors
/// The server cannot be reached.
pub fn run(mailboxes_max: usize, group_max: usize) -> io::Result<()> {
    stdio::log_to_server()?;
    let rest = || stdio::rest(&START_REST);
    let mut engine = match start(Path::new("."), mailboxes_max, group_max, rest) {
        Ok(engine) => engine,
        Err(error) => return send([StoreReport::Unable(error)]),
    };
    let room = engine.mailbox_room();
    send([
        StoreReport::Free(engine.disk().free_bytes()),
        StoreReport::Ready(engine.instance().to_owned(), room),
    ])?;
    let mut process = StoreProcess {
        engine,
        requests: RequestInput::new(),
        reported_room: room,
    };
    process.work()
}

/// Starts the work on the store in `root`. While a sibling starts there it tries again after each `rest`, for some
/// seconds: a process that serves nobody yet may wait.
///
/// # Errors
/// An error of the disk, or one that ends the `rest`.
pub(super) fn start(
    root: &Path,
    mailboxes_max: usize,
    group_max: usize,
    rest: impl Fn() -> io::Result<()>,
) -> io::Result<CommitEngine<System>> {
    for _ in 0..START_TRIES_MAX {
        let disk = System::open(root)?;
        match CommitEngine::start(disk, mailboxes_max, group_max) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => rest()?,
            started => return started,
        }
    }
    CommitEngine::start(System::open(root)?, mailboxes_max, group_max)
}

/// The loop of a store process.
struct StoreProcess {
    engine: CommitEngine<System>,
    requests: RequestInput,
    /// The number of mailboxes that may still be made, as the server knows it.
    reported_room: usize,
}

impl StoreProcess {
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

    /// Handles requests until the server is gone.
    fn serve(&mut self) -> io::Result<()> {
        let mut has_more = false;
        loop {
            // As many messages as are here share the next round, and what it costs.
            for reads in 0..READS_PER_ROUND_MAX {
                let may_wait = reads == 0 && !has_more;
                if !may_wait && !stdio::await_requests(&Timespec::default())? {
                    break;
                }
                if !self.take_requests()? {
                    return Ok(());
                }
            }
            has_more = self.engine.round();
            self.report()?;
        }
    }

    /// Reads requests, waiting for some, and handles them. Returns whether there may be more.
    fn take_requests(&mut self) -> io::Result<bool> {
        if !self.requests.receive()? {
            return Ok(false);
        }
        self.engine.disk().forget();
        let mut answers = Vec::new();
        while let Some(frame) = self.requests.next() {
            let request = StoreRequest::read(&frame).ok_or(ErrorKind::InvalidData)?;
            answers.extend(self.handle(request));
        }
        if !answers.is_empty() {
            // A session waits for each of them, and is not to wait for an fsync as well.
            send(answers)?;
        }
        Ok(true)
    }

    /// Handles a request, and returns the answer if it is a query.
    fn handle(&mut self, request: StoreRequest<'_>) -> Option<StoreReport> {
        match request {
            StoreRequest::Open(ticket, to_make, names, groups) => {
                let to_make = usize::try_from(to_make).unwrap_or(usize::MAX);
                self.engine.open_named(ticket, names, groups, to_make);
            }
            StoreRequest::Text(ticket, text) => self.engine.write(ticket, text),
            StoreRequest::Abort(ticket) => {
                // Nobody is left to hear of a failure.
                let _ = self.engine.abort(ticket);
            }
            StoreRequest::Submit(ticket) => self.engine.submit(ticket),
            StoreRequest::Free(ticket) => {
                let free = self.engine.disk().free_bytes();
                return Some(StoreReport::Answer(ticket, free));
            }
            StoreRequest::Missing(ticket, mailboxes) => {
                let missing = self.engine.missing(&mailboxes);
                return Some(StoreReport::Answer(ticket, missing as u64));
            }
        }
        None
    }

    /// Reports what was settled, and what changed with it.
    fn report(&mut self) -> io::Result<()> {
        let room = self.engine.mailbox_room();
        let changed = room != self.reported_room;
        self.reported_room = room;
        let made = self.engine.made();
        let mut reports: Vec<_> = made
            .map(|(ticket, made)| StoreReport::Made(ticket, made))
            .collect();
        reports.extend(self.engine.settled().map(StoreReport::Settled));
        if !reports.is_empty() {
            reports.push(StoreReport::Free(self.engine.disk().free_bytes()));
        }
        reports.extend(changed.then_some(StoreReport::MailboxRoom(room)));
        send(reports)
    }
}

/// Writes reports to the server.
fn send(reports: impl IntoIterator<Item = StoreReport>) -> io::Result<()> {
    stdio::send(|out| {
        let reports = reports.into_iter();
        reports.for_each(|report| report.write(out));
    })
}
