//! A message of the stream that is being delivered.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::part_reader::StreamPartReader;
use crate::smtp::envelope::QueueId;
use crate::smtp::path::Mailbox;
use crate::store::stream::StreamMessage;
use crate::store::stream::record::{
    ENVELOPE, StreamEnvelope, StreamEnvelopeError, StreamRecordKind,
};
use crate::store::{Draft, Failure, OnceDelivery};

/// The begin of a file in a mailbox (RFC 5321 §4.4).
const RETURN_PATH: &str = "Return-Path:";

/// A message of the stream that is here, until it is acknowledged in whatever way.
#[derive(Debug)]
pub(super) struct StreamDelivery {
    /// The message as it came.
    pub(super) message: StreamMessage,
    /// Its octets.
    pub(super) octets: usize,
    /// The subject by which it is acknowledged.
    pub(super) reply: Box<str>,
    /// The number of times that it was delivered.
    pub(super) tries: u64,
    /// Whether an earlier try may have succeeded.
    pub(super) may_be_there: bool,
    /// When the consumer last heard that it is being worked on.
    pub(super) touched: Instant,
    pub(super) stage: DeliveryStage,
}

impl StreamDelivery {
    /// Whether it is too late to hand it to the store: the consumer may have handed it out to somebody else by the time that it is in its
    /// mailbox.
    pub(super) fn is_late(&self, ack_wait: Duration, now: Instant) -> bool {
        self.touched + ack_wait / 2 <= now
    }

    /// Whether it waits for an answer of the stream.
    pub(super) fn is_asking(&self) -> bool {
        match &self.stage {
            DeliveryStage::Mail(mail) => mail.fetching.is_some(),
            _ => true,
        }
    }
}

/// The stage of a delivery.
#[derive(Debug)]
pub(super) enum DeliveryStage {
    /// It is being put into mailboxes.
    Mail(Box<MailDelivery>),
    /// It is in all of its mailboxes, and the consumer is told so until it has heard it.
    Acknowledging(QueueId),
    /// Its parts are being removed.
    Purging(QueueId),
    /// It cannot be delivered, and is being set aside for this reason, once it is known that it is still in the stream: somebody else may
    /// have delivered it, and removed its parts.
    Checking(String),
    /// It is being set aside for this reason.
    Aside(String),
}

/// A message on its way into mailboxes.
#[derive(Debug)]
pub(super) struct MailDelivery {
    pub(super) envelope: StreamEnvelope,
    /// The name that its file has in each of them.
    pub(super) name: String,
    /// The mailboxes, each once.
    pub(super) mailboxes: Vec<MailboxDelivery>,
    /// Whether anything was handed to the store yet.
    pub(super) is_begun: bool,
    /// The mailboxes that the store has, and has not settled.
    pub(super) submitted: usize,
    /// Its text, while that is fetched from parts, with the drafts that it goes to.
    pub(super) fetching: Option<StreamPartReader>,
    /// Whether the first piece of it is still to come.
    pub(super) is_at_start: bool,
    pub(super) drafts: Vec<(usize, Draft)>,
}

/// A mailbox of a message.
#[derive(Debug)]
pub(super) struct MailboxDelivery {
    pub(super) mailbox: Mailbox,
    pub(super) state: MailboxState,
}

/// What is known of a message in one mailbox.
#[derive(Debug)]
pub(super) enum MailboxState {
    /// It is to be looked for first, before anything is fetched.
    Unknown,
    /// It is to be delivered.
    Pending,
    /// The store has it, or looks for it.
    Submitted,
    /// It is there.
    Stored,
    /// It could not be delivered.
    Failed(Failure),
}

/// A reason why a record is no message that can be delivered.
#[derive(Debug)]
pub(super) enum Unreadable {
    /// Another program is to deliver it: a newer one wrote it, or it is longer than what is taken in here.
    Foreign(String),
    /// It is damaged, or nobody of ours wrote it.
    Damaged(String),
}

