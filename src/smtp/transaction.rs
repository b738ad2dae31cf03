//! One mail transaction, from MAIL to the reply to its message (RFC 5321 §3.3).

use super::envelope::{Envelope, QueueId, Recipient};
use super::fields::MissingFields;
use super::hops::Hops;
use super::own_hops::OwnHops;
use super::policy::Policy;
use super::reply::{self, Reply};

/// The mailboxes beyond its recipients that a transaction may have before it takes no more recipients: a few short
/// commands must not make up an envelope of any length. The last one may go past it.
const MAILBOXES_ADDED_MAX: usize = 1000;

/// One mail transaction (RFC 5321 §3.3).
#[derive(Debug)]
pub struct Transaction {
    /// Its envelope.
    pub envelope: Envelope,
    /// Octets that the client declared the message to have (RFC 1870 §6.1); 0 if it did not.
    pub declared_size: u64,
    /// The name the store gave the message, once it opened it.
    pub id: Option<QueueId>,
    /// The number of mailboxes that its recipients lead to; one may count several times.
    mailboxes: usize,
    /// The number of mailboxes that may have to be made for its recipients.
    pub mailboxes_to_make: usize,
    /// Octets of the message so far, counted as RFC 1870 §5 does.
    pub size: u64,
    /// The servers it passed before, as far as they were read.
    hops: Hops,
    /// The times that it passed this one, counted for mail that leads elsewhere: to a mailbox here nothing goes round.
    own_hops: Option<Box<OwnHops>>,
    /// The header fields that it lacks, as far as they were looked for.
    pub(super) missing: MissingFields,
}

impl Transaction {
    /// A transaction without recipients.
    pub(super) fn new(envelope: Envelope, declared_size: u64) -> Self {
        Self {
            envelope,
            declared_size,
            id: None,
            mailboxes: 0,
            mailboxes_to_make: 0,
            size: 0,
            hops: Hops::new(),
            own_hops: None,
            missing: MissingFields::default(),
        }
    }

    /// Adds a recipient, for which so many mailboxes may have to be made as `to_make` says.
    pub(super) fn add(&mut self, recipient: Recipient, to_make: usize) {
        self.mailboxes += recipient.mailboxes.len();
        self.mailboxes_to_make += to_make;
        self.envelope.recipients.push(recipient);
    }

    /// Whether it takes no more recipients.
    pub(super) fn is_full(&self, policy: &Policy) -> bool {
        let recipients = self.envelope.recipients.len();
        recipients >= policy.recipients_max || self.mailboxes >= recipients + MAILBOXES_ADDED_MAX
    }

    /// Begins its message, which the store knows as `id`. Its recipients are known now.
    pub(super) fn begin_message(&mut self, id: QueueId, missing: MissingFields) {
        (self.id, self.missing) = (Some(id), missing);
        let leads_elsewhere = self.envelope.leads_elsewhere();
        self.own_hops = leads_elsewhere.then(|| Box::new(OwnHops::new()));
    }

    /// Counts the next piece of the message, and looks for what its header lacks.
    ///
    /// # Errors
    /// With it the message is longer than `policy` allows, or has come round too often. Which of them it was first
    /// does not depend on how it was cut.
    pub(super) fn take(&mut self, text: &[u8], policy: &Policy) -> Result<(), Reply> {
        let size_max = policy.message_bytes_max;
        let room = usize::try_from(size_max.saturating_sub(self.size)).unwrap_or(usize::MAX);
        let stored = self.missing.read(&text[..text.len().min(room)]);
        self.hops.read(stored);
        self.size += text.len() as u64;
        let own_hops_too_many = self.own_hops.as_mut().is_some_and(|own_hops| {
            own_hops.read(stored, &policy.hostname);
            own_hops.are_too_many()
        });
        if self.hops.are_too_many() || own_hops_too_many {
            return Err(reply::MAIL_LOOP);
        }
        if text.len() > room {
            return Err(reply::TOO_LARGE);
        }
        Ok(())
    }
}
