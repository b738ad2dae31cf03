//! `mailoop judge client`: the checks of a client, one after the other, each in a process of its own.

use std::ffi::OsString;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use signal_hook::consts::{SIGCHLD, SIGINT, SIGTERM};
use signal_hook_mio::v1_0::Signals;

use super::ReportForm;
use super::driver::{JudgePeer, PlayDesk, send_on_errand};
use super::process::JudgedProcess;
use super::report::RunReport;
use crate::exit::{ExitCode, Failed};
use crate::judge::check::{CheckPlace, Dialect};
use crate::judge::play::PlayOrder;
use crate::judge::scripted::ScriptedPlay;
use crate::judge::set::SelectedCheck;
use crate::judge::verdict::CheckOutcome;
use crate::net::endpoint::SocketAddress;
use crate::net::engine::Engine;
use crate::net::listener::Listener;
use crate::net::listeners::Newcomer;
use crate::net::token::Token;

/// The kinds of tokens of what the engine does not have itself.
const SIGNALS: u8 = 2;
const OUTPUT: u8 = 3;
/// The most connections of one command; more are closed.
const CONNECTIONS_MAX: u8 = 100;
/// How long connections of a command that is gone may take to end.
const LEAVE_MAX: Duration = Duration::from_secs(2);
/// The most reads of what was printed by a command that is gone.
const LAST_READS_MAX: usize = 64;

/// The command that is to be judged, and how.
#[derive(Debug)]
pub struct JudgedCommand {
    /// The command; `{host}` and `{port}` in its words are those of the judge.
    pub words: Vec<OsString>,
    /// Where the judge listens.
    pub listen: SocketAddr,
    /// The checks, in their order.
    pub checks: Vec<SelectedCheck>,
    /// How long the client may be silent while it is its turn.
    pub timeout: Duration,
    /// The form of the report.
    pub form: ReportForm,
    /// Where results for Gradescope go.
    pub gradescope: Option<PathBuf>,
}

/// Judges a client, and tells what came of it.
///
/// # Errors
/// There is no such command, a report cannot be written, or not every must holds.
pub fn judge_client(judge: &JudgedCommand) -> Result<(), Failed> {
    let words: Vec<_> = judge
        .words
        .iter()
        .map(|word| word.to_string_lossy())
        .collect();
    let names = judge
        .checks
        .iter()
        .map(|selected| selected.check.name.as_str());
    let dialect = Dialect::default().name();
    let mut report = RunReport::new(names, words.join(" "), dialect, judge.form.clone());
    let mut desk = ClientRun::new(judge)?;
    for selected in &judge.checks {
        let outcome = match report.obstacle(selected, Instant::now()) {
            Some(outcome) => outcome,
            None => desk.play(selected)?,
        };
        report.add(selected, outcome)?;
    }
    report.finish(judge.gradescope.as_deref())
}

type ScriptedPeer = JudgePeer<ScriptedPlay>;

/// The listener, and the connections of the command that runs.
struct ClientRun<'a> {
    judge: &'a JudgedCommand,
    address: SocketAddr,
    engine: Engine<ScriptedPeer>,
    signals: Signals,
}

/// What was heard of beside the connections.
#[derive(Default)]
struct ForeignEvents {
    has_output: bool,
    is_signalled: bool,
}

impl<'a> ClientRun<'a> {
    fn new(judge: &'a JudgedCommand) -> Result<Self, Failed> {
        let cannot_listen = |error| Failed::new(ExitCode::Unavailable, error);
        let address = SocketAddress::Tcp(judge.listen);
        let listener =
            Listener::bind((), &address, false).map_err(|error| cannot_listen(error.into()))?;
        let address = match listener.address() {
            SocketAddress::Tcp(address) => *address,
            SocketAddress::Unix(_) => judge.listen,
        };
        let nothing = ScriptedPlay::new(CheckPlace::default(), &[], Duration::ZERO, Instant::now());
        let engine = Engine::new(vec![listener], PlayDesk::new(nothing)).map_err(cannot_listen)?;
        let mut signals = Signals::new([SIGCHLD, SIGINT, SIGTERM]).map_err(io_failed)?;
        engine
            .register(&mut signals, Token::new(SIGNALS, 0))
            .map_err(io_failed)?;
        Ok(Self {
            judge,
            address,
            engine,
            signals,
        })
    }

