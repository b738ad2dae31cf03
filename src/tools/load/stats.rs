//! What a run counts while it goes on.

use core::fmt;
use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::smtp::client::ServerReply;

/// What is told apart of a latency, and the longest one; those beyond count as this one.
const LATENCY_MIN: Duration = Duration::from_micros(1);
const LATENCY_MAX: Duration = Duration::from_secs(3600);
/// A latency is known to one in a thousand.
const SIGNIFICANT_DIGITS: u8 = 3;

/// Why a transaction came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FailureKind {
    /// The server refused with this code.
    Reply(u16),
    /// There was no connection.
    Connect,
    /// The connection broke off.
    Lost,
    /// The server was silent for too long.
    Timeout,
    /// The server does not speak SMTP.
    Protocol,
    /// The server is not who it should be, or does not speak TLS.
    Tls,
    /// The server's SIZE is less than the message has.
    TooLarge,
    /// It was due, but did not begin before the end of the run: the rate was more than the sessions could carry.
    Overdue,
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reply(code) => write!(f, "{code}"),
            Self::Connect => f.write_str("connect"),
            Self::Lost => f.write_str("lost"),
            Self::Timeout => f.write_str("timeout"),
            Self::Protocol => f.write_str("protocol"),
            Self::Tls => f.write_str("tls"),
            Self::TooLarge => f.write_str("too-large"),
            Self::Overdue => f.write_str("overdue"),
        }
    }
}

/// The counters of a run.
#[derive(Debug)]
pub(super) struct LoadStats {
    /// Transactions that did what they were to do.
    pub(super) done: u64,
    /// Connections that were greeted.
    pub(super) connections: u64,
    /// How the others failed.
    pub(super) failures: BTreeMap<FailureKind, u64>,
    /// Recipients that were refused of messages that others got, by the code.
    pub(super) refused_recipients: BTreeMap<u16, u64>,
    /// What the first failure was, in words.
    pub(super) first_failure: Option<String>,
    pub(super) latencies: Histogram<u64>,
    /// Octets over the wire.
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
    /// When the last transaction came to its end.
    pub(super) last_end: Instant,
}

impl LoadStats {
    pub(super) fn new(start: Instant) -> io::Result<Self> {
        let latencies = Histogram::new_with_bounds(
            nanoseconds(LATENCY_MIN),
            nanoseconds(LATENCY_MAX),
            SIGNIFICANT_DIGITS,
        );
        Ok(Self {
            done: 0,
            connections: 0,
            failures: BTreeMap::new(),
            refused_recipients: BTreeMap::new(),
            first_failure: None,
            latencies: latencies.map_err(io::Error::other)?,
            bytes_in: 0,
            bytes_out: 0,
            last_end: start,
        })
    }

    /// A transaction that began, or was due, at `since` is done.
    pub(super) fn done(&mut self, since: Instant, now: Instant) {
        self.done += 1;
        self.last_end = now;
        self.latencies
            .saturating_record(nanoseconds(now.saturating_duration_since(since)));
    }

    /// A transaction failed; `why` tells of it in words.
    pub(super) fn failed(&mut self, failure: FailureKind, why: impl fmt::Display, now: Instant) {
        self.last_end = now;
        self.failed_times(failure, 1, why);
    }

    /// So many transactions failed alike.
    pub(super) fn failed_times(
        &mut self,
        failure: FailureKind,
        times: u64,
        why: impl fmt::Display,
    ) {
        if times > 0 {
            *self.failures.entry(failure).or_default() += times;
            self.first_failure.get_or_insert_with(|| why.to_string());
        }
    }

    /// A recipient was refused of a message that others got.
    pub(super) fn refused_recipient(&mut self, reply: &ServerReply) {
        *self.refused_recipients.entry(reply.code()).or_default() += 1;
        self.first_failure.get_or_insert_with(|| reply.to_string());
    }

    /// How many transactions have come to an end.
    pub(super) fn ended(&self) -> u64 {
        self.done + self.failures.values().sum::<u64>()
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
