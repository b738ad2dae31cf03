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

use super::encryption::{Encryption, Start, TlsStart};
use super::message;
use super::send::SendError;
use crate::exit::{ExitCode, Failed};
use crate::machine::client_name;
use crate::net::descriptors;
use crate::net::dialer::Dialer;
use crate::net::endpoint::Endpoint;
use crate::smtp::client::{Outgoing, Pace};
use crate::smtp::envelope::Hello;
use crate::smtp::path::{Mailbox, ReversePath};
use attack::Attack;
use attack_kind::AttackKind;
use generator::{Generator, LoadConfig};
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

/// Puts the load on a server. Transactions that fail are in the report.
///
/// # Errors
/// The options contradict each other, this machine cannot do it, or the server cannot be reached at all.
pub fn load(options: &LoadOptions) -> Result<Report, Failed> {
    check_descriptors(options)?;
    let tls = options
        .encryption
        .as_ref()
        .map(|encryption| encryption.with_server(&options.server))
        .transpose()
        .map_err(|error| {
            let error = SendError::from(error);
            Failed::new(error.exit_code(), error)
        })?;
    run(options, tls)
}

/// Does it, under TLS if that is given.
fn run(options: &LoadOptions, tls: Option<TlsStart>) -> Result<Report, Failed> {
    let here = |error: io::Error| Failed::new(ExitCode::Io, error);
    let hello = Hello {
        name: client_name().into(),
        extended: true,
    };
    let (mail, message) = compose(options)?;
    let mail = Rc::new(mail);
    let addresses = options.server.resolve();
    let dialer = Dialer::new(addresses.map_err(|error| unreachable(options, &error))?);

    let start = Instant::now();
    let shared = shared(options, Rc::clone(&mail), start).map_err(here)?;
    // Before STARTTLS the server has to be greeted, whatever comes after it.
    let is_greeted =
        !options.connect_only || matches!(&tls, Some(tls) if tls.start == Start::ByCommand);
    let config = LoadConfig {
        sessions_max: match options.hostile {
            Some(_) => HONEST_SESSIONS_MAX,
            None => options.sessions,
        },
        hello: is_greeted.then(|| hello.clone()),
        pace: if options.pipeline {
            Pace::Pipelined
        } else {
            Pace::Lockstep
        },
        tls,
        message: message.into(),
    };
    let attack = options.hostile.map(|kind| {
        let mail = Rc::clone(&mail);
        Attack::new(kind, options.sessions, hello, mail, options.timeout, start)
    });
    let mut generator = Generator::new(dialer, config, shared, attack, start).map_err(here)?;
    let progress = Progress::new(options.extent, start);
    let ended = generator.run(&progress);
    progress.clear();
    ended.map_err(|error| unreachable(options, &error))?;
    Ok(report(options, &generator, start, mail.size))
}

/// What all connections work on.
fn shared(options: &LoadOptions, mail: Rc<Outgoing>, start: Instant) -> io::Result<LoadShared> {
    let encryption = options.encryption.as_ref();
    Ok(LoadShared {
        server: options.server.clone(),
        trust: encryption.map(|encryption| Rc::clone(&encryption.trust)),
        mail,
        keep: options.keep,
        connect_only: options.connect_only,
        timeout: options.timeout,
        schedule: Schedule::new(options.extent, options.rate, start),
        stats: LoadStats::new(start)?,
        connections: 0,
        idle: Vec::new(),
        order: None,
        is_reached: false,
        unreachable_since: None,
        dial_errors: Vec::new(),
    })
}

fn report(options: &LoadOptions, generator: &Generator, start: Instant, size: u64) -> Report {
    let stats = &generator.shared().stats;
    let unit = if options.connect_only {
        "connects"
    } else {
        "messages"
    };
    Report {
        unit,
        elapsed: stats.last_end.saturating_duration_since(start),
        done: stats.done,
        connections: stats.connections,
        message_bytes: if options.connect_only {
            0
        } else {
            size.saturating_mul(stats.done)
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

fn unreachable(options: &LoadOptions, error: &dyn fmt::Display) -> Failed {
    let server = &options.server;
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
