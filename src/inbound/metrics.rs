//! Counters of a server, and its status in one line.

use core::fmt;
use core::time::Duration;
#[cfg(feature = "http")]
use std::cell::Cell;

use crate::net::driver::Summary;
use crate::smtp::event::CloseReason;
use crate::smtp::stats::SessionStats;

/// The status of a server, in one line.
#[derive(Clone, Copy, Debug)]
pub struct ServerStatus {
    /// Connections that are being served.
    pub connections: usize,
    /// Messages stored since the start.
    pub messages: u64,
    /// Connections that wait for the store.
    pub waiting: usize,
    /// What waits to be sent on, where there is a route.
    pub queue: Option<QueueStatus>,
    /// How long the store has taken no mail, if it takes none.
    pub store_lost: Option<Duration>,
    /// Since when the server has run.
    pub uptime: Duration,
}

impl fmt::Display for ServerStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            connections,
            messages,
            waiting,
            queue,
            store_lost,
            uptime,
        } = self;
        write!(
            f,
            "connections={connections} messages={messages} waiting={waiting} "
        )?;
        if let Some(QueueStatus { queued, sites_down }) = queue {
            write!(f, "queued={queued} sites_down={sites_down} ")?;
        }
        if let Some(time) = store_lost {
            write!(f, "store_lost={} ", time.as_secs())?;
        }
        write!(f, "uptime={}", uptime.as_secs())
    }
}

/// What waits to be sent on.
#[derive(Clone, Copy, Debug)]
pub struct QueueStatus {
    /// Messages in the queue.
    pub queued: usize,
    /// Sites that take no connections.
    pub sites_down: usize,
}

impl From<[usize; 2]> for QueueStatus {
    fn from([queued, sites_down]: [usize; 2]) -> Self {
        Self { queued, sites_down }
    }
}

/// The counters of a server.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    /// Connections by the reason of their end, in the order of [`CloseReason::WORDS`].
    closed: [u64; CloseReason::WORDS.len()],
    /// Connections that were not let in; they count under their reason as well.
    turned_away: u64,
    messages: u64,
    errors: u64,
    over_recipients: u64,
    over_size: u64,
    over_line: u64,
    /// Octets received and sent.
    octets: [u64; 2],
}

impl Metrics {
    /// Counts a connection that has ended, or that was refused.
    pub(super) fn add(
        &mut self,
        reason: CloseReason,
        stats: SessionStats,
        summary: &Summary,
        is_refused: bool,
    ) {
        self.turned_away += u64::from(is_refused);
        self.closed[reason.index()] += 1;
        self.add_open(stats, summary.bytes_in, summary.bytes_out);
    }

    /// Counts what a connection has done so far.
    pub fn add_open(&mut self, stats: SessionStats, bytes_in: u64, bytes_out: u64) {
        self.octets[0] += bytes_in;
        self.octets[1] += bytes_out;
        self.messages += u64::from(stats.messages);
        self.errors += u64::from(stats.errors);
        self.over_recipients += u64::from(stats.over_recipients);
        self.over_size += u64::from(stats.over_size);
        self.over_line += u64::from(stats.over_line);
    }

    /// Connections by the reason of their end, in the order of [`CloseReason::WORDS`].
    #[must_use]
    pub fn closed(&self) -> [u64; CloseReason::WORDS.len()] {
        self.closed
    }

    /// Connections that were not let in.
    #[must_use]
    pub fn turned_away(&self) -> u64 {
        self.turned_away
    }

    /// Octets received and sent.
    #[must_use]
    pub fn octets(&self) -> [u64; 2] {
        self.octets
    }

    /// Errors of clients by their reasons: replies 5yz in all, and limits that were met.
    #[must_use]
    pub fn errors(&self) -> [(&'static str, u64); 4] {
        [
            ("reply", self.errors),
            ("over_recipients", self.over_recipients),
            ("over_size", self.over_size),
            ("over_line", self.over_line),
        ]
    }
}

/// The number of replies by the first digit of their codes.
#[cfg(feature = "http")]
#[derive(Debug, Default)]
pub struct ReplyCounts([Cell<u64>; 4]);

#[cfg(feature = "http")]
impl ReplyCounts {
    /// The classes of replies, by the first digit (RFC 5321 §4.2.1).
    const CLASSES: [&'static str; 4] = ["2yz", "3yz", "4yz", "5yz"];

    /// Counts the replies that were said: whole lines, of which the last one of each has a blank after its code.
    pub fn add(&self, said: &[u8]) {
        for line in said.split_inclusive(|octet| *octet == b'\n') {
            if let [digit @ b'2'..=b'5', _, _, b' ' | b'\r', ..] = line
                && let Some(count) = self.0.get(usize::from(digit - b'2'))
            {
                count.set(count.get() + 1);
            }
        }
    }

    /// The counts, with the names of their classes.
    #[must_use]
    pub fn by_class(&self) -> [(&'static str, u64); 4] {
        let counts = Self::CLASSES.iter().zip(&self.0);
        let mut counts = counts.map(|(class, count)| (*class, count.get()));
        core::array::from_fn(|_| counts.next().unwrap_or_default())
    }
}

impl fmt::Display for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "connections={}", self.closed.iter().sum::<u64>())?;
        for (reason, count) in CloseReason::WORDS.iter().zip(self.closed) {
            write!(f, " {reason}={count}")?;
        }
        write!(
            f,
            " turned_away={} messages={} errors={}",
            self.turned_away, self.messages, self.errors
        )?;
        write!(
            f,
            " over_recipients={} over_size={} over_line={}",
            self.over_recipients, self.over_size, self.over_line
        )
    }
}
