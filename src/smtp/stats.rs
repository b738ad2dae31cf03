//! Counts of a session, for limits, log lines and metrics.

use super::event::Limit;
use super::reply::{self, Reply};

/// The most refusals, 4yz or 5yz, since the start or the last stored message. A reply 4yz is no fault of the client, so it
/// does not count as an error; but who is refused for ever works the server for nothing.
pub const REFUSALS_MAX: u16 = 1000;

/// The counts of one session.
#[derive(Clone, Copy, Debug, Default)]
pub struct SessionStats {
    /// Messages stored.
    pub messages: u32,
    /// Replies 5yz given.
    pub errors: u32,
    /// Replies 5yz since the start or the last stored message.
    errors_in_a_row: u32,
    /// Replies 4yz and 5yz since then.
    refusals_in_a_row: u16,
    /// Replies that a transaction has too many recipients.
    pub over_recipients: u32,
    /// Replies that a message is too large.
    pub over_size: u32,
    /// Replies that a command line is too long.
    pub over_line: u32,
    /// Logins refused, as far as that makes a difference to the next one.
    pub(super) failed_logins: u8,
    /// Whether a dot came alone between bare LFs, where that ends no message, and no end of that message since.
    pub waits_behind_bare_dot: bool,
    /// Transactions begun.
    pub(super) transactions: u32,
}

impl SessionStats {
    /// Counts a reply that is given.
    pub(super) fn count(&mut self, reply: Reply) {
        let errors = u32::from(reply.is_error());
        self.errors += errors;
        self.errors_in_a_row += errors;
        let refusals = u16::from(reply.is_refusal());
        self.refusals_in_a_row = self.refusals_in_a_row.saturating_add(refusals);
        self.over_recipients += u32::from(reply == reply::TOO_MANY_RECIPIENTS);
        self.over_size += u32::from(reply == reply::TOO_LARGE);
        self.over_line += u32::from(reply == reply::LINE_TOO_LONG);
    }

    /// Counts a reply of a filter beside that for which it is [counted](Self::count): a refusal, and an error where its code is 5yz.
    #[cfg(feature = "milter")]
    pub(super) fn count_given(&mut self, code: u16) {
        let errors = u32::from(code >= 500);
        self.errors += errors;
        self.errors_in_a_row += errors;
    }

    /// Counts a message that was stored: what was refused before is forgiven.
    pub(super) fn count_stored(&mut self) {
        self.messages = self.messages.saturating_add(1);
        self.errors_in_a_row = 0;
        self.refusals_in_a_row = 0;
    }

    /// The limit that the client has reached: `errors_max` errors in a row, or [`REFUSALS_MAX`] refusals.
    pub(super) fn limit_reached(&self, errors_max: u32) -> Option<Limit> {
        if self.errors_in_a_row >= errors_max {
            Some(Limit::Errors)
        } else if self.refusals_in_a_row >= REFUSALS_MAX {
            Some(Limit::Refusals)
        } else {
            None
        }
    }
}
