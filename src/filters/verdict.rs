//! What the filters of a session have decided about one of its steps.

use core::fmt;
use std::rc::Rc;

use crate::smtp::reply::GivenReply;
use crate::store::Store;
use crate::store::hold::HeldText;

/// What the filters of a session have decided about one of its steps.
#[derive(Debug)]
pub enum FilterVerdict {
    /// The step goes on. Whether a filter wants to see the message, after DATA.
    Pass {
        /// Whether the message is to be on hold until its end, at which the filters see it.
        sees_message: bool,
    },
    /// The step is refused with this reply.
    Refuse(Rc<GivenReply>),
    /// The step goes on, but nothing is kept of the message.
    Discard,
    /// The message may be stored: so.
    Store(Box<FilteredMessage>),
}

/// A message as it is to be stored once all filters have seen it.
#[derive(Debug)]
pub struct FilteredMessage {
    /// The message as it came.
    pub text: HeldText,
    /// Its header, up to and with the line that ends it, and what comes after, where a filter has changed it.
    pub changed: Option<ChangedText>,
    /// What was changed of its envelope.
    pub envelope: EnvelopeChanges,
    /// Why it is to be held, where a filter wants that.
    pub quarantine: Option<Box<str>>,
}

impl FilteredMessage {
    /// Drops all of its text.
    pub fn drop_texts(self, store: &mut dyn Store) {
        let Some(hold) = store.held_texts() else {
            return;
        };
        hold.drop_text(self.text);
        if let Some(body) = self.changed.and_then(|changed| changed.body) {
            hold.drop_text(body);
        }
    }
}

/// The text of a message that filters have changed.
#[derive(Debug)]
pub struct ChangedText {
    /// The header, with the line that ends it.
    pub header: Box<[u8]>,
    /// The length of the header in the text as it came.
    pub header_bytes: u64,
    /// The body, where it was replaced.
    pub body: Option<HeldText>,
}

/// Changes to the envelope of a message, in the order in which they are made.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct EnvelopeChanges(pub Vec<EnvelopeChange>);

/// A change to the envelope of a message. Addresses are as the filter wrote them, with the brackets or without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnvelopeChange {
    /// Another sender.
    Sender(Box<str>),
    /// One more recipient.
    AddRecipient(Box<str>),
    /// A recipient less, wherever it occurs.
    DeleteRecipient(Box<str>),
}

impl fmt::Display for EnvelopeChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sender(address) => write!(f, "sender {address}"),
            Self::AddRecipient(address) => write!(f, "add recipient {address}"),
            Self::DeleteRecipient(address) => write!(f, "delete recipient {address}"),
        }
    }
}
