//! The hold process, and those after it: started once a text needs it, and again after it was lost.
//!
//! Invariant: no text of a lost process is taken up by the next one. It is lost, and its client sends it again.

use std::time::{Duration, Instant};

use super::client::{HoldClient, HoldNews};
use super::ipc::HoldRequest;
use super::starter::HoldStarter;
use crate::store::Failure;
use crate::store::process::{StoreClient, StorePipes};

/// Interval at which the starter is asked whether a process is there.
const START_POLL_INTERVAL: Duration = Duration::from_millis(5);
/// Time after which a process that is not there will not come.
const START_TIMEOUT: Duration = Duration::from_secs(10);
/// The shortest rest before a process may be started that takes the place of one that was lost soon. It doubles each time, up to the
/// longest.
const RESTART_REST_MIN: Duration = Duration::from_millis(20);
const RESTART_REST_MAX: Duration = Duration::from_secs(5);
/// A process that has worked for so long may be followed by another at once.
const STEADY_TIME: Duration = Duration::from_secs(1);

/// The hold process, and those after it.
#[derive(Debug)]
pub(super) struct HoldBackend {
    client: HoldClient,
    /// Kept until the event loop takes them, and from when it gives them back. Dropped before the starter, which waits for the process.
    pipes: Option<StorePipes>,
    starter: Box<dyn HoldStarter>,
    state: HoldState,
    /// The time of the present tick.
    now: Instant,
    /// The rest before the next start.
    rest: Duration,
    /// Why there is no process.
    why: Box<str>,
}

/// States of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HoldState {
    /// There is none, and none was needed.
    Idle,
    /// The starter was asked for one, then.
    Asked(Instant),
    /// The process runs, since then.
    Running(Instant),
    /// The process was lost, and no other is started before this time.
    Resting(Instant),
}

impl HoldBackend {
    pub(super) fn new(starter: Box<dyn HoldStarter>) -> Self {
        Self {
            client: HoldClient::default(),
            pipes: None,
            starter,
            state: HoldState::Idle,
            now: Instant::now(),
            rest: Duration::ZERO,
            why: Box::default(),
        }
    }

    /// Sets the time, once a tick.
    pub(super) fn set_time(&mut self, now: Instant) {
        self.now = now;
    }

    /// The client, while there is a process.
    pub(super) fn client(&mut self) -> Option<&mut dyn StoreClient> {
        let is_running = matches!(self.state, HoldState::Running(_));
        is_running.then_some(&mut self.client)
    }

    /// Takes the pipes to the present process, once.
    pub(super) fn take_pipes(&mut self) -> Option<StorePipes> {
        self.pipes.take()
    }

    /// Gives the pipes back, so that they are closed before the keeper is waited for.
    pub(super) fn return_pipes(&mut self, pipes: StorePipes) {
        self.pipes = Some(pipes);
    }

    /// Asks for a process, unless there is one or it was asked for.
    ///
    /// # Errors
    /// None can be started, or not so soon.
    pub(super) fn require(&mut self) -> Result<(), Failure> {
        match self.state {
            HoldState::Asked(_) | HoldState::Running(_) => return Ok(()),
            HoldState::Resting(until) if until > self.now => return Err(self.failure()),
            HoldState::Resting(_) | HoldState::Idle => {}
        }
        if let Err(error) = self.starter.ask() {
            self.rest_after(format!("cannot start a hold process: {error}"));
            return Err(self.failure());
        }
        self.state = HoldState::Asked(self.now);
        Ok(())
    }

    /// Sends a request to the process, which is there or was asked for.
    pub(super) fn send(&mut self, request: &HoldRequest<'_>) {
        self.client.send(request);
    }

    /// Takes what was reported, and goes on with a start.
    pub(super) fn commit(&mut self) -> Vec<HoldNews> {
        let mut news = self.client.take_news();
        if let Some(error) = self.client.take_loss() {
            news.push(self.lose(format!("the hold process is gone: {error}")));
        }
        match self.client.take_start() {
            Some(Ok(())) => log::info!("hold=started"),
            Some(Err(error)) => {
                news.push(self.lose(format!("the hold process cannot work: {error}")));
            }
            None => {}
        }
        news.extend(self.go_on_starting());
        news
    }

    fn go_on_starting(&mut self) -> Option<HoldNews> {
        let HoldState::Asked(since) = self.state else {
            return None;
        };
        let why = match self.starter.take_pipes() {
            Ok(Some(pipes)) => {
                self.pipes = Some(pipes);
                self.state = HoldState::Running(self.now);
                return None;
            }
            Ok(None) if self.now < since + START_TIMEOUT => return None,
            Ok(None) => "the hold process does not start".to_owned(),
            Err(error) => format!("cannot start a hold process: {error}"),
        };
        Some(self.lose(why))
    }

    /// Gives the process up, or its start. Another one may be started at once unless this one has not worked for long.
    fn lose(&mut self, why: String) -> HoldNews {
        if let HoldState::Running(since) = self.state
            && self.now >= since + STEADY_TIME
        {
            self.rest = Duration::ZERO;
        }
        self.client = HoldClient::default();
        self.pipes = None;
        self.rest_after(why);
        HoldNews::Lost(self.failure())
    }

    fn rest_after(&mut self, why: String) {
        log::error!("hold=lost error=\"{why}; large messages that filters look at are refused\"");
        self.why = why.into();
        self.state = HoldState::Resting(self.now + self.rest);
        self.rest = (self.rest * 2).clamp(RESTART_REST_MIN, RESTART_REST_MAX);
    }

    fn failure(&self) -> Failure {
        Failure::Io(self.why.clone())
    }

    /// The instant at which [`commit`](Self::commit) has something to do without a report.
    pub(super) fn next_wake(&self) -> Option<Instant> {
        match self.state {
            // The loop takes the pipes of a new process at once.
            HoldState::Running(_) if self.pipes.is_some() => Some(self.now),
            HoldState::Asked(_) => Some(self.now + START_POLL_INTERVAL),
            HoldState::Idle | HoldState::Running(_) | HoldState::Resting(_) => None,
        }
    }

    /// Whether [`commit`](Self::commit) has something to do at once.
    pub(super) fn is_pending(&self) -> bool {
        self.client.is_pending()
    }

    /// Whether the output to the process has reached its bound.
    pub(super) fn is_congested(&self) -> bool {
        self.client.is_congested()
    }
}
