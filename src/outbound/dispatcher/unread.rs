//! Mails that cannot be read when their sender is to be told of them.

use std::collections::HashMap;

use crate::store::spool::MailId;

/// A mail is tried so often before it is given up unread, ten minutes apart: for six hours in all.
const TRIES_MAX: u32 = 36;
/// The most mails whose tries are counted. Beyond that they are tried for ever.
const MAILS_MAX: usize = 10_000;

/// Mails that could not be read, and how often.
#[derive(Debug, Default)]
pub(super) struct UnreadMails(HashMap<MailId, u32>);

impl UnreadMails {
    /// Notes that a mail could not be read, and says whether it is tried again. Those that are not queued any more are forgotten.
    pub(super) fn fails(&mut self, mail: MailId, is_queued: impl Fn(MailId) -> bool) -> bool {
        if self.0.len() >= MAILS_MAX && !self.0.contains_key(&mail) {
            self.0.retain(|mail, _| is_queued(*mail));
            if self.0.len() >= MAILS_MAX {
                return true;
            }
        }
        let tries = self.0.entry(mail).or_default();
        *tries += 1;
        let tries_again = *tries < TRIES_MAX;
        if !tries_again {
            self.0.remove(&mail);
        }
        tries_again
    }

    /// Notes that a mail was read.
    pub(super) fn succeeds(&mut self, mail: MailId) {
        self.0.remove(&mail);
    }
}
