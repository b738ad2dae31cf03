//! Counters of a server, and its status in one line.

use core::fmt;
use core::time::Duration;

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
    /// Since when the server has run.
    pub uptime: Duration,
}

impl fmt::Display for ServerStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "connections={} messages={} waiting={} uptime={}",
            self.connections,
            self.messages,
            self.waiting,
            self.uptime.as_secs()
        )
    }
}

/// The counters of a server.
#[derive(Debug, Default)]
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
}

impl Metrics {
    /// Counts a connection that has ended, or that was refused.
    pub(super) fn add(&mut self, reason: CloseReason, stats: SessionStats, is_refused: bool) {
        self.turned_away += u64::from(is_refused);
        self.closed[reason.index()] += 1;
        self.messages += u64::from(stats.messages);
        self.errors += u64::from(stats.errors);
        self.over_recipients += u64::from(stats.over_recipients);
        self.over_size += u64::from(stats.over_size);
        self.over_line += u64::from(stats.over_line);
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
