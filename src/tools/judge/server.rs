//! `mailoop judge server`: the checks of a server, one after the other, each on connections of its own.
//!
//! They are not played side by side. A server may have one client at a time, which one check finds out and the others must not
//! trip over; and where a server dies, it is known in which check.

use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::ReportForm;
use super::driver::{JudgePeer, PlayDesk, send_on_errand};
use super::report::RunReport;
use crate::exit::{ExitCode, Failed};
use crate::judge::play::{CheckPlay, PeerEnd, PlayOrder, PlayTerms};
use crate::judge::set::SelectedCheck;
use crate::judge::verdict::{CheckFailureKind, CheckOutcome, CheckVerdict};
use crate::net::carrier::Carrier;
use crate::net::connections::Connections;
use crate::net::endpoint::Endpoint;
use crate::net::token::Token;
use crate::tools::world::{CONNECTION, Call, Dialed, LiveWorld, World};

/// How long a server that is gone may take to come back.
const REVIVAL_MAX: Duration = Duration::from_secs(1);
/// The pause between two tries to reach it.
const REVIVAL_PAUSE: Duration = Duration::from_millis(100);

/// What is to be judged, and how.
#[derive(Debug)]
pub struct JudgeServer {
    /// The server.
    pub server: Endpoint,
    /// The checks, in their order.
    pub checks: Vec<SelectedCheck>,
    /// The name of their dialect.
    pub dialect: &'static str,
    /// What the judge says of itself.
    pub terms: PlayTerms,
    /// The form of the report.
    pub form: ReportForm,
    /// Where results for Gradescope go.
    pub gradescope: Option<std::path::PathBuf>,
}

/// Judges a server, and tells what came of it.
///
/// # Errors
/// There is no server, a report cannot be written, or not every must holds.
pub fn judge_server(judge: &JudgeServer) -> Result<(), Failed> {
    let addresses = judge.server.resolve();
    let addresses = addresses.map_err(|error| no_server(&judge.server, &error.to_string()))?;
    let world = LiveWorld::new(addresses).map_err(io_failed)?;
    let names = judge
        .checks
        .iter()
        .map(|selected| selected.check.name.as_str());
    let subject = judge.server.to_string();
    let report = RunReport::new(names, subject, judge.dialect, judge.form.clone());
    let mut run = JudgeServerRun::new(judge, &world, report);
    for selected in &judge.checks {
        let outcome = match run.report.obstacle(selected, world.now()) {
            Some(outcome) => outcome,
            None => run.outcome(selected)?,
        };
        run.report.add(selected, outcome)?;
    }
    run.report.finish(judge.gradescope.as_deref())
}

fn no_server(server: &Endpoint, why: &str) -> Failed {
    let what = format_args!("cannot connect to {server}: {why}; is a server listening there?");
    Failed::new(ExitCode::Unavailable, what)
}

fn io_failed(error: io::Error) -> Failed {
    Failed::new(ExitCode::Io, error)
}

/// A run, as far as it has come.
struct JudgeServerRun<'a> {
    judge: &'a JudgeServer,
    world: &'a LiveWorld,
    terms: Rc<PlayTerms>,
    report: RunReport,
}

impl<'a> JudgeServerRun<'a> {
    fn new(judge: &'a JudgeServer, world: &'a LiveWorld, report: RunReport) -> Self {
        Self {
            judge,
            world,
            terms: Rc::new(judge.terms.clone()),
            report,
        }
    }

    /// Plays a check. Where nobody can be reached any more the server gets a moment to come back.
    fn outcome(&mut self, selected: &SelectedCheck) -> Result<CheckOutcome, Failed> {
        let since = self.world.now();
        loop {
            let outcome = self.play(selected).map_err(io_failed)?;
            let is_alone = outcome.has_failed_by(CheckFailureKind::Unreachable)
                && outcome.transcript.has_no_connection();
            if !is_alone {
                return Ok(outcome);
            }
            let server = &self.judge.server;
            let mut run = self.report.run.checks.iter().rev();
            let last = run.find(|judged| !judged.outcome.transcript.has_no_connection());
            let Some(last) = last else {
                if self.world.next_address() {
                    continue;
                }
                let why = match &outcome.verdict {
                    CheckVerdict::Failed(failure) => failure.came.clone(),
                    _ => String::new(),
                };
                return Err(no_server(server, &why));
            };
            if self.world.now() >= since + REVIVAL_MAX {
                let name = last.check.name.clone();
                let why = format!(
                    "the server is gone: nobody listens at {server} since the check {name}"
                );
                self.report.over = Some(why.clone());
                self.report.run.died_in = Some(name);
                return Ok(CheckOutcome::not_run(why));
            }
            self.world
                .poll(Some(self.world.now() + REVIVAL_PAUSE))
                .map_err(io_failed)?;
        }
    }

    fn play(&self, selected: &SelectedCheck) -> io::Result<CheckOutcome> {
        let now = self.world.now();
        let play = CheckPlay::new(Rc::clone(&selected.steps), Rc::clone(&self.terms), now);
        let mut connections = PlayConnections::new(PlayDesk::new(play), now);
        loop {
            let now = self.world.now();
            connections.set_time(now);
            while let Some(order) = connections.shared_mut().play.next(now) {
                self.carry_out(order, &mut connections, now);
            }
            if connections.shared().play.is_over() {
                return Ok(connections.shared_mut().play.take_outcome(now));
            }
            let wakes = [
                connections.next_wake(),
                connections.shared().play.deadline(),
            ];
            let now = self.world.poll(wakes.into_iter().flatten().min())?;
            connections.set_time(now);
            self.world
                .events(&mut |token, readiness| connections.on_event(token.key, readiness));
            connections.tick(|_| {}, |_, _| {});
        }
    }

    fn carry_out(&self, order: PlayOrder, connections: &mut PlayConnections, now: Instant) {
        let (number, octets, closes) = match order {
            PlayOrder::Connect {
                peer,
                resets_on_close,
            } => {
                return self.connect(peer, resets_on_close, connections, now);
            }
            PlayOrder::Send { peer, octets } => (peer, octets, false),
            PlayOrder::Close { peer } => (peer, Vec::new(), true),
        };
        send_on_errand(number, octets, closes, connections);
    }

    fn connect(
        &self,
        number: u8,
        resets_on_close: bool,
        connections: &mut PlayConnections,
        now: Instant,
    ) {
        let call = Call {
            token: Token::new(CONNECTION, connections.next_key()),
            connection: connections.next_connection(),
            resets_on_close,
        };
        match self.world.dial(call) {
            Ok(Dialed { transport, peer }) => {
                let client = JudgePeer::new(number, resets_on_close);
                let deadline = now + self.terms.timeout;
                connections.dial(transport, client, peer, deadline);
            }
            Err(error) => {
                let end = PeerEnd::Unreachable(error.to_string());
                connections.shared_mut().play.ended(number, end, now);
            }
        }
    }
}

type PlayConnections = Connections<JudgePeer<CheckPlay>, Carrier>;
