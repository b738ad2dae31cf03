//! `mailoop load`: how much a server carries.
//!
//! One thread, one poll, as many connections as are asked for: `generator` is the loop, `transactions` what a dialogue of it does.
//! `schedule` says when transactions begin, `stats` counts and `report` tells. An `attack` is a second kind of connections on
//! the same poll, of hostile peers, each an `attacker`; [`attack_kind`] lists what they do.
//!
//! In a closed loop a transaction begins when another is done, so that a server which stalls is asked for less
//! meanwhile. With a rate it is an open loop: a transaction counts since it was due, even if it could not begin then.
//! What a stall costs everybody who comes during it is so in the latencies (there is no coordinated omission).

mod attack;
pub mod attack_kind;
mod attacker;
mod generator;
mod progress;
pub mod report;
mod schedule;
mod stats;
mod transactions;

use std::fmt;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use super::encryption::{Encryption, Start};
use super::message;
use super::opening::Opening;
use super::send::SendError;
use super::world::{LiveWorld, World};
use crate::exit::{ExitCode, Failed};
use crate::machine::client_name;
use crate::net::descriptors;
use crate::net::endpoint::Endpoint;
use crate::smtp::client::{Outgoing, Pace};
use crate::smtp::envelope::Hello;
use crate::smtp::path::{Mailbox, ReversePath};
use attack::Attack;
use attack_kind::AttackKind;
use generator::Generator;
use progress::Progress;
use report::{Latency, Report};
pub use schedule::Extent;
use schedule::Schedule;
pub use stats::FailureKind;
use stats::LoadStats;
use transactions::LoadShared;

/// Descriptors that are no connection's: standard streams, poll, signals.
const NOT_FOR_CONNECTIONS: u64 = 16;
/// The length of a line of the message, its end counted in.
const LINE_BYTES: usize = 80;
/// Sessions beside an attack.
const HONEST_SESSIONS_MAX: usize = 100;

/// What load there is to be.
#[derive(Clone, Debug)]
pub struct LoadOptions {
    /// `HOST:PORT`, `[v6]:PORT` or `unix:PATH`.
    pub server: Endpoint,
    /// The most connections at a time. Of hostile peers there are exactly so many.
    pub sessions: usize,
    /// How much is to be done.
    pub extent: Extent,
    /// Octets of a message's body, line ends counted in.
    pub length: usize,
    /// Whether the connection is kept for the next message.
    pub keep: bool,
    /// The sender.
    pub from: ReversePath,
    /// The recipients of every message.
    pub to: Vec<Mailbox>,
    /// Whether commands go out in groups, where the server offers that.
    pub pipeline: bool,
    /// Whether a transaction is no more than a connection, a greeting and a good-bye.
    pub connect_only: bool,
    /// How many transactions begin a second, whatever became of those before.
    pub rate: Option<u32>,
    /// Who is there besides.
    pub hostile: Option<AttackKind>,
    /// Whether it goes under TLS, and how; the peers of an attack do not.
    pub encryption: Option<Encryption>,
    /// How long a server may be silent.
    pub timeout: Duration,
}

/// Everything that a load is made of.
pub struct LoadPlan {
    /// What its dialogues begin with.
    pub opening: Opening,
    /// The most connections at a time, hostile peers not counted.
    pub sessions_max: usize,
    /// How much is to be done.
    pub extent: Extent,
    /// How many transactions begin a second, whatever became of those before.
    pub rate: Option<u32>,
    /// Whether the connection is kept for the next message.
    pub keep: bool,
    /// Whether a transaction is no more than a connection, a greeting and a good-bye.
    pub connect_only: bool,
    /// Hostile peers, and how many at a time.
    pub hostile: Option<(AttackKind, usize)>,
}

/// Reads what load there is to be.
///
/// # Errors
/// The options contradict each other, or this machine cannot do it.
pub fn plan(options: &LoadOptions) -> Result<LoadPlan, Failed> {
    check_descriptors(options)?;
    let encryption = options.encryption.as_ref();
    let tls = encryption
        .map(|encryption| encryption.with_server(&options.server))
        .transpose()
        .map_err(SendError::from)?;
    // Before STARTTLS the server has to be greeted, whatever comes after it.
    let is_greeted =
        !options.connect_only || matches!(&tls, Some(tls) if tls.start == Start::ByCommand);
    let (mail, message) = compose(options)?;
    Ok(LoadPlan {
        opening: Opening {
            server: options.server.clone(),
            hello: Hello {
                name: client_name().into(),
                extended: true,
            },
            says_hello: is_greeted,
            pace: if options.pipeline {
                Pace::Pipelined
            } else {
                Pace::Lockstep
            },
            mail: Rc::new(mail),
            message: message.into(),
            tls,
            trust: encryption.map(|encryption| Rc::clone(&encryption.trust)),
            login: None,
            timeout: options.timeout,
        },
        sessions_max: match options.hostile {
            Some(_) => HONEST_SESSIONS_MAX,
            None => options.sessions,
        },
        extent: options.extent,
        rate: options.rate,
        keep: options.keep,
        connect_only: options.connect_only,
        hostile: options.hostile.map(|kind| (kind, options.sessions)),
    })
}

