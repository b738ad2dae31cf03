//! What a server has done in all, and told when it ends.

use core::fmt;

use crate::smtp::tally::Tally;

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
    Limit,
    /// The server was about to end.
    Drain,
    /// It does not speak SMTP, or its socket failed.
    Error,
}

impl Reason {
    const ALL: [Self; 6] = [
        Self::Quit,
        Self::Peer,
        Self::Timeout,
        Self::Limit,
        Self::Drain,
        Self::Error,
    ];

    /// The word for it in the log.
    fn word(self) -> &'static str {
        match self {
            Self::Quit => "quit",
            Self::Peer => "peer",
            Self::Timeout => "timeout",
            Self::Limit => "limit",
            Self::Drain => "drain",
            Self::Error => "error",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The counters of a server.
#[derive(Debug, Default)]
pub(super) struct Totals {
    /// Connections by the reason of their end, in the order of [`Reason::ALL`].
    closed: [u64; Reason::ALL.len()],
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
    pub(super) fn add(&mut self, reason: Reason, tally: Tally) {
        self.closed[reason as usize] += 1;
        self.messages += u64::from(tally.messages);
        self.errors += u64::from(tally.errors);
        self.over_recipients += u64::from(tally.over_recipients);
        self.over_size += u64::from(tally.over_size);
        self.over_line += u64::from(tally.over_line);
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "connections={}", self.closed.iter().sum::<u64>())?;
        for (reason, count) in Reason::ALL.iter().zip(self.closed) {
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
