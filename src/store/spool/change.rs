//! Changes of the state of a message in the spool, each durable with the next sync.

use super::envelope::SpoolEnvelope;
use super::id::MailId;

/// A change of the state of one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The message.
    pub mail: MailId,
    /// What changes.
    pub kind: ChangeKind,
}

/// The kind of a change. Recipients are named by their index in the envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// These recipients have it, and the report on that, if one was asked for. One record holds both.
    Done(Vec<u16>, Option<Box<SpooledReport>>),
    /// These will never have it, and the report on that, if there is one to be made. One record holds both: nobody hears twice
    /// of a failure, and no failure goes unheard.
    Failed(Vec<u16>, Option<Box<SpooledReport>>),
    /// The sender was told of the delay.
    Noticed(Option<Box<SpooledReport>>),
    /// Nothing is sent to these recipients until they are released; nor to any if the list is empty. It says of all who is held.
    Held(Vec<u16>),
    /// It is sent to all again.
    Released,
    /// These recipients were taken off by the operator; nobody is told.
    Deleted(Vec<u16>),
}

/// A report, which is a message of its own in the spool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpooledReport {
    /// Its name.
    pub mail: MailId,
    /// Its envelope.
    pub envelope: SpoolEnvelope,
    /// Its text, whose lines end in CRLF.
    pub text: Box<[u8]>,
}

/// How many changes there were since the start of the server. They become durable in their order, whatever process does it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChangeCounts {
    /// Those that the spool was told of.
    pub told: u64,
    /// Those that are durable.
    pub durable: u64,
}
