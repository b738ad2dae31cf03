//! The spool process, from inside: it reads requests from standard input and writes reports to standard output. Messages and
//! changes that arrive while it blocks for the disk make up the next group commit.
//!
//! Each turn takes the requests that wait, commits one group, and then does a bounded piece of what can wait: finds messages
//! of earlier processes, reads ahead for the loop, makes room. So mail is accepted at once after a start, however long the
//! queue is.
//!
//! Invariant: the process has no socket, and no other state than the folder. It ends when the server does, after it has made
//! durable what it was given; what it never reported is in no acknowledged message.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::mem;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::event::Timespec;

use super::drafts::big_path;
use super::engine::SpoolEngine;
use super::handover::{FoundMail, SettledMail, SpoolOptions};
use super::ipc::{ReadSource, SpoolReport, SpoolRequest};
use super::segment::segment_path;
use super::system::SpoolSystem;
use crate::store::process::stdio::{self, RequestInput};
use crate::store::{Ticket, unix_seconds};

/// Rests until the next look at what can wait: found messages wait for room in the pipe; there is work that failed and is to be
/// tried again; or there is none, and only the age of segments changes.
const ROOM_REST: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 1_000_000,
};
const RETRY_REST: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};
const IDLE_REST: Timespec = Timespec {
    tv_sec: 30,
    tv_nsec: 0,
};
const NO_REST: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 0,
};
/// A start rests for so long while the process before it ends, and so often: a second in all.
const START_REST: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 10_000_000,
};
const START_TRIES_MAX: usize = 100;
/// Backpressure: with so many found messages that wait for room in the pipe, the scan rests.
const FOUND_MAX: usize = 4096;
/// The most octets of found messages that are reported at once, so that the report of a settled message never waits for more.
const FOUND_BYTES_MAX: usize = 16 * 1024;
/// The most octets that are read ahead at once.
const READ_AHEAD_BYTES_MAX: u64 = 1 << 20;

/// Works for the spool in the current folder until the server is gone. Then open messages are dropped, and complete ones and
/// changes made durable.
///
/// # Errors
/// The server cannot be reached.
pub fn run(options: SpoolOptions) -> io::Result<()> {
    stdio::log_to_server()?;
    let mut engine = match start(options) {
        Ok(engine) => engine,
        Err(error) => return send([SpoolReport::Unable(error)]),
    };
    let free = engine.free_bytes();
    let instance = engine.instance();
    send([SpoolReport::Free(free), SpoolReport::Ready(instance)])?;
    let process = SpoolProcess {
        engine,
        requests: RequestInput::new(),
        found: VecDeque::new(),
        is_scanning: true,
        has_reported_end: false,
        changes_reported: 0,
        reads: Vec::new(),
        is_free_asked: false,
    };
    process.work()
}

/// Starts the engine, and waits a while for a process that is about to end.
fn start(options: SpoolOptions) -> io::Result<SpoolEngine<SpoolSystem>> {
    let mut tries = 0;
    loop {
        let disk = SpoolSystem::open(Path::new("."))?;
        match SpoolEngine::start(disk, options, now_seconds()) {
            Err(error) if error.kind() == ErrorKind::WouldBlock && tries < START_TRIES_MAX => {
                tries += 1;
                stdio::rest(&START_REST)?;
            }
            started => return started,
        }
    }
}

fn now_seconds() -> u32 {
    u32::try_from(unix_seconds()).unwrap_or(u32::MAX)
}

/// The loop of a spool process.
struct SpoolProcess {
    engine: SpoolEngine<SpoolSystem>,
    requests: RequestInput,
    /// Messages that were found and not reported yet.
    found: VecDeque<FoundMail>,
    is_scanning: bool,
    has_reported_end: bool,
    /// The number of durable changes, as the server knows it.
    changes_reported: u64,
    /// Octets that are to be read ahead.
    reads: Vec<(Ticket, ReadSource, u64, u64)>,
    /// Whether the server has asked how many octets are free.
    is_free_asked: bool,
}

impl SpoolProcess {
    fn work(mut self) -> io::Result<()> {
        let served = match self.serve() {
            // Killed, it cannot hear any more. What it had written before is in the pipe.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => self.read_to_end(),
            served => served,
        };
        while self.engine.round() {}
        self.engine.close();
        served
    }

    /// Handles the requests of a server that hears no reports any more.
    fn read_to_end(&mut self) -> io::Result<()> {
        while self.take_requests()? {
            while self.engine.round() {}
            // There is nobody to be told.
            self.engine.settled();
            self.engine.reported();
        }
        Ok(())
    }

