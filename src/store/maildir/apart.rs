//! The store process, seen from the server: the same program, which does the work on the disk so that the server
//! never waits for it. Two pipes lead to it and back; when they close, it ends.

use std::collections::HashSet;
use std::io::{self, ErrorKind, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command};

use bytes::{Buf, BytesMut};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::ioctl_fionbio;
use rustix::pipe::fcntl_setpipe_size;

use super::wire::{Report, Request, next_frame};
use crate::store::{Finished, Ticket};

/// The command that starts a store process.
pub const COMMAND: &str = "store-process";
/// This program, also if its file was replaced since it began to run.
pub const THIS_PROGRAM: &str = "/proc/self/exe";
/// So many bytes a pipe holds, if the system lets it.
const PIPE_BYTES: usize = 1024 * 1024;
/// With so many bytes that do not fit into the pipe, no more message text is taken, and complete messages wait. One turn
/// may go past it: an envelope, or the text of one read.
const QUEUE_HIGH_WATER_BYTES: usize = 256 * 1024;
/// How many bytes are read at once.
const READ_BYTES: usize = 4 * 1024;
/// The most memory that the queue holds on to when it is empty.
const QUEUE_KEPT_BYTES: usize = 64 * 1024;

/// How long the process may take to finish.
const FINISH_TIMEOUT: Timespec = Timespec {
    tv_sec: 2,
    tv_nsec: 0,
};

/// A store process that runs.
#[derive(Debug)]
pub(super) struct Apart {
    requests: PipeWriter,
    reports: PipeReader,
    /// Requests that are to be written.
    queue: BytesMut,
    /// Whether the pipe had no room for them.
    is_full: bool,
    /// Reports that are to be read.
    input: BytesMut,
    submitted: HashSet<Ticket>,
    /// Messages that are open there.
    open: usize,
    /// What was reported beside messages that are settled, since it was last taken.
    pub(super) news: Vec<News>,
    /// The start of the queue ids of its instance.
    pub(super) instance: String,
    /// How many mailboxes may still be made.
    pub(super) mailbox_room: usize,
    child: Child,
}

/// A report that concerns no message that is settled.
#[derive(Clone, Copy, Debug)]
pub(super) enum News {
    /// The answer to a question.
    Answer(Ticket, u64),
    /// How many bytes are free.
    Free(u64),
    /// How many mailboxes were made for a message.
    Made(Ticket, usize),
}

/// Why there is no store process.
#[derive(Debug)]
pub(super) enum StartError {
    /// None can be started here.
    NoProcess(io::Error),
    /// It cannot work in that folder.
    Store(io::Error),
}

impl Apart {
    /// Lets `program`, which is mailoop, work for the store in the folder `root`, which is there.
    pub(super) fn start(
        program: &Path,
        root: &Path,
        mailboxes_max: usize,
        group_max: usize,
    ) -> Result<Self, StartError> {
        let mut apart =
            Self::spawn(program, root, mailboxes_max, group_max).map_err(StartError::NoProcess)?;
        apart.await_ready()?;
        // From here on nothing waits for it.
        let unblocked =
            ioctl_fionbio(&apart.requests, true).and_then(|()| ioctl_fionbio(&apart.reports, true));
        unblocked.map_err(|error| StartError::NoProcess(error.into()))?;
        Ok(apart)
    }

    fn spawn(
        program: &Path,
        root: &Path,
        mailboxes_max: usize,
        group_max: usize,
    ) -> io::Result<Self> {
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
        Ok(Self {
            requests,
            reports,
            queue: BytesMut::new(),
            is_full: false,
            input: BytesMut::new(),
            submitted: HashSet::new(),
            open: 0,
            news: Vec::new(),
            instance: String::new(),
            mailbox_room: 0,
            child,
        })
    }

    fn await_ready(&mut self) -> Result<(), StartError> {
        loop {
            match self.next_report() {
                Some(Report::Ready(instance, room)) => {
                    self.instance = instance;
                    self.mailbox_room = room;
                    return Ok(());
                }
                Some(Report::Unable(error)) => return Err(StartError::Store(error)),
                Some(report) => self.heed(report, &mut Vec::new()),
                None => self.read().map_err(StartError::NoProcess)?,
            }
        }
    }

