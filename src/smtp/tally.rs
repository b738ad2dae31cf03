//! What a session has done so far.

use super::reply::{self, Reply};

/// The counts of one session.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// Messages stored.
    pub messages: u32,
    /// Replies 5yz given.
    pub errors: u32,
    /// Those since the start or the last stored message.
    pub(super) errors_in_a_row: u32,
    /// Replies that a transaction has too many recipients.
    pub over_recipients: u32,
    /// Replies that a message is too large.
    pub over_size: u32,
    /// Replies that a command line is too long.
    pub over_line: u32,
    /// Logins refused.
    pub(super) failed_logins: u32,
    /// Whether a dot came alone between bare LFs, where that ends no message, and no end of that message since.
    pub waits_behind_bare_dot: bool,
    /// Transactions begun.
    pub(super) transactions: u32,
}

impl Tally {
    /// Counts a reply that is given.
    pub(super) fn count(&mut self, reply: Reply) {
        let errors = u32::from(reply.is_error());
        self.errors += errors;
        self.errors_in_a_row += errors;
        self.over_recipients += u32::from(reply == reply::TOO_MANY_RECIPIENTS);
        self.over_size += u32::from(reply == reply::TOO_LARGE);
        self.over_line += u32::from(reply == reply::LINE_TOO_LONG);
    }
}
