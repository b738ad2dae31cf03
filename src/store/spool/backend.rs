//! The backend of the spool: its process, which is started again whenever it is lost.
//!
//! Invariant: no message that a process had not settled is taken up by the next one. Nobody knows how far it came, so it is
//! refused, and its sender sends it again.

use std::io;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::change::{Change, ChangeCounts};
use super::client::{SpoolClient, gone};
use super::envelope::SpoolEnvelope;
use super::id::MailId;
use super::ipc::SpoolRequest;
use super::news::SpoolNews;
use super::options::RelayStoreOptions;
use crate::store::process::child::StartError;
use crate::store::process::keeper::ProcessKeeper;
use crate::store::process::{StoreClient, StorePipes};
use crate::store::{Failure, Ticket};

/// The command that starts a process of a spool. Its argument is the role.
pub const SPOOL_COMMAND: &str = "spool-process";
/// Interval at which the keeper is asked whether it has started a process.
const START_POLL_INTERVAL: Duration = Duration::from_millis(5);
/// The shortest rest before a process is started that takes the place of one that was lost soon. It doubles each time.
const RESTART_REST_MIN: Duration = Duration::from_millis(20);
/// Interval at which the process is asked how many octets are free, while those are fewer than are to be left.
const ROOM_INTERVAL: Duration = Duration::from_secs(1);
/// A process that has worked for so long may be followed by another at once.
const STEADY_TIME: Duration = Duration::from_secs(1);

/// The spool process, and those after it.
#[derive(Debug)]
pub(super) struct SpoolBackend {
    client: SpoolClient,
    /// Taken at the end.
    keeper: Option<ProcessKeeper>,
    /// Kept until the event loop takes them, and from when it gives them back.
    pipes: Option<StorePipes>,
    state: ProcessState,
    /// The time of the present tick.
    now: Instant,
    /// The rest before the next start, and the longest one.
    rest: Duration,
    rest_max: Duration,
    /// The number of processes before the present one.
    generation: u32,
    /// The number of octets that are to be left free.
    min_free: u64,
    /// When the process was last asked how many are.
    asked_room_at: Instant,
}

/// States of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ProcessState {
    /// It runs, since then, and may have still to say that it is ready.
    Running(Instant),
    /// The keeper was asked for one.
    Asked,
    /// The keeper is asked for one at this time.
    Resting(Instant),
}

impl SpoolBackend {
    /// Starts a keeper, which runs `program`, and a process for a spool whose folder is there. It blocks until the process is
    /// ready: nobody is served before.
    ///
    /// # Errors
    /// `WouldBlock` while another process works on the spool; otherwise why there is no process, or it cannot work there.
    pub(super) fn start(
        program: &Path,
        options: &RelayStoreOptions,
        now: Instant,
    ) -> io::Result<Self> {
        let keeper = ProcessKeeper::start(program, SPOOL_COMMAND, &options.root)?;
        keeper.ask()?;
        let mut pipes = keeper.take_pipes(true)?;
        let mut client = SpoolClient::default();
        pipes
            .await_start(&mut client)
            .map_err(|error| match error {
                StartError::NoProcess(error) | StartError::Store(error) => error,
            })?;
        Ok(Self {
            client,
            keeper: Some(keeper),
            pipes: Some(pipes),
            state: ProcessState::Running(now),
            now,
            rest: Duration::ZERO,
            rest_max: options.restart_rest_max,
            generation: 0,
            min_free: 0,
            asked_room_at: now,
        })
    }

    /// Sets the time, once a tick.
    pub(super) fn set_time(&mut self, now: Instant) {
        self.now = now;
    }

    /// The number of the present process, which the next one does not share.
    pub(super) fn generation(&self) -> u32 {
        self.generation
    }

    /// The client, while there is a process.
    pub(super) fn client(&mut self) -> Option<&mut SpoolClient> {
        matches!(self.state, ProcessState::Running(_)).then_some(&mut self.client)
    }

    /// Has a change made durable, by a process that is to come if there is none.
    pub(super) fn change(&mut self, change: Change) {
        self.client.change(change);
    }

    /// A name above all of earlier processes, and below all of the present one.
    pub(super) fn first_mail(&self) -> MailId {
        self.client.first_mail()
    }

    /// A name above all that were given so far, and not above those that come.
    pub(super) fn first_mail_to_come(&self) -> MailId {
        self.client.first_mail_to_come()
    }

    /// Sets the number of octets that are to be left free.
    pub(super) fn set_min_free(&mut self, min_free: u64) {
        self.min_free = min_free;
    }

    /// Whether the disk has as many octets left as are to be left free, as far as is known.
    ///
    /// # Errors
    /// [`Failure::LittleLeft`].
    pub(super) fn check_room(&self) -> Result<(), Failure> {
        match self.client.free_bytes() {
            Some(free) if free < self.min_free => Err(Failure::LittleLeft(free)),
            _ => Ok(()),
        }
    }

    /// Whether the process is to be asked from time to time how many octets are free: while there are too few nothing is stored
    /// that it would tell that with.
    fn awaits_room(&self) -> bool {
        self.is_ready() && self.check_room().is_err() && !self.client.is_free_asked()
    }

    /// Asks how many octets are free, if it is time for that.
    fn ask_room(&mut self) {
        if self.awaits_room() && self.now >= self.asked_room_at + ROOM_INTERVAL {
            self.asked_room_at = self.now;
            self.client.ask_free();
        }
    }

    /// Whether there are messages that are still to be found.
    pub(super) fn is_scanning(&self) -> bool {
        self.client.is_scanning()
    }

