//! What the postmaster is told of a mail that was given up unread: nothing but its name is known, so its sender cannot be told.

use super::date::rfc5322_date;
use super::report_envelope;
use crate::store::spool::{MailId, SpoolRecipient, SpooledReport};

/// A word to the postmaster on a mail that was given up, and that the spool could not read.
#[derive(Clone, Copy, Debug)]
pub struct UnreadNotice<'a> {
    /// The mail.
    pub mail: MailId,
    /// The number of its recipients that were given up.
    pub recipients: usize,
    /// The name of this server.
    pub hostname: &'a str,
    /// The present time, in milliseconds of the epoch.
    pub now_ms: u64,
}

impl UnreadNotice<'_> {
    /// Writes it as a message called `name`, to where the address of the postmaster leads.
    #[must_use]
    pub fn compose(&self, name: MailId, to: Vec<SpoolRecipient>) -> SpooledReport {
        let Self {
            mail,
            recipients,
            hostname,
            now_ms,
        } = *self;
        let date = rfc5322_date(now_ms);
        let text = format!(
            "Received: by {hostname} id {name};\r\n\t{date}\r\n\
             Date: {date}\r\n\
             From: Mail Delivery System <postmaster@{hostname}>\r\n\
             To: postmaster@{hostname}\r\n\
             Subject: A message was given up that cannot be read\r\n\
             Message-ID: <{name}@{hostname}>\r\n\
             Auto-Submitted: auto-generated\r\n\
             \r\n\
             This is the mail server {hostname}.\r\n\
             \r\n\
             Dear postmaster, the message {mail} was not delivered in its lifetime to {recipients} of\r\n\
             its recipients, and was given up. The spool could not read it, so its sender\r\n\
             could not be told. The lines with this id in the log of the server say who\r\n\
             they are, and why it cannot be read.\r\n"
        );
        SpooledReport {
            mail: name,
            envelope: report_envelope(now_ms, to),
            text: text.into_bytes().into_boxed_slice(),
        }
    }
}
