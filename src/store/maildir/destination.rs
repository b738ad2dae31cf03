//! The destination of a message within the store: its file, and the mailboxes it is for.

use std::io;

use super::folders::MailboxPath;
use super::names::FileNames;
use crate::smtp::envelope::{Envelope, Peer};
use crate::smtp::path::Mailbox;
use crate::store::Failure;

/// The file of a message, and the groups of mailboxes it is for.
#[derive(Debug)]
pub(super) struct MessageDestination {
    pub(super) names: FileNames,
    pub(super) groups: Vec<Vec<MailboxPath>>,
    /// The backend under whose instance the file is named; another one may not open it.
    pub(super) generation: u32,
    /// The client: the message uses its share of new mailboxes.
    pub(super) peer: Peer,
}

/// The folders of mailboxes.
pub(super) fn paths<'a>(
    mailboxes: impl IntoIterator<Item = &'a Mailbox>,
) -> Result<Vec<MailboxPath>, Failure> {
    mailboxes.into_iter().map(MailboxPath::new).collect()
}

/// Groups the mailboxes of an envelope: by recipient, or all together where they share one outcome.
pub(super) fn groups(envelope: &Envelope) -> Result<Vec<Vec<MailboxPath>>, Failure> {
    let groups = if envelope.service.answers_each_recipient() {
        let recipients = envelope.recipients.iter();
        let groups = recipients.map(|recipient| paths(&recipient.mailboxes));
        groups.collect::<Result<Vec<_>, _>>()?
    } else {
        vec![paths(envelope.mailboxes())?]
    };
    if groups.is_empty() || groups.iter().any(Vec::is_empty) {
        let error = io::Error::new(io::ErrorKind::InvalidInput, "no recipient");
        return Err(error.into());
    }
    Ok(groups)
}