    /// Handles requests until the server is gone.
    fn serve(&mut self) -> io::Result<()> {
        let mut rest = NO_REST;
        loop {
            if stdio::await_requests(&rest)? && !self.take_requests()? {
                return Ok(());
            }
            self.engine.set_time(now_seconds());
            let has_more = self.engine.round();
            self.report()?;
            self.read_ahead()?;
            self.scan()?;
            // What was found is reported first: the place that it was found at is older than one that it is moved to.
            let has_room_to_make = self.found.is_empty() && self.engine.compact();
            self.report_moved()?;
            let can_scan = self.engine.can_scan() && self.found.len() < FOUND_MAX;
            rest = if has_more || has_room_to_make || can_scan {
                NO_REST
            } else if !self.found.is_empty() {
                ROOM_REST
            } else if self.engine.is_pending() || self.is_scanning {
                RETRY_REST
            } else {
                IDLE_REST
            };
        }
    }

    /// Reads requests and handles them. Returns whether there may be more.
    fn take_requests(&mut self) -> io::Result<bool> {
        if !self.requests.receive()? {
            return Ok(false);
        }
        while let Some(frame) = self.requests.next() {
            let request = SpoolRequest::read(&frame).ok_or(ErrorKind::InvalidData)?;
            self.handle(request);
        }
        Ok(true)
    }

    fn handle(&mut self, request: SpoolRequest<'_>) {
        match request {
            SpoolRequest::Open(ticket, mail, recipients, envelope) => {
                self.engine.open(ticket, mail, recipients, envelope);
            }
            SpoolRequest::Text(ticket, text) => self.engine.write(ticket, text),
            SpoolRequest::Hold(ticket) => self.engine.hold(ticket),
            SpoolRequest::Abort(ticket) => self.engine.abort(ticket),
            SpoolRequest::Submit(ticket) => self.engine.submit(ticket),
            SpoolRequest::Change(change) => self.engine.change(change.into_owned()),
            SpoolRequest::ReadAhead(ticket, source, at, octets) => {
                self.reads.push((ticket, source, at, octets));
            }
            SpoolRequest::Free => self.is_free_asked = true,
        }
    }

    /// Reports what was settled, and what changed with it.
    fn report(&mut self) -> io::Result<()> {
        let mut reports: Vec<_> = self.engine.settled().map(SpoolReport::Settled).collect();
        let has_stored = reports.iter().any(|report| {
            let SpoolReport::Settled(SettledMail { result, .. }) = report else {
                return false;
            };
            result.is_ok()
        });
        if mem::take(&mut self.is_free_asked) || has_stored {
            reports.push(SpoolReport::Free(self.engine.free_bytes()));
        }
        let reported = self.engine.reported();
        reports.extend(reported.map(|(mail, place)| SpoolReport::Reported(mail, place)));
        let durable = self.engine.changes_durable();
        if durable != self.changes_reported {
            self.changes_reported = durable;
            reports.push(SpoolReport::ChangesDurable(durable));
        }
        send(reports)
    }

    /// Reads ahead what the loop could not read without waiting. An error is for the loop to meet.
    fn read_ahead(&mut self) -> io::Result<()> {
        let mut buffer = Vec::new();
        let reads = mem::take(&mut self.reads);
        send(reads.into_iter().map(|(ticket, source, at, octets)| {
            let path = match source {
                ReadSource::Segment(number) => segment_path(number),
                ReadSource::Big(mail) => big_path(mail),
            };
            let octets = octets.min(READ_AHEAD_BYTES_MAX);
            buffer.resize(usize::try_from(octets).unwrap_or(0), 0);
            if let Ok(file) = File::open(path) {
                let _ = file.read_at(&mut buffer, at);
            }
            SpoolReport::ReadAhead(ticket)
        }))
    }

    /// Looks for messages of earlier processes, and reports those that were found as far as the pipe takes them.
    fn scan(&mut self) -> io::Result<()> {
        if self.is_scanning && self.found.len() < FOUND_MAX {
            let mut found = Vec::new();
            self.is_scanning = self.engine.scan(&mut found);
            self.found.extend(found);
        }
        while !self.found.is_empty() && stdio::can_report()? {
            let mut octets = 0;
            let mut reports = Vec::new();
            while octets < FOUND_BYTES_MAX
                && let Some(found) = self.found.pop_front()
            {
                octets += found.envelope.len();
                reports.push(SpoolReport::Found(found));
            }
            send(reports)?;
        }
        if !self.is_scanning && self.found.is_empty() && !self.has_reported_end {
            self.has_reported_end = true;
            send([SpoolReport::ScanEnded])?;
        }
        Ok(())
    }

    fn report_moved(&mut self) -> io::Result<()> {
        let moved = self.engine.moved();
        let moved: Vec<_> = moved
            .map(|(mail, place)| SpoolReport::Moved(mail, place))
            .collect();
        send(moved)
    }
}

/// Writes reports to the server.
fn send(reports: impl IntoIterator<Item = SpoolReport>) -> io::Result<()> {
    stdio::send(|out| {
        let reports = reports.into_iter();
        reports.for_each(|report| report.write(out));
    })
}
