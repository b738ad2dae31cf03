//! The destination of a message within the store: its file, and the mailboxes it is for.

use super::folders::MailboxPath;
use crate::smtp::envelope::Peer;

/// The file of a message, and the groups of mailboxes it is for.
#[derive(Debug)]
pub(super) struct MessageDestination {
    pub(super) file_name: String,
    pub(super) groups: Vec<Vec<MailboxPath>>,
    /// The backend under whose instance the file is named; another one may not open it.
    pub(super) generation: u32,
    /// The client: the message uses its share of new mailboxes.
    pub(super) peer: Peer,
}
