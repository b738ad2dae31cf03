//! What a server has done in all, and told when it ends.

use core::fmt;
use core::time::Duration;

use crate::smtp::event::Limit;
use crate::smtp::stats::SessionStats;

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The client said QUIT.
    Quit,
    /// The client hung up.
    Peer,
    /// It was too slow.
    Timeout,
    /// It went past a limit, or there was no room for it.
    Limit(Limit),
    /// The server was about to end.
    Drain,
    /// It does not speak SMTP, or its socket failed.
    Error,
}

impl Reason {
    /// The words for them in the log.
    const WORDS: [&'static str; 6] = ["quit", "peer", "timeout", "limit", "drain", "error"];

    /// The place of its word.
    fn index(self) -> usize {
        match self {
            Self::Quit => 0,
            Self::Peer => 1,
            Self::Timeout => 2,
            Self::Limit(_) => 3,
            Self::Drain => 4,
            Self::Error => 5,
        }
    }
}

impl fmt::Display for Reason {
    /// As it stands after `closed=`; of a limit, which one it was.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::WORDS[self.index()])?;
        match self {
            Self::Limit(limit) => write!(f, " limit={limit}"),
            _ => Ok(()),
        }
    }
}

/// What a server does now, in one line.
#[derive(Clone, Copy, Debug)]
pub struct Status {
    /// Connections that are being served.
    pub connections: usize,
    /// Messages stored since the start.
    pub messages: u64,
    /// What waits for the store.
    pub waiting: usize,
    /// Since when the server has run.
    pub uptime: Duration,
}

impl fmt::Display for Status {
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
pub(super) struct Totals {
    /// Connections by the reason of their end, in the order of [`Reason::WORDS`].
    closed: [u64; Reason::WORDS.len()],
    /// Connections that were not let in; they count under their reason as well.
    pub(super) turned_away: u64,
    messages: u64,
    errors: u64,
    over_recipients: u64,
    over_size: u64,
    over_line: u64,
}

impl Totals {
    /// Counts a connection that has ended.
    pub(super) fn add(&mut self, reason: Reason, stats: SessionStats) {
        self.closed[reason.index()] += 1;
        self.messages += u64::from(stats.messages);
        self.errors += u64::from(stats.errors);
        self.over_recipients += u64::from(stats.over_recipients);
        self.over_size += u64::from(stats.over_size);
        self.over_line += u64::from(stats.over_line);
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "connections={}", self.closed.iter().sum::<u64>())?;
        for (reason, count) in Reason::WORDS.iter().zip(self.closed) {
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