impl MailDelivery {
    /// Reads a message, and checks all of it that is there.
    pub(super) fn read(
        message: &StreamMessage,
        sequence: u64,
        may_be_there: bool,
    ) -> Result<Self, Unreadable> {
        let damaged = |why: &str| Unreadable::Damaged(why.to_owned());
        if message.is_left_out {
            return Err(Unreadable::Foreign("it is too long".to_owned()));
        }
        let json = message.header(ENVELOPE);
        let json = json.ok_or_else(|| damaged("there is no envelope in its headers"))?;
        let envelope = StreamEnvelope::from_json(json).map_err(|error| match error {
            StreamEnvelopeError::Newer(_) => Unreadable::Foreign(error.to_string()),
            _ => Unreadable::Damaged(error.to_string()),
        })?;
        if StreamRecordKind::of_subject(&message.subject)
            != Some((StreamRecordKind::Message, envelope.id))
        {
            return Err(damaged("its subject is that of another message"));
        }
        if envelope.parts == 0 {
            let text = &message.payload;
            if text.len() as u64 != envelope.octets {
                return Err(damaged(
                    "its text has another length than its envelope says",
                ));
            }
            if crc32c::crc32c(text) != envelope.crc32c {
                return Err(damaged("the checksum of its text is another one"));
            }
        }
        let is_sought = may_be_there && envelope.parts > 0;
        let mut seen = BTreeSet::new();
        let all = envelope.recipients.iter();
        let all = all.flat_map(|recipient| &recipient.mailboxes);
        let each = all.filter(|mailbox| seen.insert(mailbox.plain()));
        let mailboxes: Vec<_> = each
            .map(|mailbox| MailboxDelivery {
                mailbox: mailbox.clone(),
                state: match is_sought {
                    true => MailboxState::Unknown,
                    false => MailboxState::Pending,
                },
            })
            .collect();
        if mailboxes.is_empty() {
            return Err(damaged("it is for no mailbox"));
        }
        Ok(Self {
            name: format!("{}.S{sequence:X}Q{}", envelope.time_ms / 1000, envelope.id),
            envelope,
            mailboxes,
            is_begun: false,
            submitted: 0,
            fetching: None,
            is_at_start: true,
            drafts: Vec::new(),
        })
    }

    /// The delivery to one of its mailboxes.
    pub(super) fn once(&self, index: usize, may_be_there: bool) -> Option<OnceDelivery<'_>> {
        Some(OnceDelivery {
            mailbox: &self.mailboxes.get(index)?.mailbox,
            name: &self.name,
            body: self.envelope.body,
            may_be_there,
        })
    }

    /// What comes before the text in each mailbox, whose start is known. Our own trace header is not for the final delivery only, so
    /// that a server which took itself for that has begun the text with this line.
    pub(super) fn return_path(&self, text: &[u8]) -> String {
        match text.starts_with(RETURN_PATH.as_bytes()) {
            true => String::new(),
            false => format!("{RETURN_PATH} {}\r\n", self.envelope.sender),
        }
    }

    /// Sets the state of a mailbox.
    pub(super) fn set(&mut self, index: usize, state: MailboxState) {
        if let Some(mailbox) = self.mailboxes.get_mut(index) {
            mailbox.state = state;
        }
    }

    /// The mailboxes that are to be looked at first, by their indices.
    pub(super) fn unknown(&self) -> Vec<usize> {
        self.all_in(|state| matches!(state, MailboxState::Unknown))
    }

    /// The mailboxes that are to be delivered to, by their indices.
    pub(super) fn pending(&self) -> Vec<usize> {
        self.all_in(|state| matches!(state, MailboxState::Pending))
    }

    fn all_in(&self, wanted: impl Fn(&MailboxState) -> bool) -> Vec<usize> {
        let mailboxes = self.mailboxes.iter().enumerate();
        let wanted = mailboxes.filter(|(_, mailbox)| wanted(&mailbox.state));
        wanted.map(|(index, _)| index).collect()
    }

    /// The failure that decides what becomes of the message, if it is not in all of its mailboxes: one that will not pass comes last.
    pub(super) fn failure(&self) -> Option<&Failure> {
        let failures = self.mailboxes.iter().filter_map(|it| match &it.state {
            MailboxState::Failed(failure) => Some(failure),
            _ => None,
        });
        failures.max_by_key(|failure| !matches!(failure, Failure::BadName))
    }
}