/// The world as it is, in which the server is looked up.
///
/// # Errors
/// The server has no address, or this machine has no poll.
pub fn world(opening: &Opening) -> Result<Rc<dyn World>, Failed> {
    let here = |error: io::Error| Failed::new(ExitCode::Io, error);
    let addresses = opening.server.resolve();
    let addresses = addresses.map_err(|error| unreachable(&opening.server, &error))?;
    let world = LiveWorld::new(addresses).map_err(here)?;
    world.count_signals().map_err(here)?;
    Ok(Rc::new(world))
}

/// Puts the load on the server of this world. Transactions that fail are in the report. Who sits at a terminal sees how far it is
/// if `shows_progress`.
///
/// # Errors
/// The server cannot be reached at all.
pub fn load(plan: LoadPlan, world: &Rc<dyn World>, shows_progress: bool) -> Result<Report, Failed> {
    let start = world.now();
    let LoadPlan {
        opening,
        sessions_max,
        extent,
        rate,
        keep,
        connect_only,
        hostile,
    } = plan;
    let opening = Rc::new(opening);
    let attack = hostile.map(|(kind, peers)| Attack::new(kind, peers, &opening, &**world, start));
    let stats = LoadStats::new(start).map_err(|error| Failed::new(ExitCode::Io, error))?;
    let shared = LoadShared {
        opening: Rc::clone(&opening),
        world: Rc::clone(world),
        probe: world.probe(),
        keep,
        connect_only,
        schedule: Schedule::new(extent, rate, start),
        stats,
        connections: 0,
        idle: Vec::new(),
        order: None,
        is_reached: false,
        unreachable_since: None,
        dial_errors: Vec::new(),
    };
    let mut generator = Generator::new(sessions_max, shared, attack, start);
    let progress = Progress::new(extent, start, shows_progress);
    let ended = generator.run(&progress);
    progress.clear();
    ended.map_err(|error| unreachable(&opening.server, &error))?;
    Ok(report(&generator, start))
}

fn report(generator: &Generator, start: Instant) -> Report {
    let shared = generator.shared();
    let stats = &shared.stats;
    let unit = if shared.connect_only {
        "connects"
    } else {
        "messages"
    };
    Report {
        unit,
        elapsed: stats.last_end.saturating_duration_since(start),
        done: stats.done,
        connections: stats.connections,
        message_bytes: if shared.connect_only {
            0
        } else {
            shared.opening.mail.size.saturating_mul(stats.done)
        },
        bytes_out: stats.bytes_out,
        bytes_in: stats.bytes_in,
        latency: Latency::read(stats),
        failures: stats.failures.clone(),
        first_failure: stats.first_failure.clone(),
        refused_recipients: stats.refused_recipients.clone(),
        hostile: generator.attack().map(Attack::summary),
    }
}

/// Sees to it that there are descriptors for all connections.
fn check_descriptors(options: &LoadOptions) -> Result<(), Failed> {
    // Where it stays as it is, that is told below.
    let _ = descriptors::raise_limit();
    let honest = options.hostile.map_or(0, |_| HONEST_SESSIONS_MAX);
    let needed =
        (options.sessions.saturating_add(honest) as u64).saturating_add(NOT_FOR_CONNECTIONS);
    match descriptors::limit() {
        Some(limit) if limit < needed => Err(Failed::new(
            ExitCode::Usage,
            format_args!(
                "-s {} takes {needed} descriptors, this process may have {limit}; lower -s, or raise `ulimit -n`",
                options.sessions
            ),
        )),
        _ => Ok(()),
    }
}

fn unreachable(server: &Endpoint, error: &dyn fmt::Display) -> Failed {
    Failed::new(
        ExitCode::Unavailable,
        format_args!("cannot connect to {server}: {error}; is a server listening there?"),
    )
}

/// Makes the envelope, and the message as it goes over the wire.
fn compose(options: &LoadOptions) -> Result<(Outgoing, Vec<u8>), Failed> {
    let now = OffsetDateTime::now_utc();
    let date = now.format(&Rfc2822).unwrap_or_default();
    let to: Vec<_> = options.to.iter().map(Mailbox::as_str).collect();
    let header = format!(
        "Date: {date}\r\nFrom: {}\r\nTo: {}\r\nSubject: mailoop load\r\n\r\n",
        options.from,
        to.join(",\r\n ")
    );
    let text = [header.as_bytes(), &body(options.length)].concat();
    let prepared =
        message::prepare(&text, &[], ".").map_err(|early| Failed::new(ExitCode::Data, early))?;
    let mail = Outgoing {
        from: options.from.clone(),
        to: options.to.clone(),
        size: prepared.size,
        eight_bit: prepared.eight_bit,
        parameters: None,
    };
    Ok((mail, prepared.wire))
}

/// A body of so many octets, but at least a line end, in lines.
fn body(length: usize) -> Vec<u8> {
    let mut body = Vec::with_capacity(length);
    while body.len() < length {
        let left = length - body.len();
        // The last line takes the rest, of which its end must not be all.
        let line = if left < LINE_BYTES + 3 {
            left
        } else {
            LINE_BYTES
        };
        body.resize(body.len() + line.saturating_sub(2), b'X');
        body.extend_from_slice(b"\r\n");
    }
    body
}