    /// Whether the output to the process has reached its bound.
    pub(super) fn is_congested(&self) -> bool {
        self.client.is_congested()
    }

    /// Takes the pipes to the present process, once.
    pub(super) fn take_pipes(&mut self) -> Option<StorePipes> {
        self.pipes.take()
    }

    /// Gives the pipes back, so that shutdown waits for the process.
    pub(super) fn return_pipes(&mut self, pipes: StorePipes) {
        self.pipes = Some(pipes);
    }

    /// Sends a request about a message that was begun under the process `generation`; nothing if that is lost.
    pub(super) fn send(&mut self, generation: u32, request: &SpoolRequest<'_>) {
        if generation == self.generation {
            self.client.send(request);
        }
    }

    /// Has the process open a message that was begun under the process `generation`; nothing if that is lost.
    pub(super) fn open(
        &mut self,
        generation: u32,
        ticket: Ticket,
        mail: MailId,
        envelope: &SpoolEnvelope,
    ) {
        if generation == self.generation {
            self.client.open(ticket, mail, envelope);
        }
    }

    /// Has the process make a message durable that was begun under the process `generation`. If that is lost, the message is
    /// refused.
    pub(super) fn submit(
        &mut self,
        generation: u32,
        ticket: Ticket,
        mail: MailId,
        envelope: Rc<SpoolEnvelope>,
    ) {
        if generation == self.generation {
            self.client.submit(ticket, mail, envelope);
        } else {
            self.client.refuse(ticket);
        }
    }

    /// Names the next message.
    ///
    /// # Errors
    /// There is no process that could take it.
    pub(super) fn next_mail(&mut self) -> Result<MailId, Failure> {
        self.client().ok_or_else(gone)?.next_mail()
    }

    /// Names the next report, also while there is no process.
    ///
    /// # Errors
    /// There is no name left.
    pub(super) fn next_report(&mut self) -> Result<MailId, Failure> {
        self.client.next_report()
    }

    /// Takes what was reported, and sees to it that there is a process.
    pub(super) fn commit(&mut self) -> SpoolNews {
        if let Some(error) = self.client.take_loss() {
            self.lose(&error);
        }
        match self.client.take_start() {
            Some(Ok(())) => log::info!("spool=started"),
            Some(Err(error)) => self.lose(&error),
            None => {}
        }
        self.start_again();
        self.ask_room();
        self.client.take_news()
    }

    /// Gives the process up. Another one is asked for, at once unless this one has not worked for long.
    fn lose(&mut self, error: &io::Error) {
        if let ProcessState::Running(since) = self.state
            && self.now >= since + STEADY_TIME
        {
            self.rest = Duration::ZERO;
        }
        log::error!(
            "spool=lost error=\"the spool process is gone: {error}; another takes its place, and mail for elsewhere is refused \
             for now\""
        );
        self.client.reset();
        self.pipes = None;
        self.generation += 1;
        self.rest_before_start();
    }

    fn rest_before_start(&mut self) {
        self.state = ProcessState::Resting(self.now + self.rest);
        self.rest = (self.rest * 2).max(RESTART_REST_MIN).min(self.rest_max);
    }

    /// Goes on with the start of a process, if there is none.
    fn start_again(&mut self) {
        let (Some(keeper), now) = (&self.keeper, self.now) else {
            return;
        };
        let failed = match self.state {
            ProcessState::Resting(until) if until <= now => {
                self.state = ProcessState::Asked;
                keeper.ask().err()
            }
            ProcessState::Asked => match keeper.take_pipes(false) {
                Ok(pipes) => match pipes.unblock() {
                    Ok(()) => {
                        self.pipes = Some(pipes);
                        self.state = ProcessState::Running(now);
                        None
                    }
                    Err(error) => Some(error),
                },
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
                Err(error) => Some(error),
            },
            ProcessState::Running(_) | ProcessState::Resting(_) => None,
        };
        if let Some(error) = failed {
            log::error!("spool=lost error=\"cannot start a spool process: {error}\"");
            self.rest_before_start();
        }
    }

    /// The instant at which [`commit`](Self::commit) has something to do without a report.
    pub(super) fn next_wake(&self) -> Option<Instant> {
        match self.state {
            // The loop takes the pipes of a new process at once.
            ProcessState::Running(_) if self.pipes.is_some() => Some(self.now),
            ProcessState::Running(_) => {
                let asks_again = self.awaits_room();
                asks_again.then(|| self.asked_room_at + ROOM_INTERVAL)
            }
            ProcessState::Asked => Some(self.now + START_POLL_INTERVAL),
            ProcessState::Resting(until) => Some(until),
        }
    }

    /// Whether [`commit`](Self::commit) has something to do at once.
    pub(super) fn is_pending(&self) -> bool {
        self.client.is_pending()
    }

    /// Whether so many changes wait to be durable that no more should come.
    pub(super) fn is_full(&self) -> bool {
        self.client.changes().is_full()
    }

    /// How many changes there were, and how many of them are durable.
    pub(super) fn change_counts(&self) -> ChangeCounts {
        self.client.changes().counts()
    }

    /// Whether a process is ready to work.
    pub(super) fn is_ready(&self) -> bool {
        self.client.instance().is_some()
    }
}

impl Drop for SpoolBackend {
    /// Lets the process end, which makes durable what it was given, and waits a while for that.
    fn drop(&mut self) {
        if let Some(keeper) = self.keeper.take() {
            keeper.finish(self.pipes.take(), "spool");
        }
    }
}