    /// Plays a check with a process of its own, which does not outlive it.
    fn play(&mut self, selected: &SelectedCheck) -> Result<CheckOutcome, Failed> {
        let place = selected.check.place.clone();
        let now = Instant::now();
        let play = ScriptedPlay::new(place, &selected.steps, self.judge.timeout, now);
        let mut process = self.start(&play)?;
        let resets = play.resets_on_close();
        *self.engine.connections().shared_mut() = PlayDesk::new(play);
        let mut count = 0;
        let mut events = ForeignEvents::default();
        loop {
            let now = Instant::now();
            let has_more = events.has_output && process.read_output();
            if let Some(exit) = process.exit() {
                self.engine
                    .connections()
                    .shared_mut()
                    .play
                    .exited(exit, now);
            }
            let deadline = self.carry_out(now);
            if self.engine.connections().shared().play.is_over() {
                break;
            }
            let wake = if has_more { Some(now) } else { deadline };
            events = self.tick(wake, |newcomer| {
                count += 1;
                if resets {
                    // At worst it closes as others do.
                    let _ = newcomer.socket.reset_on_close();
                }
                (count <= CONNECTIONS_MAX).then(|| ScriptedPeer::new(count, resets))
            })?;
            events.has_output |= has_more;
        }
        process.kill();
        let mut reads = 0..LAST_READS_MAX;
        while process.read_output() && reads.next().is_some() {}
        self.see_off()?;
        let play = &mut self.engine.connections().shared_mut().play;
        Ok(play.take_outcome(process.printed(), Instant::now()))
    }

    fn start(&self, play: &ScriptedPlay) -> Result<JudgedProcess, Failed> {
        let words = &self.judge.words;
        let process = JudgedProcess::start(words, self.address, play.input());
        let process = process.map_err(|error| {
            let name = words.first().map(|word| word.to_string_lossy());
            let name = name.unwrap_or_default();
            Failed::new(
                ExitCode::Unavailable,
                format_args!("cannot run {name}: {error}"),
            )
        })?;
        let output = process.output().as_raw_fd();
        let token = Token::new(OUTPUT, 0);
        let registered = self.engine.register(&mut SourceFd(&output), token);
        registered.map_err(io_failed)?;
        Ok(process)
    }

    /// Has the peers do what there is to do now. Returns when to ask again.
    fn carry_out(&mut self, now: Instant) -> Option<Instant> {
        let connections = self.engine.connections();
        connections.set_time(now);
        while let Some(order) = connections.shared_mut().play.next(now) {
            match order {
                // Clients connect by themselves.
                PlayOrder::Connect { .. } => {}
                PlayOrder::Send { peer, octets } => {
                    send_on_errand(peer, octets, false, connections);
                }
                PlayOrder::Close { peer } => send_on_errand(peer, Vec::new(), true, connections),
            }
        }
        connections.shared().play.deadline()
    }

    /// One turn of the event loop.
    fn tick(
        &mut self,
        wake: Option<Instant>,
        mut welcome: impl FnMut(&Newcomer<()>) -> Option<ScriptedPeer>,
    ) -> Result<ForeignEvents, Failed> {
        let mut events = ForeignEvents::default();
        let foreign = |token: Token, _| match token.kind {
            OUTPUT => events.has_output = true,
            _ => events.is_signalled = true,
        };
        self.engine
            .tick(wake, |newcomer, _| welcome(newcomer), foreign)
            .map_err(io_failed)?;
        if events.is_signalled && self.signals.pending().any(|signal| signal != SIGCHLD) {
            let what = "interrupted before all checks were run";
            return Err(Failed::new(ExitCode::TryAgain, what));
        }
        Ok(events)
    }

    /// Waits a while for the connections of a command that is gone, so that none of them is one of the next check.
    fn see_off(&mut self) -> Result<(), Failed> {
        let until = Instant::now() + LEAVE_MAX;
        loop {
            self.carry_out(Instant::now());
            let is_alone = self.engine.connections().is_empty();
            let wake = if is_alone { Instant::now() } else { until };
            self.tick(Some(wake), |_| None)?;
            if self.engine.connections().is_empty() || Instant::now() >= until {
                return Ok(());
            }
        }
    }
}

fn io_failed(error: io::Error) -> Failed {
    Failed::new(ExitCode::Io, error)
}