    /// Puts a request behind those that are to be written at the next [`exchange`](Self::exchange).
    pub(super) fn ask(&mut self, request: &Request<'_>) {
        match request {
            Request::Open(..) => self.open += 1,
            Request::Abort(_) => self.open = self.open.saturating_sub(1),
            Request::Submit(ticket) => {
                self.open = self.open.saturating_sub(1);
                self.submitted.insert(*ticket);
            }
            Request::Text(..) | Request::Free(_) | Request::Missing(..) => {}
        }
        request.write(&mut self.queue);
    }

    /// Writes what can be written and reads what can be read.
    ///
    /// # Errors
    /// The process is gone.
    pub(super) fn exchange(&mut self, finished: &mut Vec<Finished>) -> io::Result<()> {
        self.write()?;
        loop {
            while let Some(report) = self.next_report() {
                self.heed(report, finished);
            }
            match self.read() {
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                read => read?,
            }
        }
    }

    /// Whether [`exchange`](Self::exchange) has something to do at once.
    pub(super) fn is_pending(&self) -> bool {
        !self.queue.is_empty() && !self.is_full
    }

    /// Whether it has messages to work on, and so may not answer at once.
    pub(super) fn is_busy(&self) -> bool {
        self.open > 0 || !self.submitted.is_empty()
    }

    /// Whether so much is to be written that there should not be more.
    pub(super) fn is_congested(&self) -> bool {
        self.queue.len() >= QUEUE_HIGH_WATER_BYTES
    }

    /// Both pipes tell when there is something to [`exchange`](Self::exchange).
    pub(super) fn pipes(&self) -> [BorrowedFd<'_>; 2] {
        [self.requests.as_fd(), self.reports.as_fd()]
    }

    /// Ends the process, and returns the messages of which it has told nothing.
    pub(super) fn end(mut self) -> Vec<Ticket> {
        // It must write no more when somebody else goes on in its place.
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.submitted.into_iter().collect()
    }

    /// Lets the process end, which delivers what it was given, and waits a while for that: whoever waits for the
    /// server to end expects that nothing goes on behind it.
    pub(super) fn finish(self) {
        let Self {
            requests,
            reports,
            mut child,
            ..
        } = self;
        drop(requests);
        let mut closed = [PollFd::new(&reports, PollFlags::empty())];
        if let Ok(1) = poll(&mut closed, Some(&FINISH_TIMEOUT)) {
            let _ = child.wait();
        } else {
            log::warn!(
                "warning=\"the store process still waits for the disk, and is left alone with that\""
            );
        }
    }

    fn write(&mut self) -> io::Result<()> {
        self.is_full = false;
        while !self.queue.is_empty() {
            match self.requests.write(&self.queue) {
                Ok(written) => self.queue.advance(written),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.is_full = true;
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        if self.queue.capacity() > QUEUE_KEPT_BYTES {
            self.queue = BytesMut::new();
        }
        Ok(())
    }

    fn read(&mut self) -> io::Result<()> {
        let mut bytes = [0; READ_BYTES];
        match self.reports.read(&mut bytes) {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Ok(received) => {
                self.input.extend_from_slice(&bytes[..received]);
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn next_report(&mut self) -> Option<Report> {
        let frame = next_frame(&mut self.input)?;
        Report::read(&frame)
    }

    fn heed(&mut self, report: Report, finished: &mut Vec<Finished>) {
        match report {
            Report::Settled(message) => {
                self.submitted.remove(&message.ticket);
                finished.push(message);
            }
            Report::MailboxRoom(room) => self.mailbox_room = room,
            Report::Made(ticket, made) => self.news.push(News::Made(ticket, made)),
            Report::Answer(ticket, number) => self.news.push(News::Answer(ticket, number)),
            Report::Free(bytes) => self.news.push(News::Free(bytes)),
            Report::Log(level, text) => log::log!(level, "{text}"),
            Report::Ready(..) | Report::Unable(_) => {}
        }
    }
}
