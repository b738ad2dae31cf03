//! The envelope of a message in the spool: all that its delivery needs, and reports on it.

use crate::smtp::dsn::{MessageDsn, RecipientDsn};
use crate::smtp::envelope::Body;
use crate::smtp::path::{Mailbox, ReversePath};

/// The envelope of a message in the spool. Its recipients are final: aliases were resolved when it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpoolEnvelope {
    /// When it came, in milliseconds of the epoch: its age is counted from here.
    pub arrived_ms: u64,
    /// The address that failures are reported to.
    pub sender: ReversePath,
    /// Whether the sender is a mailbox, an alias or a user of ours: reports go to nobody else.
    pub sender_is_ours: bool,
    /// Why a mail filter wanted it held when it came, where one did.
    pub quarantine: Option<Box<str>>,
    /// The user who had logged in.
    pub user: Option<Box<str>>,
    /// The declared kind of its body.
    pub body: Body,
    /// Whether it may only go to servers with SMTPUTF8 (RFC 6531).
    pub smtputf8: bool,
    /// What its client asked of reports.
    pub dsn: Option<Box<MessageDsn>>,
    /// All recipients; state is kept by the index.
    pub recipients: Vec<SpoolRecipient>,
}

/// One recipient of a message in the spool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpoolRecipient {
    /// The address that it is sent or delivered to.
    pub address: Mailbox,
    /// Whether it is a mailbox here.
    pub is_local: bool,
    /// The address that the client named, where an alias led from it to this one.
    pub named: Option<Mailbox>,
    /// What the client asked of reports.
    pub dsn: Option<Box<RecipientDsn>>,
}
